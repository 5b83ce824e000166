"""Hints to compiler and processor, which change the time that a kernel takes and nothing else.

Called from Python they do nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

VERSION = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
"""For the text of a kernel that uses them, because numba's cache watches that file only."""

WIDEST = '"prefer-vector-width"="512"'

_INT, _BYTE = ir.IntType(32), ir.IntType(8).as_pointer()
_READ, _NEAREST, _DATA = (ir.Constant(_INT, n) for n in (0, 3, 1))


def wide_vectors():
    """Let the loops of this function use the processor's widest vectors.

    LLVM stays at 256 bits where the processor has 512, for the sake of programs that use them
    here and there and pay with a lower clock. A pass that does nothing but arithmetic gains a
    quarter. Where the processor has no such vectors nothing changes.
    """


@type_callable(wide_vectors)
def _type_wide_vectors(context):
    return lambda: types.none


@lower_builtin(wide_vectors)
def _wide_vectors(context, builder, signature, values):
    # llvmlite's own `add` knows a few attributes only, and this is not one of them.
    set.add(builder.function.attributes, WIDEST)
    return context.get_dummy_value()


def prefetch(array, at):
    """Bring the cache line of array[at] near, for it is read soon."""


@type_callable(prefetch)
def _type_prefetch(context):
    def typer(array, at):
        fits = isinstance(array, types.Array) and isinstance(at, types.Integer)
        return types.none if fits else None

    return typer


@lower_builtin(prefetch, types.Array, types.Integer)
def _prefetch(context, builder, signature, values):
    array, at = values
    data: Any = context.make_array(signature.args[0])(context, builder, array).data
    kind = ir.FunctionType(ir.VoidType(), [_BYTE, _INT, _INT, _INT])
    intrinsic = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    address = builder.bitcast(builder.gep(data, [at]), _BYTE)
    builder.call(intrinsic, [address, _READ, _NEAREST, _DATA])
    return context.get_dummy_value()
