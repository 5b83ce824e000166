"""Promised: a vector operation does the same compiled and as numpy, for every kind of number."""

import operator

import numpy as np
import pytest
from numba import njit

from bgsub.kernels import lanes
from bgsub.kernels.lanes import LANES, load, power, select, store, sub_least, to_float32

BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "or": operator.or_,
    "and": operator.and_,
    "xor": operator.xor,
    "least": lanes.least,
    "most": lanes.most,
    "add_most": lanes.add_most,
    "sub_least": lanes.sub_least,
    "high_product": lanes.high_product,
}
WHOLE = ("or", "and", "xor", "add_most", "sub_least", "high_product")


def numbers(dtype, seed):
    """Numbers with the edges of the range among them."""
    rng = np.random.default_rng(seed)
    if dtype == np.float32:
        return rng.normal(0, 100, LANES).astype(dtype)
    top = np.iinfo(dtype).max
    some = rng.integers(0, top, LANES, endpoint=True, dtype=dtype)
    some[:4] = 0, top, 1, top - 1
    return rng.permutation(some)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(n, np.uint16) for n in BINARY] + [(n, np.float32) for n in BINARY if n not in WHOLE],
)
def test_arithmetic(name, dtype):
    operation = BINARY[name]

    @njit
    def kernel(a, b, out):
        store(out, 0, operation(load(a, 0), load(b, 0)))

    a, b, out = numbers(dtype, 1), numbers(dtype, 2), np.zeros(LANES, dtype)
    kernel(a, b, out)
    np.testing.assert_array_equal(out, operation(a, b))
    assert operation(a, b).dtype == dtype


def test_high_product_is_the_upper_half_of_the_product():
    a, b = numbers(np.uint16, 3), numbers(np.uint16, 4)
    expected = [int(x) * int(y) >> 16 for x, y in zip(a, b, strict=True)]
    assert lanes.high_product(a, b).tolist() == expected


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_comparisons_masks_and_reductions(dtype):
    def body(a, b, out):
        x, y = load(a, 0), load(b, 0)
        less, same = x < y, x == y
        store(out, 0, lanes.select(less & ~same, x, y))
        store(out, LANES, lanes.select((x >= y) | (x > y), lanes.filled(7, x), x - x))
        store(out, 2 * LANES, lanes.select(x != y, x, 3))
        return lanes.anywhere(less), lanes.everywhere(x <= y), lanes.smallest(x)

    a, b = numbers(dtype, 5), numbers(dtype, 6)
    b[3:9] = a[3:9]
    out, expected = np.zeros((2, 3 * LANES), dtype)
    assert njit(body)(a, b, out) == body(a, b, expected)
    np.testing.assert_array_equal(out, expected)
    assert (out != 0).any()


@pytest.mark.parametrize(("stride", "offset"), [(1, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 3)])
def test_bytes_are_loaded_as_the_upper_halves_of_numbers(stride, offset):
    @njit
    def kernel(image, out):
        store(out, 0, lanes.load_upper_halves(image, 5, stride, offset))

    rng = np.random.default_rng(8)
    image = rng.integers(0, 256, 5 + LANES * stride, np.uint8)
    out = np.zeros(LANES, np.uint16)
    kernel(image, out)
    np.testing.assert_array_equal(out, image[5 + offset :: stride].astype(np.uint16) * 256)
    mine = lanes.load_upper_halves(image, 5, stride, offset)
    np.testing.assert_array_equal(mine, out)


def test_asking_for_memory_that_does_not_exist_does_no_harm():
    @njit
    def kernel(a, out):
        lanes.prefetch(a, 1 << 40)
        lanes.prefetch(a, -(1 << 40))
        store(out, 0, load(a, 0))

    a, out = numbers(np.uint16, 9), np.zeros(LANES, np.uint16)
    kernel(a, out)
    np.testing.assert_array_equal(out, a)


def test_the_bits_of_a_mask():
    def body(a, out):
        mask = load(a, 0) > 50
        number = lanes.bits(mask)
        store(out, 0, lanes.select(lanes.lanes_of(number), 7, load(a, 0)))
        return number

    a, out, expected = numbers(np.uint8, 7), *np.zeros((2, LANES), np.uint8)
    number = sum(1 << n for n in range(LANES) if a[n] > 50)
    assert njit(body)(a, out) == body(a, expected) == number
    np.testing.assert_array_equal(out, np.where(a > 50, 7, a))
    np.testing.assert_array_equal(expected, out)


def test_conversions_and_steps():
    def body(image, planes, out):
        for_each = (lanes.load_every(image, 0, 3, 0), lanes.load_every(image, 0, 3, 2))
        wide = lanes.to_uint16(for_each[0]) << 8
        store(planes, 0, wide)
        store(planes, LANES, lanes.to_uint16(lanes.to_int32(lanes.to_float32(wide) * 0.5)))
        store(planes, 2 * LANES, lanes.ramp(40503))
        lanes.store_every(out, 0, 3, 1, for_each[1])
        lanes.store_every(out, 0, 3, 2, lanes.to_uint8(wide >> 8))

    image = np.arange(3 * LANES, dtype=np.uint8)
    results = []
    for kernel in (body, njit(body)):
        planes, out = np.zeros(3 * LANES, np.uint16), np.zeros(3 * LANES, np.uint8)
        kernel(image, planes, out)
        results.append((planes, out))
    for mine, numpys in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, numpys)
    planes, out = results[1]
    np.testing.assert_array_equal(planes[LANES : 2 * LANES], image[::3] * np.uint16(128))
    np.testing.assert_array_equal(out.reshape(-1, 3).T, [image[::3] * 0, image[2::3], image[::3]])


@pytest.mark.parametrize(("dtype", "count"), [(np.float64, 8), (np.float32, 16), (np.float64, 4)])
def test_vectors_of_another_length(dtype, count):
    def body(a, out, sums):
        x = lanes.load_some(a, 0, count)
        y = lanes.load_some(a, count, count)
        store(out, 0, lanes.select(x > y, x / y, lanes.filled(3, x)) - y * x + 1)
        for n in range(0, 3 * count, count):
            z = lanes.load_some(a, n, count)
            lanes.add_totals(sums, n, (x, z, z * z))

    rng = np.random.default_rng(7)
    a = rng.uniform(1, 2, 3 * count).astype(dtype)
    sums = rng.normal(size=4 * count)
    out, expected_out, expected = np.zeros(count, dtype), np.zeros(count, dtype), sums.copy()
    njit(body)(a, out, sums)
    body(a, expected_out, expected)
    np.testing.assert_allclose(out, expected_out, rtol=0, atol=16 * np.finfo(dtype).eps)
    np.testing.assert_allclose(sums, expected, rtol=4 * count * np.finfo(dtype).eps)
    assert (sums[3:count] == expected[3:count]).all()  # those without a vector stay


@lanes.traced
def apart(a, b):
    return sub_least(a, b) | sub_least(b, a)


@lanes.traced
def blended(vectors, masks, wide):
    (first, *others), total = vectors, vectors[0]
    for other, mask in zip(others, masks, strict=True):
        total = select(mask, total + apart(first, other), 7 - other)
    return (total, tuple(~mask for mask in masks)), np.float32(2) * to_float32(total), wide


def test_traced_functions_take_and_give_tuples_and_call_one_another():
    def body(a, wide, out, reals):
        x, y, z = lanes.load_all(a, 0, 3)
        (total, masks), twice, same = blended((x, y, z), (x > y, y > z), wide)
        lanes.store_all(out, 0, (total, lanes.select(masks[0], x, y), lanes.filled(same, x)))
        lanes.store(reals, 0, twice)

    a = np.concatenate([numbers(np.uint16, seed) for seed in (9, 10, 11)])
    out, expected = np.zeros((2, 3 * LANES), np.uint16)
    reals, expected_reals = np.zeros((2, LANES), np.float32)
    njit(body)(a, 321, out, reals)
    with np.errstate(over="ignore"):
        body(a, 321, expected, expected_reals)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(reals, expected_reals)
    assert len(set(out.tolist())) > LANES


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda a: a if a > 3 else a + 1, "no branches"),
        (lambda a: power(a), "power.. does not take Vector.uint16"),
    ],
)
def test_traced_functions_tell_what_they_cannot_do(wrong, told):
    function = lanes.traced(wrong)

    @njit
    def kernel(a):
        store(a, 0, function(load(a, 0)))

    with pytest.raises(TypeError, match=told):
        kernel(np.zeros(LANES, np.uint16))


def test_more_totals_than_a_vector_has_lanes():
    def body(a, sums):
        x, y = lanes.load_some(a, 0, 8), lanes.load_some(a, 8, 8)
        lanes.add_totals(sums, 0, (x, y, x, x, y, y, x, y, x + y))

    a = np.random.default_rng(8).normal(size=16)
    sums, expected = np.ones((2, 16))
    njit(body)(a, sums)
    body(a, expected)
    np.testing.assert_allclose(sums, expected, rtol=1e-14)
    assert len(set(sums.tolist())) > 2


@pytest.mark.parametrize(
    ("dtype", "magic"), [(np.float64, 1.5 * 2.0**52 + 1023), (np.float32, 1.5 * 2.0**23 + 127)]
)
def test_power_is_that_of_two(dtype, magic):
    def body(a, out):
        store(out, 0, lanes.power(lanes.load_some(a, 0, 8) + dtype(magic)))

    exponents = np.array([0, -1, 1, 5, -20, -100, 100, -126])
    out, expected = np.zeros((2, 8), dtype)
    njit(body)(exponents.astype(dtype), out)
    body(exponents.astype(dtype), expected)
    np.testing.assert_array_equal(out, 2.0**exponents)
    np.testing.assert_array_equal(expected, 2.0**exponents)
