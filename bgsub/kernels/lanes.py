"""Vectors: the same number of LANES neighbouring pixels, worked on at once.

Every function here exists twice. Called from Python it takes and returns numpy arrays of LANES
numbers; in a compiled kernel it becomes the processor's vector instruction, or the few that it
takes. So a kernel reads as arithmetic on numbers, can be run interpreted by a test, and owes its
speed to no guess of the compiler. Any processor will do: LLVM splits vectors that are too wide.
load_some() begins vectors of another length.

Integers wrap around. A plain number beside a vector counts for every lane.
"""

from __future__ import annotations

import itertools
import operator
import types as python
from functools import cache, partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, typeof, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.typing.templates import AbstractTemplate, infer, infer_global, signature
from numba.extending import lower_builtin, models, register_model

LANES = 32
"""Numbers in a vector: 32 of 16 bits fill the widest register of today's processors, and one cache
line."""

_INDEX = ir.IntType(32)
_ELEMENTS = {
    "bool": ir.IntType(1),
    "uint8": ir.IntType(8),
    "uint16": ir.IntType(16),
    "int32": _INDEX,
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
}
_FLAGS = ("nsz", "arcp", "contract")


class Vector(types.Type):
    """LANES or another `count` of numbers of one kind."""

    def __init__(self, kind, count=LANES):
        self.kind, self.count = kind, count
        self.element = _ELEMENTS[kind]
        self.llvm = ir.VectorType(self.element, count)
        self.real = kind in ("float32", "float64")
        super().__init__(name=f"Vector({kind}, {count})")

    def of(self, kind):
        """As many of another kind."""
        return Vector(kind, self.count)


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, kind.llvm)


BOOL, UINT8, UINT16, INT32, FLOAT32 = map(Vector, ("bool", "uint8", "uint16", "int32", "float32"))
_VECTOR_OF = {types.uint8: UINT8, types.uint16: UINT16, types.int32: INT32, types.float32: FLOAT32}
_BYTES = {"uint8": 1, "uint16": 2, "int32": 4, "float32": 4, "float64": 8}


def _common(*kinds):
    """The one vector kind among types of vectors and numbers, else None."""
    vectors = {kind for kind in kinds if isinstance(kind, Vector)}
    plain = [kind for kind in kinds if not isinstance(kind, Vector)]
    fits = len(vectors) == 1 and all(isinstance(kind, types.Number) for kind in plain)
    return vectors.pop() if fits else None


def _as_vector(builder, vector, kind, value):
    """`value` itself, or the number in every lane."""
    if isinstance(kind, Vector):
        return value
    element = vector.element
    if isinstance(kind, types.Float):
        cast = {True: builder.fpext, False: builder.fptrunc}[isinstance(element, ir.DoubleType)]
        value = cast(value, element) if value.type != element else value
    elif vector.real:
        value = (builder.sitofp if kind.signed else builder.uitofp)(value, element)
    elif value.type.width > element.width:
        value = builder.trunc(value, element)
    elif value.type.width < element.width:
        value = builder.zext(value, element)
    nothing = ir.Constant(vector.llvm, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, nothing, _order([0] * vector.count))


def _order(numbers):
    return ir.Constant(ir.VectorType(_INDEX, len(numbers)), list(numbers))


_BUILDERS: dict[Any, tuple[Any, Any]] = {}
"""What tells the type of a function's answer, and what builds its instructions."""


def _compiled(function, answer, *patterns):
    """Let the decorated build `function` for types that fit one of `patterns`.

    `answer` of the types that it is given is the type of its answer, None if they do not fit.
    """

    class Template(AbstractTemplate):
        key = function
        # Asked first: an operator has dozens of others, and all would have to say no.
        metadata = {"target": "cpu"}  # noqa: RUF012

        def generic(self, kinds, named):
            found = answer(*kinds)
            return None if found is None else signature(found, *kinds)

    infer(Template)
    infer_global(function, types.Function(Template))

    def register(build):
        for kinds in patterns:
            lower_builtin(function, *kinds)(build)
        _BUILDERS[function] = answer, build
        return build

    return register


def _lanewise(function, arity, emit, result=None):
    """Compile `function` of `arity` vectors to what `emit(builder, vector, *values)` builds."""

    def answer(*kinds):
        vector = _common(*kinds)
        return vector if vector is None or result is None else vector.of(result)

    patterns = itertools.product((Vector, types.Number), repeat=arity)

    @_compiled(function, answer, *(kinds for kinds in patterns if Vector in kinds))
    def build(context, builder, signature, values):
        vector = _common(*signature.args)
        pairs = zip(signature.args, values, strict=True)
        return emit(builder, vector, *[_as_vector(builder, vector, *pair) for pair in pairs])


def _declared(builder, name, answer, *kinds):
    """LLVM's own function `name`."""
    known = builder.module.globals.get(name)
    return known or ir.Function(builder.module, ir.FunctionType(answer, kinds), name)


def _intrinsic(whole, real=None):
    """Emit LLVM's intrinsic of one or two vectors, by the kind of their elements."""

    def emit(builder, vector, *values):
        suffix = "f32" if vector.real else f"i{vector.element.width}"
        name = f"llvm.{real if vector.real else whole}.v{LANES}{suffix}"
        function = _declared(builder, name, vector.llvm, *[vector.llvm] * len(values))
        return builder.call(function, values)

    return emit


def _arithmetic(whole, real):
    def emit(builder, vector, a, b):
        if vector.real:
            return getattr(builder, real)(a, b, flags=_FLAGS)
        return getattr(builder, whole)(a, b)

    return emit


def _bitwise(name):
    return lambda builder, vector, a, b: getattr(builder, name)(a, b)


def _comparison(sign):
    def emit(builder, vector, a, b):
        if vector.real:
            return builder.fcmp_ordered(sign, a, b)
        compare = builder.icmp_signed if vector == INT32 else builder.icmp_unsigned
        return compare(sign, a, b)

    return emit


_lanewise(operator.add, 2, _arithmetic("add", "fadd"))
_lanewise(operator.sub, 2, _arithmetic("sub", "fsub"))
_lanewise(operator.mul, 2, _arithmetic("mul", "fmul"))
_lanewise(operator.truediv, 2, _arithmetic("udiv", "fdiv"))
_lanewise(operator.and_, 2, _bitwise("and_"))
_lanewise(operator.or_, 2, _bitwise("or_"))
_lanewise(operator.xor, 2, _bitwise("xor"))
_lanewise(operator.lshift, 2, _bitwise("shl"))
_lanewise(operator.rshift, 2, _bitwise("lshr"))
_lanewise(operator.invert, 1, lambda builder, vector, a: builder.not_(a))
for _sign, _operator in {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}.items():
    _lanewise(_operator, 2, _comparison(_sign), "bool")


def least(a, b):
    """The smaller of each two."""
    return np.minimum(a, b)


def most(a, b):
    """The larger of each two."""
    return np.maximum(a, b)


def add_most(a, b):
    """The sum of integers, or the largest integer where it would be larger."""
    total = a + b
    return np.where(total < a, np.iinfo(total.dtype).max, total)


def sub_least(a, b):
    """The difference of integers, or 0 where it would be negative."""
    return np.where(a > b, a - b, 0).astype(np.result_type(a, b))


def high_product(a, b):
    """The upper 16 bits of the product of uint16 numbers."""
    wide = np.asarray(a, np.uint32) * np.asarray(b, np.uint32)
    return (wide >> np.uint32(16)).astype(np.uint16)


def _high_product(builder, vector, a, b):
    # LLVM knows the multiplication that we want only from a pattern, and moves its parts away from
    # one another; so where it has a name it is called by it.
    for feature, name, width in _HIGH_PRODUCTS:
        if f"+{feature}" in features():
            part = ir.VectorType(vector.element, width)
            multiply = _declared(builder, name, part, part, part)
            return _joined(
                builder,
                [
                    builder.call(multiply, [_cut(builder, a, n, width), _cut(builder, b, n, width)])
                    for n in range(0, LANES, width)
                ],
            )
    wide = ir.VectorType(_INDEX, LANES)
    full = builder.mul(builder.zext(a, wide), builder.zext(b, wide))
    return builder.trunc(builder.lshr(full, ir.Constant(wide, [16] * LANES)), vector.llvm)


_HIGH_PRODUCTS = (
    ("avx512bw", "llvm.x86.avx512.pmulhu.w.512", 32),
    ("avx2", "llvm.x86.avx2.pmulhu.w", 16),
    ("sse2", "llvm.x86.sse2.pmulhu.w", 8),
)


@cache
def features():
    """What the processor can do that numba compiles for."""
    settings: Any = config
    given = settings.CPU_FEATURES
    return (get_host_cpu_features() if given is None else given).split(",")


def register():
    """Bytes in the widest register."""
    wide = {"+avx512f": 64, "+avx": 32}
    return next((size for feature, size in wide.items() if feature in features()), 16)


def _cut(builder, vector, first, width):
    nothing = ir.Constant(vector.type, ir.Undefined)
    return builder.shuffle_vector(vector, nothing, _order(range(first, first + width)))


def _joined(builder, parts):
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=True)
        width = 2 * parts[0].type.count
        parts = [builder.shuffle_vector(a, b, _order(range(width))) for a, b in pairs]
    return parts[0]


_lanewise(least, 2, _intrinsic("umin", "minnum"))
_lanewise(most, 2, _intrinsic("umax", "maxnum"))
_lanewise(add_most, 2, _intrinsic("uadd.sat"))
_lanewise(sub_least, 2, _intrinsic("usub.sat"))
_lanewise(high_product, 2, _high_product)


def exp(a):
    """The exponential of float32 numbers."""
    return np.exp(a)


def sqrt(a):
    """The square root of float32 numbers."""
    return np.sqrt(a)


_lanewise(exp, 1, _intrinsic("", "exp"))
_lanewise(sqrt, 1, _intrinsic("", "sqrt"))


def select(mask, a, b):
    """Numbers of `a` where the mask holds, else of `b`."""
    return np.where(mask, a, b)


def _type_select(mask, a, b):
    vector = _common(a, b)
    return vector if vector is not None and mask == vector.of("bool") else None


@_compiled(select, _type_select, (Vector, types.Any, types.Any))
def _select(context, builder, signature, values):
    vector = _common(*signature.args[1:])
    pairs = zip(signature.args[1:], values[1:], strict=True)
    return builder.select(values[0], *[_as_vector(builder, vector, *pair) for pair in pairs])


def anywhere(mask):
    """Whether the mask holds in any lane."""
    return bool(np.any(mask))


def everywhere(mask):
    """Whether the mask holds in all lanes."""
    return bool(np.all(mask))


def smallest(a):
    """The smallest of the numbers."""
    return np.min(a)


def _reduction(function, name, real=None):
    def answer(a):
        if not isinstance(a, Vector) or (name != "umin") != (a == BOOL):
            return None
        kinds = {BOOL: types.boolean, UINT16: types.uint16, FLOAT32: types.float32}
        return kinds.get(a)

    @_compiled(function, answer, (Vector,))
    def build(context, builder, signature, values):
        vector = signature.args[0]
        suffix = "f32" if vector.real else f"i{vector.element.width}"
        full = f"llvm.vector.reduce.{real if vector.real else name}.v{LANES}{suffix}"
        return builder.call(_declared(builder, full, vector.element, vector.llvm), values)


def bits(mask):
    """One bit a lane, the first lowest, as uint32."""
    return np.packbits(mask, bitorder="little").view("<u4").astype(np.uint32)[0]


def _type_bits(mask):
    return types.uint32 if mask == BOOL else None


@_compiled(bits, _type_bits, (Vector,))
def _bits(context, builder, signature, values):
    return builder.bitcast(values[0], _INDEX)


def lanes_of(number):
    """The mask whose bits() are `number`."""
    return np.unpackbits(np.array([number], "<u4").view(np.uint8), bitorder="little") == 1


def _type_lanes_of(number):
    return BOOL if number == types.uint32 else None


@_compiled(lanes_of, _type_lanes_of, (types.Integer,))
def _lanes_of(context, builder, signature, values):
    return builder.bitcast(values[0], BOOL.llvm)


_reduction(anywhere, "or")
_reduction(everywhere, "and")
_reduction(smallest, "umin", "fmin")


def _conversion(vector):
    def convert(a):
        return np.asarray(a).astype(vector.kind)

    def answer(a):
        return vector if isinstance(a, Vector) else None

    @_compiled(convert, answer, (Vector,))
    def build(context, builder, signature, values):
        (old,), (value,) = signature.args, values
        if old == vector:
            return value
        if old.real:
            whole = builder.fptosi(value, INT32.llvm)
            return whole if vector == INT32 else builder.trunc(whole, vector.llvm)
        if vector.real:
            return (builder.sitofp if old == INT32 else builder.uitofp)(value, vector.llvm)
        shrinks = old.element.width > vector.element.width
        return (builder.trunc if shrinks else builder.zext)(value, vector.llvm)

    return convert


to_uint8, to_uint16, to_int32, to_float32 = map(_conversion, (UINT8, UINT16, INT32, FLOAT32))


def load(array, at):
    """The numbers array[at], array[at + 1], ..."""
    return array[at : at + LANES].copy()


def store(array, at, lanes):
    """Write `lanes` to array[at], array[at + 1], ..."""
    array[at : at + len(lanes)] = lanes


def prefetch(array, at):
    """Ask the memory for the cache line of array[at], which need not exist."""


def _type_prefetch(array, at):
    return types.none if isinstance(array, types.Array) else None


@_compiled(prefetch, _type_prefetch, (types.Array, types.Integer))
def _prefetch(context, builder, signature, values):
    data = context.make_array(signature.args[0])(context, builder, values[0]).data
    byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    address = builder.bitcast(builder.gep(data, [values[1]]), byte)
    fetch = _declared(builder, "llvm.prefetch.p0i8", ir.VoidType(), byte, flag, flag, flag)
    builder.call(fetch, [address, flag(0), flag(3), flag(1)])
    return context.get_dummy_value()


def load_every(array, at, stride, offset):
    """The numbers array[at + offset], array[at + offset + stride], ..., with literal steps."""
    return array[at + offset : at + LANES * stride : stride].copy()


def store_every(array, at, stride, offset, lanes):
    """Write `lanes` to array[at + offset], array[at + offset + stride], ..., with literal steps."""
    array[at + offset : at + LANES * stride : stride] = lanes


def _address(context, builder, kind, array, at, vector, count=None):
    data = context.make_array(kind)(context, builder, array).data
    wide = ir.VectorType(vector.element, count or vector.count)
    return builder.bitcast(builder.gep(data, [at]), wide.as_pointer())


def _type_load(array, at):
    return _VECTOR_OF.get(array.dtype) if isinstance(array, types.Array) else None


@_compiled(load, _type_load, (types.Array, types.Integer))
def _load(context, builder, signature, values):
    vector = signature.return_type
    array, at = values
    address = _address(context, builder, signature.args[0], array, at, vector)
    return builder.load(address, align=_BYTES[vector.kind])


def load_all(array, at, count):
    """A literal `count` of vectors that follow one another from array[at] on, as a tuple."""
    return tuple(load(array, at + n * LANES) for n in range(count))


def _type_load_all(array, at, count):
    literal = isinstance(count, types.IntegerLiteral)
    vector = _type_load(array, at) if literal else None
    return None if vector is None else types.UniTuple(vector, count.literal_value)


@_compiled(load_all, _type_load_all, (types.Array, types.Integer, types.IntegerLiteral))
def _load_all(context, builder, signature, values):
    kind, (array, at, _) = signature.return_type, values
    address = _address(context, builder, signature.args[0], array, at, kind.dtype)
    places = [builder.gep(address, [_INDEX(n)]) for n in range(len(kind))]
    vectors = [builder.load(place, align=_BYTES[kind.dtype.kind]) for place in places]
    return context.make_tuple(builder, kind, vectors)


def store_all(array, at, vectors):
    """Write a tuple of vectors one after the other from array[at] on."""
    for n, lanes in enumerate(vectors):
        store(array, at + n * LANES, lanes)


def _type_store_all(array, at, vectors):
    alike = isinstance(vectors, types.UniTuple)
    return _type_store(array, at, vectors.dtype) if alike else None


@_compiled(store_all, _type_store_all, (types.Array, types.Integer, types.UniTuple))
def _store_all(context, builder, signature, values):
    vector, (array, at, packed) = signature.args[2].dtype, values
    address = _address(context, builder, signature.args[0], array, at, vector)
    for n, lanes in enumerate(cgutils.unpack_tuple(builder, packed)):
        builder.store(lanes, builder.gep(address, [_INDEX(n)]), align=_BYTES[vector.kind])
    return context.get_dummy_value()


def load_some(array, at, count):
    """The numbers array[at], array[at + 1], ..., a literal `count` of them, which are reals."""
    return array[at : at + count].copy()


def _type_load_some(array, at, count):
    fits = isinstance(array, types.Array) and isinstance(array.dtype, types.Float)
    literal = isinstance(count, types.IntegerLiteral)
    return Vector(str(array.dtype), count.literal_value) if fits and literal else None


@_compiled(load_some, _type_load_some, (types.Array, types.Integer, types.IntegerLiteral))
def _load_some(context, builder, signature, values):
    vector = signature.return_type
    array, at = values[:2]
    address = _address(context, builder, signature.args[0], array, at, vector)
    return builder.load(address, align=_BYTES[vector.kind])


def add_totals(array, at, vectors):
    """Add the sum of each of a tuple of vectors to array[at], array[at + 1], ...

    As many numbers are written as fill vectors; those without a sum stay as they are.
    """
    for n, vector in enumerate(vectors):
        array[at + n] += vector.sum()


def _type_add_totals(array, at, vectors):
    fits = isinstance(array, types.Array) and array.dtype == types.float64
    alike = isinstance(vectors, types.UniTuple) and isinstance(vectors.dtype, Vector)
    return types.none if fits and alike else None


@_compiled(add_totals, _type_add_totals, (types.Array, types.Integer, types.UniTuple))
def _add_totals(context, builder, signature, values):
    array, at, packed = values
    vectors = cgutils.unpack_tuple(builder, packed)
    vector = signature.args[2].dtype
    sums = Vector("float64", vector.count)
    for first in range(0, len(vectors), vector.count):
        part = _totals(builder, vector, vectors[first : first + vector.count])
        part = part if vector == sums else builder.fpext(part, sums.llvm)
        place = builder.add(at, ir.Constant(at.type, first))
        address = _address(context, builder, signature.args[0], array, place, sums)
        old = builder.load(address, align=8)
        builder.store(builder.fadd(old, part), address, align=8)
    return context.get_dummy_value()


def _totals(builder, vector, vectors):
    """One vector of the sums of up to as many vectors as it has lanes."""
    parts = vectors + [ir.Constant(vector.llvm, None)] * (vector.count - len(vectors))
    length = vector.count  # of the run of lanes that are to be summed
    while len(parts) > 1:
        lanes = range(2 * vector.count)
        halves = [[n for n in lanes if 2 * (n % length) // length == half] for half in (0, 1)]
        low, high = map(_order, halves)
        parts = [
            builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high))
            for a, b in zip(parts[::2], parts[1::2], strict=True)
        ]
        length //= 2
    return parts[0]


def power(a):
    """2 ** n of reals whose lowest bits hold n and the bias of an exponent."""
    whole = np.int64 if a.dtype == np.float64 else np.int32
    return (a.view(whole) << whole(np.finfo(a.dtype).nmant)).view(a.dtype)


def _type_power(a):
    return a if isinstance(a, Vector) and a.real else None


@_compiled(power, _type_power, (Vector,))
def _power(context, builder, signature, values):
    vector = signature.args[0]
    size, mantissa = {"float32": (32, 23), "float64": (64, 52)}[vector.kind]
    whole = ir.VectorType(ir.IntType(size), vector.count)
    places = ir.Constant(whole, [mantissa] * vector.count)
    bits = builder.bitcast(values[0], whole)
    return builder.bitcast(builder.shl(bits, places), vector.llvm)


def _type_load_every(array, at, stride, offset):
    literal = all(isinstance(kind, types.IntegerLiteral) for kind in (stride, offset))
    fits = isinstance(array, types.Array) and literal
    return _VECTOR_OF.get(array.dtype) if fits else None


@_compiled(
    load_every,
    _type_load_every,
    (types.Array, types.Integer, types.IntegerLiteral, types.IntegerLiteral),
)
def _load_every(context, builder, signature, values):
    vector = signature.return_type
    stride, offset = (kind.literal_value for kind in signature.args[2:])
    count = LANES * stride
    array, at = values[:2]
    address = _address(context, builder, signature.args[0], array, at, vector, count)
    every = builder.load(address, align=_BYTES[vector.kind])
    nothing = ir.Constant(every.type, ir.Undefined)
    return builder.shuffle_vector(every, nothing, _order(range(offset, count, stride)))


def load_upper_halves(array, at, stride, offset):
    """What load_every() gives of bytes, as uint16 numbers 256 times as large."""
    return load_every(array, at, stride, offset).astype(np.uint16) << np.uint16(8)


def _type_load_upper_halves(array, at, stride, offset):
    literal = all(isinstance(kind, types.IntegerLiteral) for kind in (stride, offset))
    fits = isinstance(array, types.Array) and array.dtype == types.uint8 and literal
    return UINT16 if fits else None


@_compiled(
    load_upper_halves,
    _type_load_upper_halves,
    (types.Array, types.Integer, types.IntegerLiteral, types.IntegerLiteral),
)
def _load_upper_halves(context, builder, signature, values):
    stride, offset = (kind.literal_value for kind in signature.args[2:])
    upper = ir.Constant(UINT16.llvm, [0xFF00] * LANES)
    if stride != 3 or "+avx512vbmi" not in features():
        every = _load_every(context, builder, signature.replace(return_type=UINT8), values)
        return builder.shl(builder.zext(every, UINT16.llvm), ir.Constant(UINT16.llvm, [8] * LANES))
    # Two registers hold the 96 bytes, and one instruction picks from both.
    array, at = values[:2]
    halves = [at, builder.add(at, ir.Constant(at.type, 32))]
    addresses = [_address(context, builder, signature.args[0], array, n, UINT8, 64) for n in halves]
    first, last = (builder.load(address, align=1) for address in addresses)
    places = [3 * (n // 2) + offset for n in range(64)]
    picked = builder.shuffle_vector(first, last, _order([p if p < 64 else p + 32 for p in places]))
    return builder.and_(builder.bitcast(picked, UINT16.llvm), upper)


def _type_store(array, at, lanes):
    fits = isinstance(array, types.Array) and isinstance(lanes, Vector)
    return types.none if fits and str(array.dtype) == lanes.kind else None


@_compiled(store, _type_store, (types.Array, types.Integer, Vector))
def _store(context, builder, signature, values):
    vector = signature.args[2]
    array, at, lanes = values
    address = _address(context, builder, signature.args[0], array, at, vector)
    builder.store(lanes, address, align=_BYTES[vector.kind])
    return context.get_dummy_value()


def _type_store_every(array, at, stride, offset, lanes):
    literal = all(isinstance(kind, types.IntegerLiteral) for kind in (stride, offset))
    fits = isinstance(array, types.Array) and _VECTOR_OF.get(array.dtype) == lanes
    return types.none if literal and fits else None


@_compiled(
    store_every,
    _type_store_every,
    (types.Array, types.Integer, types.IntegerLiteral, types.IntegerLiteral, Vector),
)
def _store_every(context, builder, signature, values):
    vector = signature.args[4]
    stride, offset = (kind.literal_value for kind in signature.args[2:4])
    count = LANES * stride
    array, at, _, _, lanes = values
    address = _address(context, builder, signature.args[0], array, at, vector, count)
    old = builder.load(address, align=_BYTES[vector.kind])
    new = _order([*range(LANES), *[0] * (count - LANES)])
    wide = builder.shuffle_vector(lanes, ir.Constant(vector.llvm, ir.Undefined), new)
    turns = [count + n // stride if n % stride == offset else n for n in range(count)]
    mixed = builder.shuffle_vector(old, wide, _order(turns))
    builder.store(mixed, address, align=_BYTES[vector.kind])
    return context.get_dummy_value()


def filled(number, like):
    """The number in every lane, of the kind of `like`."""
    return np.full(len(like), number, like.dtype)


def _type_filled(number, like):
    fits = isinstance(number, types.Number) and isinstance(like, Vector)
    return like if fits else None


@_compiled(filled, _type_filled, (types.Number, Vector))
def _filled(context, builder, signature, values):
    return _as_vector(builder, signature.args[1], signature.args[0], values[0])


def ramp(step):
    """0, step, 2 * step, ... as uint16."""
    return np.arange(LANES).astype(np.uint16) * np.uint16(step)


def _type_ramp(step):
    return UINT16 if isinstance(step, types.Integer) else None


@_compiled(ramp, _type_ramp, (types.Integer,))
def _ramp(context, builder, signature, values):
    steps = _as_vector(builder, UINT16, signature.args[0], values[0])
    return builder.mul(ir.Constant(UINT16.llvm, list(range(LANES))), steps)


class _Traced:
    """What a function that is traced works on: its type, and its value if that is asked for."""

    __slots__ = "builder", "context", "kind", "value"
    __array_ufunc__ = None  # numpy's numbers leave operators to this class

    def __init__(self, context, builder, kind, value):
        self.context, self.builder, self.kind, self.value = context, builder, kind, value

    def __bool__(self):
        raise TypeError("a traced function has no branches: use select()")


def _emitted(function, *operands):
    """The answer of a function of vectors to operands, of which some are traced."""
    answer, build = _BUILDERS[function]
    one = next(operand for operand in operands if isinstance(operand, _Traced))
    context, builder = one.context, one.builder
    traced = [
        operand if isinstance(operand, _Traced) else _constant(context, builder, operand)
        for operand in operands
    ]
    kinds = [operand.kind for operand in traced]
    found = answer(*kinds)
    if found is None:
        raise TypeError(f"{function.__name__}() does not take {', '.join(map(str, kinds))}")
    value = None
    if builder is not None:
        value = build(context, builder, signature(found, *kinds), [one.value for one in traced])
    return _Traced(context, builder, found, value)


def _constant(context, builder, number):
    kind = types.literal(number) if type(number) is int else typeof(number)
    value = builder and ir.Constant(context.get_value_type(kind), np.asarray(number).item())
    return _Traced(context, builder, kind, value)


def _method(function, reflected=False):
    if reflected:
        return lambda one, other: _emitted(function, other, one)
    return lambda *operands: _emitted(function, *operands)


for _function in _BUILDERS:
    if _function.__module__ == "_operator":
        _name = _function.__name__.strip("_")
        setattr(_Traced, f"__{_name}__", _method(_function))
        setattr(_Traced, f"__r{_name}__", _method(_function, reflected=True))

_TRACED: set[Any] = set()


@cache
def _tracer(function):
    """A traced function in whose body the functions of vectors take what is traced."""
    names = dict(function.__globals__)
    for name, value in names.items():
        if isinstance(value, python.FunctionType) and value in _BUILDERS:
            names[name] = partial(_run if value in _TRACED else _emitted, value)
    return python.FunctionType(function.__code__, names)


def _run(function, *operands):
    return _tracer(function)(*operands)


def _opened(context, builder, kind, value):
    """A value as a traced function takes it: tuples as tuples."""
    if not isinstance(kind, types.BaseTuple):
        return _Traced(context, builder, kind, value)
    kinds: Any = kind
    values = kinds if builder is None else cgutils.unpack_tuple(builder, value)
    return tuple(_opened(context, builder, *pair) for pair in zip(kinds, values, strict=True))


def _kind(found):
    """The type of what a traced function returned."""
    if isinstance(found, tuple):
        return types.BaseTuple.from_types([_kind(one) for one in found])
    return types.none if found is None else found.kind


def _closed(context, builder, found):
    """What a traced function returned as a value of that type."""
    if isinstance(found, tuple):
        values = [_closed(context, builder, one) for one in found]
        return context.make_tuple(builder, _kind(found), values)
    return context.get_dummy_value() if found is None else found.value


def traced(function):
    """Let kernels call a function of vectors and numbers, and of tuples of them.

    It is run for every place where a kernel calls it, and what it does to the vectors becomes part
    of the kernel. That costs little beside a compiled function, which the compiler leads through
    all its passes; and loops over tuples are unrolled. It cannot branch on what a vector holds, and
    calls the functions of this module by names of its own. Called from Python it is the function
    itself.
    """

    def run(context, builder, kinds, values):
        pairs = zip(kinds, values, strict=True)
        return _run(function, *[_opened(context, builder, *pair) for pair in pairs])

    @cache
    def answer(*kinds):
        return _kind(run(None, None, kinds, kinds))

    @_compiled(function, answer, (types.VarArg(types.Any),))
    def build(context, builder, signature, values):
        return _closed(context, builder, run(context, builder, signature.args, values))

    _TRACED.add(function)
    return function


def uncompiled(**options):
    """In the place of njit: leaves the function as it is."""
    return lambda function: function
