"""Promised: a hint is heard by the compiler, and changes no result."""

import numpy as np
import pytest
from numba import njit
from numba.core.codegen import get_host_cpu_features

from bgsub.kernels.hints import prefetch, wide_vectors


def halved(numbers):
    for n in range(numbers.size):
        numbers[n] *= 0.5


def halved_wide(numbers):
    wide_vectors()
    for n in range(numbers.size):
        numbers[n] *= 0.5


def halved_ahead(numbers):
    for n in range(numbers.size):
        prefetch(numbers, n + 64)
        numbers[n] *= 0.5


@pytest.mark.parametrize("function", [halved_wide, halved_ahead])
def test_results_stay(function):
    numbers, expected = np.arange(100.0), np.arange(100.0) / 2
    njit(function)(numbers)
    np.testing.assert_array_equal(numbers, expected)


def assembly(function):
    compiled = njit(function)
    compiled(np.ones(100))
    return compiled.inspect_asm(compiled.signatures[0])


def test_wide_vectors_are_used_where_there_are_any():
    if "+avx512f" not in get_host_cpu_features():
        pytest.skip("this processor has no vectors of 512 bits")

    assert "zmm" in assembly(halved_wide)


def test_prefetch_reaches_the_processor():
    assert "prefetch" in assembly(halved_ahead)
    assert "prefetch" not in assembly(halved)
