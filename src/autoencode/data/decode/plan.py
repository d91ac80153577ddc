"""What every picture becomes, and what is counted on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from autoencode.data.decode.limits import MAX_PIXELS
from autoencode.data.extents import kind_of
from autoencode.data.scaling import Scale


@dataclass(frozen=True)
class Plan:
    """What every picture becomes: `height` x `width` pixels with `channels` (1 grey, 3 RGB), fitted
    as `fit` says.

    "pad" keeps the whole picture and fills up with black, "crop" fills the frame and cuts off what
    stands out, "stretch" changes the proportions. `scale` says which values become black and white,
    `bands` which channels are taken, `transpose` swaps rows and columns first. A picture of more
    than `max_pixels` is refused, unless it can be decoded straight to a smaller size.
    """

    height: int
    width: int
    channels: int
    fit: str = "pad"
    scale: Scale = field(default_factory=Scale)
    bands: tuple[int, ...] | None = None
    transpose: bool = False
    max_pixels: int = MAX_PIXELS

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels


@dataclass
class Tally:
    """What was noticed while pictures were decoded: how many values there were, and how many a
    range cut.

    `missing` are the values that are NaN or infinite.
    """

    values: int = 0
    cut: int = 0
    missing: int = 0
    kinds: set[str] = field(default_factory=set)

    def add(self, kind: str, values: int, cut: int) -> None:
        """Count `values` of `kind`, of which `cut` lay outside the range."""
        self.values += values
        self.cut += cut
        self.kinds.add(kind)

    def add_array(self, values: np.ndarray, cut: int) -> None:
        """Count `values`, of which `cut` lay outside the range or are not finite."""
        missing = 0
        if cut and values.dtype.kind == "f":
            missing = values.size - int(np.count_nonzero(np.isfinite(values)))
        self.missing += missing
        self.add(kind_of(values.dtype), values.size, cut - missing)

    def join(self, other: Tally) -> None:
        """Add what another thread noticed."""
        self.values += other.values
        self.cut += other.cut
        self.missing += other.missing
        self.kinds |= other.kinds
