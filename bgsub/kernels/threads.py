"""Work on disjoint ranges, side by side.

Kernels release the interpreter lock, so plain threads serve them. numba's own parallel loops are
not used: two Python threads in numba's default layer at once end the process. Waking a thread takes
about as long as a small frame, so the caller begins at once, the ranges are small, and each thread
takes the next one when it is ready; nobody waits for a thread that came too late.

`split` hands ranges out in Python. Where a frame is so short that threads would meet at the
interpreter lock between its ranges, `share` calls once a thread a kernel that takes its ranges
itself, from the counters of `turns`; and the threads are woken while the call is being prepared.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from threading import Condition, Lock, Thread

Work = Callable[[int, int], None]
Turns = Callable[[int], bool]

RANGES = 8  # a thread
REST = 500  # pauses of a helper that has done its turns, so that the caller leaves before it


def available() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Job:
    """One piece of work, cut into ranges."""

    def __init__(self, work: Work, total: int, parts: int) -> None:
        self.work = work
        self.edges = [total * n // parts for n in range(parts + 1)]
        self.begun, self.ended = itertools.count(), itertools.count(1)
        self.done = Lock()
        self.done.acquire()
        self.errors: list[BaseException] = []

    def help(self) -> None:
        """Take ranges until none is left; who ends the last one says so."""
        parts = len(self.edges) - 1
        while (n := next(self.begun)) < parts:
            try:
                self.work(self.edges[n], self.edges[n + 1])
            except BaseException as error:
                self.errors.append(error)
            if next(self.ended) == parts:
                self.done.release()


class _Turns:
    """One piece of work that hands itself out."""

    def __init__(self) -> None:
        self.work: Turns | None = None
        self.made = Lock()
        self.made.acquire()
        self.lock = Lock()
        self.over = False
        self.inside = 0
        self.left = Condition(self.lock)
        self.errors: list[BaseException] = []

    def make(self, prepare: Callable[[], Turns]) -> Turns:
        """The work, for those too who wait for it."""
        try:
            self.work = work = prepare()
        finally:
            self.made.release()
        return work

    def help(self) -> None:
        with self.lock:
            if self.over:
                return
            self.inside += 1
        try:
            with self.made:
                work = self.work
            if work is not None:
                work(REST)
        except BaseException as error:
            self.errors.append(error)
        with self.lock:
            self.inside -= 1
            self.left.notify()

    def wait(self) -> None:
        """Until no helper is at work, nor will be."""
        with self.lock:
            self.over = True
            self.left.wait_for(lambda: not self.inside)


class _Helper:
    """A thread that waits for jobs."""

    def __init__(self) -> None:
        self.called = Lock()
        self.called.acquire()
        self.job: _Job | _Turns | None = None
        Thread(target=self._serve, daemon=True, name="bgsub-kernel").start()

    def call(self, job: _Job | _Turns) -> None:
        self.job = job
        self.called.release()

    def _serve(self) -> None:
        while True:
            self.called.acquire()
            job, self.job = self.job, None
            if job is not None:
                job.help()
            _idle.append(self)


_idle: list[_Helper] = []
# A forked child has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)


def split(work: Work, total: int, threads: int) -> None:
    """Call work(first, last) on ranges that make up range(total), on up to `threads` threads.

    Raises what `work` raises, once every range has ended.
    """
    if threads <= 1 or total <= 1:
        work(0, total)
        return
    job = _Job(work, total, min(total, threads * RANGES))
    _call(min(threads, total) - 1, job)
    job.help()
    job.done.acquire()
    if job.errors:
        raise job.errors[0]


def share(prepare: Callable[[], Turns], threads: int) -> None:
    """Call work(rest) on up to `threads` threads, until one call tells that all is done.

    A call takes pieces of the work until none is left, pauses `rest` times, and returns False if
    other calls still had some. The work is what `prepare` returns, which runs once, while the other
    threads wake. Raises what it or a call raises, once no other is at work.
    """
    if threads <= 1:
        work = prepare()
        while not work(0):
            pass
        return
    job = _Turns()
    _call(threads - 1, job)
    try:
        work = job.make(prepare)
        while not work(0):
            job.wait()
            if job.errors:
                raise job.errors[0]
    except BaseException:
        job.wait()
        raise


def _call(helpers: int, job: _Job | _Turns) -> None:
    for _ in range(helpers):
        try:
            helper = _idle.pop()
        except IndexError:
            helper = _Helper()
        helper.call(job)
