"""The setting `range`, and the values that become black and white by it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autoencode.data.extents import EIGHT_BITS, Extent, Range, fills, full_range, natural_range
from autoencode.data.scaling import TOLERANCE, Scale, show_range
from autoencode.errors import AutoencodeError, UsageError

# Share of values outside the range, above which a warning is due.
MAX_CUT = 0.01


def choose_range(kind: str, extent: Extent) -> Range:
    """Return the range to take for values of `kind` that span `extent`.

    It is the full range of the type (0 to 1 for floats, 0 to 255 for wider integers that hold no
    more) where the values span at least a tenth of it, else their own. Floats within 1e-3 of [0, 1]
    count as within it. Values that are all the same keep the full range; raises `AutoencodeError`
    where they lie outside it.

    >>> choose_range("uint16", Extent(0, 60000)), choose_range("uint16", Extent(12, 4095))
    ((0.0, 65535.0), (12.0, 4095.0))
    >>> choose_range("float", Extent(0.1, 1.05)), choose_range("float", Extent(0.1, 1.0005))
    ((0.1, 1.05), (0.0, 1.0))
    """
    least, largest = natural_range(kind, extent)
    tolerance = TOLERANCE if kind == "float" else 0.0
    is_within = least - tolerance <= extent.least and extent.largest <= largest + tolerance

    if extent.is_empty:
        return least, largest
    if is_within and (extent.least == extent.largest or fills(kind, extent)):
        return least, largest
    if extent.least == extent.largest:
        raise AutoencodeError(
            f"expected values that differ, or constant ones from {least:g} to {largest:g}, "
            f"received {extent.least:.9g} "
            f"everywhere ({kind}): choose a range with `range=MIN:MAX`."
        )
    return float(extent.least), float(extent.largest)


@dataclass(frozen=True)
class RangeOption:
    """What `range` asks for: `method` is auto, full, values or percentile.

    The two numbers belong to the last two.
    """

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
            "`range` must be auto, full, MIN:MAX or percentile:LOW:HIGH, such as 0:4095 or "
            "percentile:1:99, "
            f"received {text!r}."
        )

    method = "percentile" if found[1] else "values"
    low = float(found[2])
    high = float(found[3])
    if not math.isfinite(high - low):
        raise UsageError(f"`range` expects numbers below 1e308 in size, received {text!r}.")
    if not low < high or (found[1] and not (low >= 0 and high <= 100)):
        limits = "0 <= LOW < HIGH <= 100" if found[1] else "MIN below MAX"
        raise UsageError(f"`range` expects {limits}, received {text!r}.")
    return RangeOption(method, low, high)


def choose_scale(
    option: RangeOption, extents: Mapping[str, Extent], samples: Mapping[str, np.ndarray]
) -> tuple[Scale, list[str]]:
    """Return the scale for a source whose values span `extents` by kind, and a line for each choice
    worth a word.

    `samples` holds values (N,) by kind, drawn from all images: percentiles are those of them.
    Raises `AutoencodeError` where no value is finite.
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
    """Floats to 255 beside uint8 are in the same unit, as a test set that was converted and the
    training set that was not.
    """
    is_beyond_unit = kind == "float" and extent.largest > 1 + TOLERANCE and extent.least >= 0
    if is_beyond_unit and "uint8" in extents and extent.largest <= 255:
        return Extent(*EIGHT_BITS)
    return extent


def _percentile_range(kind: str, sample: np.ndarray, option: RangeOption) -> Range:
    low, high = np.percentile(sample, [option.low, option.high]).tolist()
    if not low < high:
        raise UsageError(
            f"`range=percentile:{option.low:g}:{option.high:g}` gives {low:.9g} for both ends of "
            f"the {kind} values: choose percentiles further apart, or MIN:MAX."
        )
    return low, high


def _describe_choice(kind: str, extent: Extent, chosen: Range, option: RangeOption) -> list[str]:
    span = f"{extent.least:,.6g} to {extent.largest:,.6g}"
    start = f"range {show_range(chosen)} chosen for {kind} values ({span}):"
    if option.method == "percentile":
        return [f"{start} percentiles {option.low:g} and {option.high:g}"]
    if chosen != full_range(kind):
        return [f"{start} `range` sets another"]

    share = (extent.largest - extent.least) / (chosen[1] - chosen[0])
    if kind == "uint8":
        return []
    if share > 0.5 or extent.least == extent.largest:
        return [f"{start} the full range"]
    closer = show_range((extent.least, extent.largest))
    return [f"{start} the full range; `range={closer}` would use more of the grey levels"]
