"""Promised: counters that threads share lose nothing, and stand apart."""

import threading

import numpy as np
from numba import njit

from bgsub.kernels.turns import APART, claim, count, pause


@njit(nogil=True)
def add_many(counters, times):
    for _ in range(times):
        claim(counters, 1, 3)
        pause()
    return count(counters, 1)


def test_no_addition_of_two_threads_is_lost():
    counters = np.zeros(3 * APART, np.int64)
    add_many(counters, 0)
    threads = [threading.Thread(target=add_many, args=(counters, 200_000)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters[APART] == add_many(counters, 0) == 4 * 200_000 * 3
    assert counters.sum() == counters[APART]


def test_claim_tells_what_was_there_before_compiled_and_interpreted():
    @njit
    def twice(counters):
        return claim(counters, 2, 5), claim(counters, 2, 7), count(counters, 2)

    for function in (twice, twice.py_func):
        assert function(np.arange(3 * APART)) == (16, 21, 28)
