"""A large object read in ranges, several at a time, and handed on in order: bounded memory for all readers together.

s3transfer has this too, but its threads can wait for each other for ever when several large files arrive together
(seen with 0.19.3: the thread that reads a file's first range queues the others, and no thread is left to run them).
Here a reader waits for a slot only while it has no range on its way, and a range that has a slot waits for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Semaphore


class Ranges:
    """At most `slots` ranges of `range_bytes` are in memory or on their way, whoever reads."""

    def __init__(self, slots: int, range_bytes: int) -> None:
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="xtl-ranges")
        self._slots = Semaphore(slots)
        self._range_bytes = range_bytes

    def read(self, fetch: Callable[[int, int], bytes], size: int) -> Iterator[bytes]:
        """The bytes [0, size) in order; `fetch(start, stop)` gets one range, in some thread."""
        starts = deque(range(0, size, self._range_bytes))
        coming: deque[Future[bytes]] = deque()
        try:
            while starts or coming:
                while starts and self._slots.acquire(blocking=not coming):
                    start = starts.popleft()
                    coming.append(self._pool.submit(fetch, start, min(start + self._range_bytes, size)))
                yield coming[0].result()
                coming.popleft()
                self._slots.release()
        finally:
            for future in coming:
                future.cancel()
                future.add_done_callback(lambda _: self._slots.release())
            wait(coming)  # what a range does with its bytes is over when this ends, however it ends
