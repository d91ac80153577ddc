"""A look at a source before training on it: what is there, what is odd about it, and a contact
sheet.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoencode.config import DataConfig
from autoencode.data import preprocessing
from autoencode.data.dataset import Progress
from autoencode.data.extents import Extent, add_extent
from autoencode.data.loading import load_dataset
from autoencode.data.open import Source, open_dataset
from autoencode.errors import not_written
from autoencode.images import Images, Skipped, evenly_spaced
from autoencode.plots import grids
from autoencode.system.files import replacing

# Images whose sizes, colours and values are measured.
LOOKED_AT = 2000
# Images on the contact sheet.
SHOWN = 60


@dataclass(frozen=True)
class DatasetSummary:
    """What a look found.

    Sizes, colours and values are those of `looked_at` images as they are stored.
    """

    images: Images
    looked_at: int
    sizes: Counter[tuple[int, int]]
    grey: int
    extents: dict[str, Extent]
    duplicates: int
    shown: np.ndarray

    @property
    def name(self) -> str:
        """What the source is called."""
        return self.images.name

    @property
    def skipped(self) -> Sequence[Skipped]:
        """What could not be read."""
        return self.images.skipped

    def lines(self) -> list[str]:
        """Return what was seen in words."""
        images = self.images
        heights, widths = zip(*self.sizes.elements(), strict=True)
        common = ", ".join(
            f"{width}x{height} ({count:,})" for (height, width), count in self.sizes.most_common(3)
        )
        extent = f"{min(widths)}x{min(heights)} to {max(widths)}x{max(heights)}"
        median = f"{statistics.median(widths):g}x{statistics.median(heights):g}"
        copies = "none"
        if self.duplicates:
            copies = f"{self.duplicates:,} images are copies of another, pixel for pixel"
        lines = [
            f"{self.name}: {len(images.train):,} images to train, {len(images.test):,} to test",
            images.account(),
            *images.unused_notes(),
            f"sizes of {self.looked_at:,} looked at: {extent}, median {median}; most common: "
            f"{common}",
            f"colours: {self.grey:,} grey, {self.looked_at - self.grey:,} coloured; values "
            f"{self._values()}",
            f"duplicates after sizing: {copies}",
        ]
        if images.classes:
            lines.append(f"{len(images.classes)} classes: {self._classes()}")
        return lines + list(images.notes)

    def _values(self) -> str:
        return ", ".join(
            f"{extent.least:.6g} to {extent.largest:.6g}"
            + ("" if kind == "uint8" else f" ({kind})")
            for kind, extent in sorted(self.extents.items())
        )

    def _classes(self) -> str:
        images = self.images
        labels = [part for part in (images.train_labels, images.test_labels) if part is not None]
        unlabelled = sum(int(np.count_nonzero(part < 0)) for part in labels)
        shown = ", ".join(images.classes[:10]) + (", ..." if len(images.classes) > 10 else "")
        return shown + (f"; unlabelled: {unlabelled:,}" if unlabelled else "")


def summarise(
    source: Source, config: DataConfig, progress: Progress | None = None
) -> DatasetSummary:
    """Look at all of `source`: decode it as `config` says, and measure some of it as it is stored.

    Raises as `load` does.
    """
    preprocessing.check_options(config)
    dataset = open_dataset(source, config)
    probes = []
    if len(dataset):
        looked_at = evenly_spaced(len(dataset), LOOKED_AT)
        probes = dataset.sample(looked_at, preprocessing.look_plan(config))
    images = load_dataset(dataset, config, progress)
    hashes = Counter(
        hashlib.blake2b(row.tobytes(), digest_size=12).digest()
        for part in images.parts.values()
        for row in part
    )
    extents: dict[str, Extent] = {}
    for probe in probes:
        add_extent(extents, probe.kind, probe.extent)
    return DatasetSummary(
        images=images,
        looked_at=len(probes),
        sizes=Counter((probe.height, probe.width) for probe in probes),
        grey=sum(probe.grey for probe in probes),
        extents=extents,
        duplicates=sum(hashes.values()) - len(hashes),
        shown=np.asarray(images.train[evenly_spaced(len(images.train), SHOWN)]),
    )


def write_sheet(summary: DatasetSummary, path: Path) -> None:
    """Write the contact sheet as a PNG; raise `AutoencodeError` where it cannot be written."""
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            columns = min(len(summary.shown), math.ceil(math.sqrt(len(summary.shown) * 5 / 3)))
            grids.write_png(grids.draw_sheet(summary.shown, columns), file)
    except OSError as error:
        raise not_written(path, error, "`out`") from error
