"""Stored values: the kind they are stored as, what a kind can hold, and the extent of some."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Share of a type's full range that values must span for it to be taken.
FILLED = 0.1
EIGHT_BITS = (0.0, 255.0)
UNIT = (0.0, 1.0)
Range = tuple[float, float]


def kind_of(dtype: np.dtype) -> str:
    """Return the kind that values of `dtype` are stored as; floats of any size are one.

    >>> kind_of(np.dtype(">u2")), kind_of(np.dtype("float64"))
    ('uint16', 'float')
    """
    return "float" if dtype.kind == "f" else dtype.name


def full_range(kind: str) -> Range:
    """Return the least and the largest value that `kind` can hold; [0, 1] for floats.

    >>> full_range("int8")
    (-128.0, 127.0)
    """
    if kind == "float":
        return UNIT
    if kind == "bool":
        return UNIT
    limits = np.iinfo(kind)
    return float(limits.min), float(limits.max)


@dataclass(frozen=True)
class Extent:
    """The least and the largest finite value among some; of none, the least is infinite."""

    least: float = math.inf
    largest: float = -math.inf

    def __or__(self, other: Extent) -> Extent:
        """Return the extent of the values of both."""
        return Extent(min(self.least, other.least), max(self.largest, other.largest))

    @property
    def is_empty(self) -> bool:
        """Whether there is no finite value."""
        return self.least > self.largest


def measure_extent(values: np.ndarray) -> Extent:
    """Return the extent of `values`, of any shape and a numeric dtype; NaN and infinity do not
    count.

    >>> measure_extent(np.array([3.0, np.nan, -1.0]))
    Extent(least=-1.0, largest=3.0)
    """
    if not values.size:
        return Extent()

    least = float(values.min())
    largest = float(values.max())

    if not (math.isfinite(least) and math.isfinite(largest)):
        finite = values[np.isfinite(values)]
        return measure_extent(finite)
    return Extent(least, largest)


def add_extent(extents: dict[str, Extent], kind: str, extent: Extent) -> None:
    """Widen what `extents` holds of `kind` by `extent`.

    >>> found = {"uint8": Extent(3, 9)}
    >>> add_extent(found, "uint8", Extent(0, 4))
    >>> found
    {'uint8': Extent(least=0, largest=9)}
    """
    extents[kind] = extents.get(kind, Extent()) | extent


def fills(kind: str, extent: Extent) -> bool:
    """Whether values span enough of the range that their kind is made for to be taken at that
    range.
    """
    if extent.is_empty:
        return False
    least, largest = natural_range(kind, extent)
    return (extent.largest - extent.least) >= FILLED * (largest - least)


def natural_range(kind: str, extent: Extent) -> Range:
    """The full range of `kind`, but 0 to 255 for wider integers that hold 8-bit values."""
    is_integer = kind not in ("float", "bool")
    if is_integer and extent.least >= 0 and extent.largest <= 255:
        return EIGHT_BITS
    return full_range(kind)
