"""A look at a source before training on it: what is there, what is odd about it, and a contact sheet."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoencode import data, pictures
from autoencode.config import Config
from autoencode.data import loading
from autoencode.errors import AutoencodeError, reason
from autoencode.files import replacing
from autoencode.images import Images, Skipped, evenly

LOOKED_AT = 2000  # pictures whose sizes, colours and values are measured
SHOWN = 60  # pictures on the contact sheet


@dataclass(frozen=True)
class Seen:
    """What a look found. Sizes, colours and values are those of `looked_at` pictures as they are stored."""

    name: str
    train: int
    test: int
    looked_at: int
    sizes: Counter[tuple[int, int]]
    grey: int
    least: int
    largest: int
    duplicates: int
    classes: Sequence[str]
    notes: Sequence[str]
    skipped: Sequence[Skipped]
    shown: np.ndarray

    def lines(self) -> list[str]:
        """Return what was seen in words."""
        heights, widths = zip(*self.sizes.elements(), strict=True)
        common = ", ".join(f"{width}x{height} ({count:,})" for (height, width), count in self.sizes.most_common(3))
        extent = f"{min(widths)}x{min(heights)} to {max(widths)}x{max(heights)}"
        median = f"{statistics.median(widths):g}x{statistics.median(heights):g}"
        alike = f"{self.duplicates:,} images are copies of another, pixel for pixel" if self.duplicates else "none"
        lines = [
            f"{self.name}: {self.train:,} images to train, {self.test:,} to test",
            f"sizes of {self.looked_at:,} looked at: {extent}, median {median}; most common: {common}",
            f"colours: {self.grey:,} grey, {self.looked_at - self.grey:,} coloured; values {self.least} to {self.largest}",
            f"duplicates after sizing: {alike}",
        ]
        if self.duplicates and self.duplicates == self.train + self.test - 1:
            lines.append("all images are alike: there is nothing to learn")
        if self.least == self.largest:
            lines.append("every value is the same: the images are blank")
        if self.classes:
            lines.append(f"{len(self.classes)} classes: {', '.join(self.classes[:10])}")
        return lines + list(self.notes)


def look(source: data.Source, config: Config, progress: loading.Progress | None = None) -> Seen:
    """Look at all of `source`: decode it as `config` says, and measure some of it as it is stored.

    Raises as `data.load` does.
    """
    found = data.open_source(source)
    rows = data.as_rows(found) if isinstance(found, Images) else found
    probes = rows.sample(evenly(len(rows), LOOKED_AT))
    images = data.load(found if isinstance(found, Images) else rows, config, progress)
    rows_kept = (row for part in images.parts.values() for row in part)
    hashes = Counter(hashlib.blake2b(row.tobytes(), digest_size=12).digest() for row in rows_kept)
    return Seen(
        name=rows.name,
        train=len(images.train),
        test=len(images.test),
        looked_at=len(probes),
        sizes=Counter((probe.height, probe.width) for probe in probes),
        grey=sum(probe.grey for probe in probes),
        least=min(probe.least for probe in probes),
        largest=max(probe.largest for probe in probes),
        duplicates=sum(hashes.values()) - len(hashes),
        classes=images.classes,
        notes=images.notes,
        skipped=images.skipped,
        shown=np.asarray(images.train[evenly(len(images.train), SHOWN)]),
    )


def write_sheet(seen: Seen, path: Path) -> None:
    """Write the contact sheet as a PNG; raise `AutoencodeError` where it cannot be written."""
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            columns = min(len(seen.shown), math.ceil(math.sqrt(len(seen.shown) * 5 / 3)))
            pictures.write_png(pictures.draw_sheet(seen.shown, columns), file)
    except OSError as error:
        raise AutoencodeError(f"could not write {path} ({reason(error)}): choose another file with --sheet.") from error
