"""Many parallel transfers, with a progress line now and then.

In: a function and its items. Out: the results in the items' order. The first error stops everything that has not
begun: a dead remote is not asked a thousand times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

TRANSFER_THREADS = 8
LINE_EVERY_SECONDS = 10.0


def in_parallel(do: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    """Results of `do` in the order of `items`.

    The first error stops everything that has not begun.
    """
    with ThreadPoolExecutor(min(TRANSFER_THREADS, max(1, len(items)))) as pool:
        futures = [pool.submit(do, item) for item in items]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


class Progress:
    """A log line every few seconds: bytes done, total, and speed."""

    def __init__(self, verb: str, total_bytes: int, log: Callable[[str], None]) -> None:
        self.verb = verb
        self.total = total_bytes
        self.log = log
        self.done = 0
        self.began = self.last_line = time.monotonic()

    def add(self, size: int) -> None:
        # threads add without a lock: a figure that is off by one file for some seconds does no harm
        self.done += size
        now = time.monotonic()
        if now - self.last_line >= LINE_EVERY_SECONDS:
            self.last_line = now
            rate = self.done / (now - self.began)
            left_seconds = int((self.total - self.done) / max(rate, 1))
            self.log(
                f"{self.verb} {self.done / 1e6:.0f} of {self.total / 1e6:.0f} MB · {rate / 1e6:.1f} MB/s · "
                f"{left_seconds // 60}:{left_seconds % 60:02d} left"
            )
