"""How training rows reach the engine, and in which order.

All of them at once, or, out of a file, a window at a time. Knows the engine's contract and arrays;
the engine runs the same compiled chunk in both cases. Orders are drawn here and not in an engine,
so that every engine sees the same one and a later epoch needs no earlier one.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from autoencode.engines import Engine
from autoencode.system.memmap import Reader, aligned, is_mapped

# A row of 784 bytes read on its own costs more than training on it: 2.2 microseconds. Neighbours
# read together cost 0.2.
NEIGHBOURS_BYTES = 2**16
WINDOW_BYTES = 2**24


def shuffled(seed: int, number: int, count: int) -> np.ndarray:
    """Return the order of the images in epoch `number`, int32 (count,).

    It is a function of its arguments alone.

    >>> sorted(shuffled(seed=0, number=1, count=4).tolist())
    [0, 1, 2, 3]
    """
    return np.random.default_rng([seed, number]).permutation(count).astype(np.int32)


def grouped(seed: int, number: int, count: int, neighbours: int) -> np.ndarray:
    """Return `count` rows in shuffled groups of `neighbours` that keep together, int64 (count,).

    >>> grouped(seed=0, number=1, count=5, neighbours=2).tolist()
    [4, 0, 1, 2, 3]
    """
    groups = np.random.default_rng([seed, number]).permutation(-(-count // neighbours))
    rows = (groups[:, None] * neighbours + np.arange(neighbours)).reshape(-1)
    return rows[rows < count]


def shuffled_window(seed: int, number: int, first: int, size: int) -> np.ndarray:
    """Return the order within the window of `size` rows from row `first` on, int32 (size,)."""
    return np.random.default_rng([seed, number, first]).permutation(size).astype(np.int32)


class Feed(Protocol):
    """Placed rows and the placed order to read them in."""

    images: Any
    order: Any

    def begin(self, seed: int, number: int, first: int = 0) -> None:
        """Start epoch `number`, or resume it at row `first` of its order, the first of a batch."""

    def ready(self, first: int) -> int:
        """Return how many rows from row `first` of the order on can be trained on in one chunk."""
        ...

    def train(self, first: int, steps: int, batch_size: int, total: float) -> float:
        """Let the engine train, see `Engine.train`."""
        ...


class Resident:
    """Every row lies on the device."""

    def __init__(self, engine: Engine, rows: np.ndarray) -> None:
        self.engine = engine
        self.count = len(rows)
        self.images = engine.place(rows)

    def begin(self, seed: int, number: int, first: int = 0) -> None:
        """Place the order."""
        self.order = self.engine.place(shuffled(seed, number, self.count))

    def ready(self, first: int) -> int:
        """All that are left."""
        return self.count - first

    def train(self, first: int, steps: int, batch_size: int, total: float) -> float:
        """Read rows by the order."""
        return self.engine.train(self.images, self.order, first, steps, batch_size, total)


class Streamed:
    """A window of rows lies on the device, while a thread reads the next one out of the file."""

    def __init__(self, engine: Engine, rows: np.memmap, batch_size: int) -> None:
        self.engine = engine
        self.rows = rows
        self.neighbours = max(1, NEIGHBOURS_BYTES // rows[0].size)
        self.size = min(max(1, WINDOW_BYTES // (batch_size * rows[0].size)) * batch_size, len(rows))
        self._file = Reader(rows)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="reading")
        # Two, in turn: when the engine has ended the steps of one, the next but one is read into
        # its memory.
        self._windows = itertools.cycle([aligned((self.size, *rows.shape[1:])) for _ in range(2)])

    def begin(self, seed: int, number: int, first: int = 0) -> None:
        """Read the window that row `first` lies in."""
        self._rows = grouped(seed, number, len(self.rows), self.neighbours)
        self._epoch = (seed, number)
        self._start = first // self.size * self.size
        self._next = self._reading.submit(self._read, self._start)
        self._place()

    def ready(self, first: int) -> int:
        """What is left of the window."""
        if first >= self._start + self.size:
            self._start += self.size
            self._place()
        return min(self._start + self.size, len(self.rows)) - first

    def train(self, first: int, steps: int, batch_size: int, total: float) -> float:
        """Read rows by the order within the window."""
        return self.engine.train(
            self.images, self.order, first - self._start, steps, batch_size, total
        )

    def _place(self) -> None:
        self.images, self.order = self._next.result()
        if self._start + self.size < len(self.rows):
            self._next = self._reading.submit(self._read, self._start + self.size)

    def _read(self, start: int) -> tuple[Any, Any]:
        """Return the rows of a window, group by group, and their order in training, both placed."""
        wanted = self._rows[start : start + self.size]
        # The last window of an epoch is not filled.
        window = next(self._windows)
        starts = np.flatnonzero(np.diff(wanted, prepend=-2) != 1).tolist()
        for first, last in itertools.pairwise([*starts, len(wanted)]):
            self._file.read(int(wanted[first]), window[first:last])
        order = np.zeros(self.size, np.int32)
        order[: len(wanted)] = shuffled_window(*self._epoch, start, len(wanted))
        return self.engine.place(window), self.engine.place(order)


def feed(engine: Engine, rows: np.ndarray, batch_size: int) -> Feed:
    """Return the feed for `rows`, uint8 (N, H, W, C): streamed where they are a mapped file."""
    return Streamed(engine, rows, batch_size) if is_mapped(rows) else Resident(engine, rows)
