"""A source, opened: which images it holds, what they are called, and how they become pixels. One
traversal for all uses.

Loading into memory, packing into a store and streaming through a model all iterate `Dataset.read`.
Nothing is kept for each image, so that a dataset may hold millions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autoencode.data.decode import Plan, Probe, Tally
from autoencode.data.extents import Extent
from autoencode.data.ranges import MAX_CUT, choose_scale, parse_range
from autoencode.data.scaling import Scale, show_range
from autoencode.errors import AutoencodeError
from autoencode.images import Skipped, Unused

# Images whose values decide percentiles.
SAMPLED_IMAGES = 2000
# Values of each of these images.
SAMPLED_VALUES = 2000
SPLITS = ("train", "validation", "test")
Progress = Callable[[int, int], None]
# int32 by part, as `Images` names them, and the classes' names.
Labels = tuple[dict[str, np.ndarray], tuple[str, ...]]


class Chunk(NamedTuple):
    """Some images: pixels, uint8 (n, H, W, C), the indices that they come from, and the images that
    were skipped.
    """

    pixels: np.ndarray
    indices: np.ndarray
    skipped: list[Skipped]


class Dataset(ABC):
    """The images of one source, each known by its index.

    `notes` say what was decided while opening, `skipped` what cannot be read, `unused` what is
    not used on purpose. `has_names` says whether images have names of their own, which a store
    keeps.
    """

    name: str
    has_names: bool = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self.skipped: list[Skipped] = []
        self.unused: list[Unused] = []
        self.tally = Tally()

    @abstractmethod
    def __len__(self) -> int:
        """How many images there are, if all can be read."""

    @abstractmethod
    def names(self, indices: np.ndarray) -> list[str]:
        """Return what a person calls the images at ascending `indices`."""

    @abstractmethod
    def splits(self) -> dict[str, np.ndarray]:
        """Return the ascending indices of `train`, `validation` and `test`, as far as the source
        distinguishes them.
        """

    @abstractmethod
    def labels(self, kept: Mapping[str, np.ndarray]) -> Labels:
        """Return the labels of the indices `kept` by part, -1 for unlabelled.

        Returns nothing where they distinguish no classes.
        """

    @abstractmethod
    def sample(self, indices: Sequence[int], plan: Plan) -> list[Probe]:
        """Look at the images at `indices`, without those that cannot be read."""

    @abstractmethod
    def chunks(self, indices: np.ndarray, plan: Plan) -> Iterator[Chunk]:
        """Give all images at ascending `indices` as `plan` says, in order, a chunk at a time."""

    @abstractmethod
    def extents(self, plan: Plan, probes: Sequence[Probe]) -> dict[str, Extent]:
        """Return the extent of all values by the kind they are stored as; `probes` are those of a
        look at some images.

        For 8 bits it may end as soon as it is wide enough to decide the range.
        """

    @abstractmethod
    def sample_values(self, plan: Plan) -> dict[str, np.ndarray]:
        """Return finite values (N,), drawn evenly from all images, by their stored kind."""

    @abstractmethod
    def identity(self) -> Any:
        """Return what changes when the images do, as JSON."""

    def choose_scale(
        self, option: str, plan: Plan, probes: Sequence[Probe]
    ) -> tuple[Scale, list[str]]:
        """Return the one scale of this source for `option`, a word for `range`, and a line for each
        choice.

        `probes` are those of a look at some images by `plan`.
        """
        asked = parse_range(option)
        if asked.method == "values":
            return Scale({}, (asked.low, asked.high)), [
                f"range {asked.low:.9g}:{asked.high:.9g} for all values"
            ]
        samples = self.sample_values(plan) if asked.method == "percentile" else {}
        try:
            return choose_scale(asked, self.extents(plan, probes), samples)
        except AutoencodeError as error:
            raise type(error)(f"{self.name}: {error}") from error

    def read(
        self,
        indices: np.ndarray,
        plan: Plan,
        *,
        strict: bool = False,
        progress: Progress | None = None,
    ) -> Iterator[Chunk]:
        """Give all images at ascending `indices`: the one traversal that loading, packing and
        streaming share.

        `progress` is given how many of how many were looked at. Raises `AutoencodeError` where
        `strict` and an image cannot be read.
        """
        check_strict(strict, self.skipped)
        done = 0
        for chunk in self.chunks(indices, plan):
            check_strict(strict, chunk.skipped)
            yield chunk
            done += len(chunk.indices) + len(chunk.skipped)
            if progress is not None:
                progress(done, len(indices))

    def value_notes(self, scale: Scale, why: str) -> list[str]:
        """Return what is to be known of the values that were read by `scale`.

        That is a warning where the ranges cut more than 1 % of them, and a line for each kind that
        has no range of its own, for which `why` says why.
        """
        tally = self.tally
        notes = [
            f"{kind} values are taken from {show_range(scale.range_of(kind))}, as {why} only "
            f"{scale.describe()}: `range` "
            "sets another"
            for kind in sorted(tally.kinds - {"bool"} - set(scale.ranges))
            if scale.ranges
        ]
        if tally.missing:
            notes.append(
                f"warning: {tally.missing:,} of {tally.values:,} values are NaN or infinite: NaN "
                "and -infinity are taken "
                "for black, infinity for white; replace them in the source for anything else"
            )
        if tally.cut > MAX_CUT * tally.values:
            notes.append(
                f"warning: {tally.cut / tally.values:.1%} of the values lie outside the range and "
                "are cut to it: choose "
                "another with `range`"
            )
        return notes


def check_strict(strict: bool, skipped: Sequence[Skipped]) -> None:
    """Raise `AutoencodeError` where `strict` allows no image to be skipped."""
    if strict and skipped:
        raise AutoencodeError(
            f"{skipped[0].name} cannot be read ({skipped[0].reason}), and `strict` allows no "
            "picture to be skipped."
        )
