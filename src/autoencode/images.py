"""The one array contract, uint8 (N, H, W, C), and a set of images that keeps it.

Knows no file and no framework.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from autoencode.errors import AutoencodeError

FINGERPRINT_BYTES = 2**20
# The label of an image of no class.
UNLABELLED = -1
# Runs of neighbours that training images are held out as.
HOLDOUT_RUNS = 10
SHORTEST_RUN = 3
# Images on the contact sheet of a notebook.
SHOWN_IN_NOTEBOOK = 40
# Files or folders that are named in one line.
NAMED_UNUSED = 4


@dataclass(frozen=True)
class Skipped:
    """An image that was skipped, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        """A line of skipped.txt: the name, a tab, the reason."""
        return f"{self.name}\t{self.reason}"


@dataclass(frozen=True)
class Unused:
    """How many images or files are not used on purpose, and why.

    `names` are those of some of them, or of their folders.
    """

    why: str
    count: int
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A phrase of one line.

        >>> str(Unused("masks", 5, ("ground_truth/",)))
        'masks: 5 (ground_truth/)'
        """
        shown = ", ".join(self.names[:NAMED_UNUSED]) + (
            ", ..." if len(self.names) > NAMED_UNUSED else ""
        )
        return f"{self.why}: {self.count:,}" + (f" ({shown})" if shown else "")


def describe_unused(unused: Sequence[Unused]) -> list[str]:
    """Return a line that names what is unused, where anything is.

    >>> describe_unused([Unused("masks", 5), Unused("other files", 1, (".txt",))])
    ['unused: masks: 5; other files: 1 (.txt)']
    """
    return [f"unused: {'; '.join(map(str, unused))}"] if unused else []


@dataclass(frozen=True, repr=False)
class Images:
    """A named set of images, training and test apart.

    `train` and `test` are uint8 (N, H, W, C) with C 1 (grey) or 3 (RGB); labels, where they exist,
    are integers (N,), and `classes` their names. `train_names` and `test_names` are what single
    images are called, where a packed store knows. A label of -1 means unlabelled. `notes` say what
    was chosen on the way here, `skipped` what could not be read, `unused` what is not used on
    purpose. `ranges` are the stored values that became black and white, by the kind they are stored
    as, where they were not 8 bits from the start. `holdout` are training images that are not
    trained on, uint8 (M, H, W, C): they choose the best epoch, see `hold_out`. `source_size` is the
    median width and height in pixels of the images as they are stored, where these were looked at.
    Raises `AutoencodeError` where an array breaks that contract.

    >>> pixels = np.zeros((8, 4, 4, 1), "uint8")
    >>> Images("noise", train=pixels, test=pixels[:2]).shape
    (4, 4, 1)
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    train_names: Sequence[str] | None = None
    test_names: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    unused: tuple[Unused, ...] = ()
    ranges: Mapping[str, Sequence[float]] = field(default_factory=dict)
    holdout: np.ndarray | None = None
    source_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            check_images(getattr(self, part), f"{self.name}: {part} images")
        if self.train.shape[1:] != self.test.shape[1:]:
            raise AutoencodeError(
                f"{self.name}: expected training and test images of one shape, "
                f"received {self.train.shape[1:]} and {self.test.shape[1:]}."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        return self.train.shape[1:]

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """The training and the test images, by name: the former alone where they are the latter
        too, as a lone image is.
        """
        return (
            {"train": self.train}
            if self.train is self.test
            else {"train": self.train, "test": self.test}
        )

    def hold_out(self, count: int, seed: int) -> Images:
        """Return these images with `count` of the training images, drawn by `seed`, in `holdout`.

        They are drawn as runs of three neighbours or more, ten runs at most, spread over all
        images: tiles of one photograph or frames of one film follow each other, and single ones
        would have near twins among the training images. `count` is at most half of the images, or
        half rounded up.

        >>> pixels = np.zeros((8, 4, 4, 1), "uint8")
        >>> images = Images("noise", pixels, pixels[:2])
        >>> len(images.hold_out(2, seed=0).train)
        6
        """
        if not count:
            return self
        held = _draw_runs(len(self.train), count, np.random.default_rng([seed, count]))
        kept = np.setdiff1d(np.arange(len(self.train)), held)
        labels = self.train_labels
        names = self.train_names
        return replace(
            self,
            train=self.train[kept],
            train_labels=None if labels is None else labels[kept],
            train_names=None if names is None else [names[index] for index in kept],
            holdout=self.train[held],
        )

    def account(self) -> str:
        """Return the sum of all that was found: what is trained on, tested on, skipped and unused.

        >>> pixels = np.zeros((8, 4, 4, 1), "uint8")
        >>> Images("noise", pixels, pixels[:2]).account()
        '8 to train + 2 to test + 0 skipped + 0 unused = 10 found'
        """
        parts = {part: len(images) for part, images in self.parts.items()}
        unused = sum(one.count for one in self.unused)
        total = sum(parts.values()) + len(self.skipped) + unused
        if self.holdout is not None:
            total += len(self.holdout)
            parts = {"train": parts.pop("train"), "choose the epoch": len(self.holdout)} | parts
        counts = " + ".join(f"{count:,} to {part}" for part, count in parts.items())
        both = " and test" if "test" not in parts else ""
        return (
            f"{counts}{both} + {len(self.skipped):,} skipped + {unused:,} unused = {total:,} found"
        )

    def unused_notes(self) -> list[str]:
        """Return a line that names what is unused, where anything is."""
        return describe_unused(self.unused)

    def __repr__(self) -> str:
        """Return the name, the counts and the shape of an image; no pixels.

        >>> Images("noise", np.zeros((8, 4, 4, 1), "uint8"), np.zeros((2, 4, 4, 1), "uint8"))
        Images('noise', 8 train, 2 test, 4x4x1)
        """
        parts = [f"{len(self.train):,} train", f"{len(self.test):,} test"]
        if self.holdout is not None:
            parts.insert(1, f"{len(self.holdout):,} held out")
        shape = "x".join(map(str, self.shape))
        return f"Images({self.name!r}, {', '.join(parts)}, {shape})"

    def _repr_html_(self) -> str:
        """A contact sheet of training images, drawn evenly, for notebooks."""
        from autoencode.plots import html

        height, width, channels = self.shape
        facts = [
            ("training images", f"{len(self.train):,}"),
            ("test images", f"{len(self.test):,}"),
            ("size", f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"),
        ]
        shown = self.train[evenly_spaced(len(self.train), SHOWN_IN_NOTEBOOK)]
        return html.card_element(self.name, facts, html.sheet_element(shown))

    def fingerprint(self) -> int:
        """Return the CRC-32 of rows evenly drawn from both parts, a megabyte in all: the same
        images give the same.
        """
        checksum = 0
        most = max(1, FINGERPRINT_BYTES // 2 // math.prod(self.shape))
        for part in (self.train, self.test):
            for index in evenly_spaced(len(part), most):
                checksum = zlib.crc32(np.ascontiguousarray(part[index]).data, checksum)
        return checksum


def evenly_spaced(count: int, most: int) -> list[int]:
    """Return at most `most` of the indices below `count`, ascending, spread evenly from the first
    to the last.

    >>> evenly_spaced(9, 3)
    [0, 4, 8]
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()


def to_pixels(floats: np.ndarray) -> np.ndarray:
    """Return floats, cut to [0, 1], as uint8.

    >>> to_pixels(np.array([-0.1, 0.5, 2.0]))
    array([  0, 128, 255], dtype=uint8)
    """
    return np.round(np.clip(floats, 0, 1) * 255).astype(np.uint8)


def check_images(images: np.ndarray, what: str = "images") -> None:
    """Raise `AutoencodeError` unless `images` is uint8 (N, H, W, C), N, H, W >= 1 and C 1 or 3."""
    is_array = isinstance(images, np.ndarray)
    received = f"{images.dtype} {images.shape}" if is_array else type(images).__name__
    if not is_array or images.dtype != np.uint8 or images.ndim != 4:
        raise AutoencodeError(f"{what}: expected a uint8 array (N, H, W, C), received {received}.")
    if 0 in images.shape or images.shape[3] not in (1, 3):
        raise AutoencodeError(
            f"{what}: expected at least one image of at least one pixel with 1 or 3 channels, "
            f"received {received}."
        )


def _draw_runs(total: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Return `count` of `total` indices, sorted: runs of neighbours, one in each of equal parts."""
    runs = min(HOLDOUT_RUNS, math.ceil(count / SHORTEST_RUN))
    lengths = [len(part) for part in np.array_split(np.arange(count), runs)]
    borders = np.linspace(0, total, runs + 1).astype(int)
    drawn = []
    for first, end, length in zip(borders, borders[1:], lengths, strict=False):
        begin = random.integers(first, end - length + 1)
        drawn.append(np.arange(begin, begin + length))
    return np.concatenate(drawn)
