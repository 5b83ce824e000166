"""Reading ahead, in a thread that never outlives its loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_END = object()


def prefetch(items: Iterable[Item], depth: int = 4) -> Iterator[Item]:
    """Yield `items` unchanged, read up to `depth` ahead by a thread that never outlives the loop.

    An error in `items` is raised here, in its turn. When the loop ends early, by break or by an
    exception, the thread is told to stop and joined before control leaves; close the iterator
    (`contextlib.closing`) where that must not wait for garbage collection.
    """
    box: queue.Queue[object] = queue.Queue(depth)
    stop = threading.Event()
    failure: list[BaseException] = []

    def post(item: object) -> None:
        while not stop.is_set():  # a plain put() would sleep for ever once nobody reads
            try:
                box.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def read() -> None:
        try:
            for item in items:
                post(item)
                if stop.is_set():
                    return
        except BaseException as error:  # carried over, and raised in the reader's place
            failure.append(error)
        finally:
            post(_END)

    thread = threading.Thread(target=read, name="bgsub-prefetch", daemon=True)
    thread.start()
    try:
        while (item := box.get()) is not _END:
            yield item  # type: ignore[misc]
        if failure:
            raise failure[0]
    finally:
        stop.set()
        thread.join()
