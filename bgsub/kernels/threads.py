"""Work on disjoint ranges, side by side.

Kernels release the interpreter lock, so plain threads serve them. numba's own parallel loops are
not used: two Python threads in numba's default layer at once end the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def available() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """One pool a process: a forked child has none of its parent's threads."""
    return ThreadPoolExecutor(max(1, available() - 1), thread_name_prefix="bgsub-kernel")


def split(work: Callable[[int, int], None], total: int, threads: int) -> None:
    """Call work(first, last) on up to `threads` equal parts of range(total), one of them here."""
    parts = max(1, min(threads, total))
    edges = [total * n // parts for n in range(parts + 1)]
    others = [_pool(os.getpid()).submit(work, edges[n], edges[n + 1]) for n in range(1, parts)]
    work(edges[0], edges[1])
    for other in others:
        other.result()
