"""How training rows reach the engine: all of them at once, or, out of a file, a window at a time.

Knows the engine's contract and arrays; the engine sees the same compiled chunk in both cases.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from autoencode.engines import Engine
from autoencode.images import is_mapped, release

# Rows of a window come from anywhere in the file, and each may map 16 pages around it: at 784 bytes a row, 4 MB of rows
# hold up to 350 MB of the process until `release`.
WINDOW_BYTES = 2**22


class Feed(Protocol):
    """Placed rows and the placed order to read them in."""

    images: Any
    order: Any

    def begin(self, order: np.ndarray) -> None:
        """Start an epoch in `order`, int32 (N,)."""

    def ready(self, first: int) -> int:
        """Return how many rows from row `first` of the order on can be trained on in one chunk."""

    def train(self, first: int, steps: int, batch_size: int) -> float:
        """Let the engine train, see `Engine.train`."""


class Resident:
    """Every row lies on the device."""

    def __init__(self, engine: Engine, rows: np.ndarray) -> None:
        self.engine, self.count, self.images = engine, len(rows), engine.place(rows)

    def begin(self, order: np.ndarray) -> None:
        """Place the order."""
        self.order = self.engine.place(order)

    def ready(self, first: int) -> int:
        """All that are left."""
        return self.count - first

    def train(self, first: int, steps: int, batch_size: int) -> float:
        """Read rows by the order."""
        return self.engine.train(self.images, self.order, first, steps, batch_size)


class Streamed:
    """A window of rows lies on the device, in order; a thread gathers the next one out of the file meanwhile."""

    def __init__(self, engine: Engine, rows: np.ndarray, batch_size: int) -> None:
        self.engine, self.rows = engine, rows
        steps = max(1, WINDOW_BYTES // (batch_size * rows[0].size))
        self.size = min(steps * batch_size, len(rows))
        self.order = engine.place(np.arange(self.size, dtype=np.int32))
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="gathering")

    def begin(self, order: np.ndarray) -> None:
        """Gather the first window."""
        self._order, self._start = order, 0
        self._next = self._gather(0)
        self._place()

    def ready(self, first: int) -> int:
        """What is left of the window."""
        if first >= self._start + self.size:
            self._start += self.size
            self._place()
        return min(self._start + self.size, len(self._order)) - first

    def train(self, first: int, steps: int, batch_size: int) -> float:
        """Read rows of the window one after the other."""
        return self.engine.train(self.images, self.order, first - self._start, steps, batch_size)

    def _place(self) -> None:
        self.images = self.engine.place(self._next.result())
        if self._start + self.size < len(self._order):
            self._next = self._gather(self._start + self.size)

    def _gather(self, start: int) -> Future[np.ndarray]:
        return self._pool.submit(self._read, self._order[start : start + self.size])

    def _read(self, indices: np.ndarray) -> np.ndarray:
        window = np.empty((self.size, *self.rows.shape[1:]), np.uint8)  # the last one of an epoch is not filled
        np.take(self.rows, indices, axis=0, out=window[: len(indices)], mode="clip")
        release(self.rows)
        return window


def feed(engine: Engine, rows: np.ndarray, batch_size: int) -> Feed:
    """Return the feed for `rows`, uint8 (N, H, W, C): streamed where they are mapped from a file."""
    return Streamed(engine, rows, batch_size) if is_mapped(rows) else Resident(engine, rows)
