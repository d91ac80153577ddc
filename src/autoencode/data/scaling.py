"""Which stored values become black and white: one scale for a whole source, never image by image.

Values are distinguished by the kind they are stored as: "uint8", "uint16", "int16", "float" and so
on. A scale holds one range for each kind that a source has. It is chosen once, from all values, and
kept with the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from autoencode.data.extents import EIGHT_BITS, UNIT, Range, full_range, kind_of

# By which floats may lie outside [0, 1] and still be taken for it.
TOLERANCE = 1e-3
WIDE = ("int32", "uint32", "int64", "uint64")
# In a record, the kinds that it does not name.
OTHER = "other"
# Values that are converted at a time.
BLOCK = 2**20


@dataclass(frozen=True)
class Scale:
    """The values that become black and white, by the kind they are stored as.

    A kind that is not among `ranges` is taken at `other`, or at its full range where that is None.
    `is_assumed` says that `other` is but the most likely unit of other kinds, which 8 bits do not
    share. Integers of 32 and 64 bits, as NumPy and PyTorch make them of pixels, are taken as 8 bits
    are, where these are known.
    """

    ranges: Mapping[str, Range] = field(default_factory=dict)
    other: Range | None = None
    is_assumed: bool = False

    def range_of(self, kind: str) -> Range:
        """Return the values of `kind` that become black and white."""
        if kind == "bool":
            return UNIT
        if kind in self.ranges:
            return self.ranges[kind]
        if self.other is None or (self.is_assumed and kind == "uint8"):
            is_like_uint8 = kind in WIDE and "uint8" in self.ranges
            return self.ranges["uint8"] if is_like_uint8 else full_range(kind)
        return self.other

    def is_identity(self, kind: str) -> bool:
        """Whether values of `kind` are pixels already."""
        return kind == "uint8" and self.range_of(kind) == EIGHT_BITS

    def to_pixels(self, values: np.ndarray) -> tuple[np.ndarray, int]:
        """Return `values`, of any shape, as uint8, and how many of them lay outside the range or
        were not finite.

        >>> Scale({"uint16": (0, 4095)}).to_pixels(np.array([0, 4095, 5000], "uint16"))
        (array([  0, 255, 255], dtype=uint8), 1)
        """
        kind = kind_of(values.dtype)
        if self.is_identity(kind):
            return values, 0

        pixels = np.empty(values.shape, np.uint8)
        if values.ndim == 0 or values.size <= BLOCK:
            return pixels, self._convert(values, kind, pixels)

        cut = 0
        rows = max(1, BLOCK * len(values) // values.size)
        for first in range(0, len(values), rows):
            block = slice(first, first + rows)
            cut += self._convert(values[block], kind, pixels[block])
        return pixels, cut

    def _convert(self, values: np.ndarray, kind: str, pixels: np.ndarray) -> int:
        least, largest = self.range_of(kind)

        # A table is ten times as fast as arithmetic.
        if kind in ("uint8", "uint16"):
            np.take(self._table(kind), values, out=pixels)
            if (least, largest) == full_range(kind):
                return 0
            return int(np.count_nonzero((values < least) | (values > largest)))

        tolerance = TOLERANCE * (largest - least) if kind == "float" else 0.0
        floats = values.astype(np.float64)
        is_inside = (floats >= least - tolerance) & (floats <= largest + tolerance)
        cut = floats.size - int(np.count_nonzero(is_inside))

        floats -= least
        floats *= 255 / (largest - least)
        np.nan_to_num(floats, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
        np.clip(floats, 0, 255, out=floats)
        pixels[...] = np.round(floats, out=floats)
        return cut

    def _table(self, kind: str) -> np.ndarray:
        """The pixel of every value that an unsigned `kind` can hold."""
        return _table(*self.range_of(kind), int(np.iinfo(kind).max) + 1)

    def record(self) -> dict[str, list[float]]:
        """Return the ranges as JSON holds them; that of other kinds is called "other"."""
        ranges = {kind: list(limits) for kind, limits in self.ranges.items()}
        return (
            ranges if self.other is None or self.is_assumed else ranges | {OTHER: list(self.other)}
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Sequence[float]]) -> Scale:
        """Return the scale that `record` was made of.

        Where it knows one kind alone, and not at its full range, other kinds but 8 bits are taken
        at the same values: their unit is most likely the same.
        """
        ranges = {kind: (float(low), float(high)) for kind, (low, high) in record.items()}
        other = ranges.pop(OTHER, None)
        if other is None and len(ranges) == 1:
            kind, limits = next(iter(ranges.items()))
            if kind != "uint8" and limits != full_range(kind):
                return cls(ranges, limits, is_assumed=True)
        return cls(ranges, other)

    def describe(self) -> str:
        """Return the ranges in words.

        >>> Scale({"uint16": (0.0, 4095.0)}).describe()
        'uint16 0:4095'
        """
        words = [f"{kind} {show_range(limits)}" for kind, limits in self.ranges.items()]
        if self.other is not None and not self.is_assumed:
            words.append(f"{'other kinds' if words else 'all kinds'} {show_range(self.other)}")
        return ", ".join(words)


@lru_cache(maxsize=8)
def _table(least: float, largest: float, size: int) -> np.ndarray:
    values = (np.arange(size) - least) * (255 / (largest - least))
    return np.round(np.clip(values, 0, 255)).astype(np.uint8)


def show_range(limits: Range) -> str:
    """Return a range as the setting `range` takes it.

    >>> show_range((-0.5, 1024.0))
    '-0.5:1024'
    """
    return ":".join(map(show_value, limits))


def show_value(value: float) -> str:
    """Return a value with as many digits as distinguish it from the next one of 32 bits.

    >>> show_value(float(np.float32(0.1))), show_value(3000.0)
    ('0.1', '3000')
    """
    shortest = f"{value:.6g}"
    with np.errstate(over="ignore"):
        is_enough = np.float32(shortest) == np.float32(value)
    return shortest if is_enough else f"{value:.9g}"
