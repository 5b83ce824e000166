"""Promised: counters that threads share lose nothing, and stand apart."""

import threading

import numpy as np
from numba import njit

from bgsub.kernels.turns import APART, claim, count, counters, ended, pause


@njit(nogil=True)
def add_many(counters, times):
    for _ in range(times):
        claim(counters, 1, 3)
        pause()
    return count(counters, 1)


def test_no_addition_of_two_threads_is_lost():
    shared = counters(3)
    add_many(shared, 0)
    threads = [threading.Thread(target=add_many, args=(shared, 200_000)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared[APART] == add_many(shared, 0) == 4 * 200_000 * 3
    assert shared.sum() == shared[APART]


def test_claim_tells_what_was_there_before_compiled_and_interpreted():
    @njit
    def twice(counters):
        return claim(counters, 2, 5), claim(counters, 2, 7), count(counters, 2)

    for function in (twice, twice.py_func):
        assert function(np.arange(3 * APART)) == (16, 21, 28)


def test_a_wait_tells_whether_all_is_done():
    @njit(nogil=True)
    def add_last(shared):
        for _ in range(500):
            pause()
        claim(shared, 1, 1)

    @njit(nogil=True)
    def wait(shared, total):
        return ended(shared, 1, total, 10)

    shared = counters(2)
    add_last(shared)
    for function in (wait, wait.py_func):
        assert function(shared, 1)
        assert not function(shared, 2)
    late = threading.Thread(target=add_last, args=(shared,))
    late.start()
    while not wait(shared, 2):
        pass
    late.join()
    assert shared[APART] == 2
