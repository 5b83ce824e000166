"""Counters that threads share, so that compiled work is handed out without the interpreter.

A job is an array of int64 counters. Threads add to a counter to take the next piece of work, and to
another when the piece is done; who must wait for the others looks at it for a while before it goes
back to the interpreter to sleep, because a thread that sleeps needs long to wake.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, register_jitable, type_callable
from numpy.typing import NDArray

from bgsub.kernels.lanes import features

APART = 8
"""Counters lie this many numbers from one another, in cache lines of their own."""

PATIENCE = 4000
"""Looks at a counter before a thread goes to sleep: a fifth of a millisecond."""


def claim(counters, which, amount):
    """Add to a counter; what it was before."""
    before = counters[which * APART]
    counters[which * APART] += amount
    return before


def count(counters, which):
    """What a counter holds now."""
    return counters[which * APART]


def pause():
    """Let the processor rest a moment between two looks."""


@register_jitable
def ended(counters, which, total, rest):
    """Whether a counter comes to `total` while it is looked at for a while; then pause."""
    done = False
    for _ in range(PATIENCE):
        done = count(counters, which) >= total
        if done:
            break
        pause()
    for _ in range(rest):
        pause()
    return done


def counters(number: int) -> NDArray[np.int64]:
    """Room for counters, all zero."""
    return np.zeros(number * APART, np.int64)


def _pointer(context, builder, kind, counters, which):
    data = context.make_array(kind)(context, builder, counters).data
    return builder.gep(data, [builder.mul(which, ir.Constant(which.type, APART))])


@type_callable(claim)
def _type_claim(context):
    return lambda counters, which, amount: types.int64


@lower_builtin(claim, types.Array, types.Integer, types.Integer)
def _claim(context, builder, signature, values):
    counters, which, amount = values
    place = _pointer(context, builder, signature.args[0], counters, which)
    wide = context.cast(builder, amount, signature.args[2], types.int64)
    return builder.atomic_rmw("add", place, wide, "seq_cst")


@type_callable(count)
def _type_count(context):
    return lambda counters, which: types.int64


@lower_builtin(count, types.Array, types.Integer)
def _count(context, builder, signature, values):
    place = _pointer(context, builder, signature.args[0], *values)
    return builder.load_atomic(place, "seq_cst", 8)


@type_callable(pause)
def _type_pause(context):
    return lambda: types.none


@lower_builtin(pause)
def _pause(context, builder, signature, values):
    if "+sse2" in features():
        name = "llvm.x86.sse2.pause"
        known = builder.module.globals.get(name)
        nothing = ir.FunctionType(ir.VoidType(), ())
        builder.call(known or ir.Function(builder.module, nothing, name), ())
    return context.get_dummy_value()
