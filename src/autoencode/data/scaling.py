"""Which stored values become black and white: one scale for a whole source, never image by image.

Values are told apart by the kind they are stored as: "uint8", "uint16", "int16", "float" and so on. A scale holds one
range for each kind that a source has. It is chosen once, from all values, and kept with the run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from autoencode.errors import AutoencodeError, UsageError

FILLED = 0.1  # share of a type's full range that values must span for it to be taken
TOLERANCE = 1e-3  # by which floats may lie outside [0, 1] and still be taken for it
MAX_CUT = 0.01  # share of values outside the range, above which a warning is due
WIDE = ("int32", "uint32", "int64", "uint64")
OTHER = "other"  # in a record, the kinds that it does not name
BLOCK = 2**20  # values that are converted at a time

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
    """Return the extent of `values`, of any shape and a numeric dtype; NaN and infinity do not count.

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
    """Whether values span enough of the range that their kind is made for to be taken at that range."""
    if extent.is_empty:
        return False
    least, largest = _natural_range(kind, extent)
    return (extent.largest - extent.least) >= FILLED * (largest - least)


def _natural_range(kind: str, extent: Extent) -> Range:
    """The full range of `kind`, but 0 to 255 for wider integers that hold 8-bit values."""
    is_integer = kind not in ("float", "bool")
    if is_integer and 0 <= extent.least and extent.largest <= 255:
        return EIGHT_BITS
    return full_range(kind)


def choose_range(kind: str, extent: Extent) -> Range:
    """Return the range to take for values of `kind` that span `extent`.

    It is the full range of the type (0 to 1 for floats, 0 to 255 for wider integers that hold no more) where the values
    span at least a tenth of it, else their own. Floats within 1e-3 of [0, 1] count as within it. Values that are all the
    same keep the full range; raises `AutoencodeError` where they lie outside it.

    >>> choose_range("uint16", Extent(0, 60000)), choose_range("uint16", Extent(12, 4095))
    ((0.0, 65535.0), (12.0, 4095.0))
    >>> choose_range("float", Extent(0.1, 1.05)), choose_range("float", Extent(0.1, 1.0005))
    ((0.1, 1.05), (0.0, 1.0))
    """
    least, largest = _natural_range(kind, extent)
    tolerance = TOLERANCE if kind == "float" else 0.0
    is_within = least - tolerance <= extent.least and extent.largest <= largest + tolerance

    if extent.is_empty:
        return least, largest
    if is_within and (extent.least == extent.largest or fills(kind, extent)):
        return least, largest
    if extent.least == extent.largest:
        raise AutoencodeError(
            f"expected values that differ, or constant ones from {least:g} to {largest:g}, received {extent.least:.9g} "
            f"everywhere ({kind}): choose a range with `range=MIN:MAX`."
        )
    return float(extent.least), float(extent.largest)


@dataclass(frozen=True)
class RangeOption:
    """What `range` asks for: `method` is auto, full, values or percentile; the two numbers belong to the last two."""

    method: str
    low: float = 0.0
    high: float = 0.0


def parse_range(text: str) -> RangeOption:
    """Return what a word such as "auto", "full", "0:4095" or "percentile:1:99" asks for.

    Raises `UsageError` for anything else.

    >>> parse_range("-1024:3000")
    RangeOption(method='values', low=-1024.0, high=3000.0)
    """
    if text in ("auto", "full"):
        return RangeOption(text)

    number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
    found = re.fullmatch(rf"(percentile:)?({number}):({number})", text)
    if found is None:
        raise UsageError(
            "`range` must be auto, full, MIN:MAX or percentile:LOW:HIGH, such as 0:4095 or percentile:1:99, "
            f"received {text!r}."
        )

    method = "percentile" if found[1] else "values"
    low = float(found[2])
    high = float(found[3])
    if not math.isfinite(high - low):
        raise UsageError(f"`range` expects numbers below 1e308 in size, received {text!r}.")
    if not low < high or (found[1] and not (0 <= low and high <= 100)):
        limits = "0 <= LOW < HIGH <= 100" if found[1] else "MIN below MAX"
        raise UsageError(f"`range` expects {limits}, received {text!r}.")
    return RangeOption(method, low, high)


@dataclass(frozen=True)
class Scale:
    """The values that become black and white, by the kind they are stored as.

    A kind that is not among `ranges` is taken at `other`, or at its full range where that is None. `is_assumed` says that
    `other` is but the most likely unit of other kinds, which 8 bits do not share. Integers of 32 and 64 bits, as NumPy and
    PyTorch make them of pixels, are taken as 8 bits are, where these are known.
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
            return (
                self.ranges["uint8"]
                if kind in WIDE and "uint8" in self.ranges
                else full_range(kind)
            )
        return self.other

    def is_identity(self, kind: str) -> bool:
        """Whether values of `kind` are pixels already."""
        return kind == "uint8" and self.range_of(kind) == EIGHT_BITS

    def to_pixels(self, values: np.ndarray) -> tuple[np.ndarray, int]:
        """Return `values`, of any shape, as uint8, and how many of them lay outside the range or were not finite.

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

        if kind in ("uint8", "uint16"):  # a table is ten times as fast as arithmetic
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

        Where it knows one kind alone, and not at its full range, other kinds but 8 bits are taken at the same values: their
        unit is most likely the same.
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
    """Return a value with as many digits as tell it from the next one of 32 bits.

    >>> show_value(float(np.float32(0.1))), show_value(3000.0)
    ('0.1', '3000')
    """
    shortest = f"{value:.6g}"
    with np.errstate(over="ignore"):
        is_enough = np.float32(shortest) == np.float32(value)
    return shortest if is_enough else f"{value:.9g}"


def choose_scale(
    option: RangeOption, extents: Mapping[str, Extent], samples: Mapping[str, np.ndarray]
) -> tuple[Scale, list[str]]:
    """Return the scale for a source whose values span `extents` by kind, and a line for each choice worth a word.

    `samples` holds values (N,) by kind, drawn from all images: percentiles are those of them. Raises `AutoencodeError`
    where no value is finite.
    """
    for kind, extent in extents.items():
        if extent.is_empty:
            raise AutoencodeError(
                f"expected finite values, received only NaN or infinity ({kind})."
            )

    if option.method == "values":
        ranges = {kind: (option.low, option.high) for kind in extents if kind != "bool"}
        return Scale(ranges, (option.low, option.high)), []
    if option.method == "full":
        return Scale({kind: full_range(kind) for kind in extents if kind != "bool"}), []

    ranges = {}
    notes = []
    for kind, extent in sorted(extents.items()):
        if kind == "bool":
            continue
        if option.method == "percentile":
            ranges[kind] = _percentile_range(kind, samples[kind], option)
        else:
            ranges[kind] = choose_range(kind, _shared_extent(kind, extent, extents))
        notes += _describe_choice(kind, extent, ranges[kind], option)
    return Scale(ranges), notes


def _shared_extent(kind: str, extent: Extent, extents: Mapping[str, Extent]) -> Extent:
    """Floats to 255 beside uint8 are in the same unit, as a test set that was converted and the training set that was not."""
    is_beyond_unit = kind == "float" and extent.largest > 1 + TOLERANCE and extent.least >= 0
    if is_beyond_unit and "uint8" in extents and extent.largest <= 255:
        return Extent(*EIGHT_BITS)
    return extent


def _percentile_range(kind: str, sample: np.ndarray, option: RangeOption) -> Range:
    low, high = np.percentile(sample, [option.low, option.high]).tolist()
    if not low < high:
        raise UsageError(
            f"`range=percentile:{option.low:g}:{option.high:g}` gives {low:.9g} for both ends of the {kind} values: "
            "choose percentiles further apart, or MIN:MAX."
        )
    return low, high


def _describe_choice(kind: str, extent: Extent, chosen: Range, option: RangeOption) -> list[str]:
    held = f"{extent.least:,.6g} to {extent.largest:,.6g}"
    if option.method == "percentile":
        return [
            f"range {show_range(chosen)} chosen for {kind} values ({held}): percentiles {option.low:g} and {option.high:g}"
        ]
    if chosen == full_range(kind):
        spans = (extent.largest - extent.least) / (chosen[1] - chosen[0])
        if kind == "uint8" or spans > 0.5 or extent.least == extent.largest:
            return (
                []
                if kind == "uint8"
                else [
                    f"range {show_range(chosen)} chosen for {kind} values ({held}): the full range"
                ]
            )
        closer = show_range((extent.least, extent.largest))
        return [
            f"range {show_range(chosen)} chosen for {kind} values ({held}): the full range; `range={closer}` would "
            "use more of the grey levels"
        ]
    return [f"range {show_range(chosen)} chosen for {kind} values ({held}): `range` sets another"]
