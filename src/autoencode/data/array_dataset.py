"""Arrays of images as a dataset: larger than memory where they are memory-mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autoencode.data import decode
from autoencode.data.dataset import SAMPLED_IMAGES, SAMPLED_VALUES, Chunk, Dataset, Labels
from autoencode.data.decode import Plan, Probe, Tally
from autoencode.data.extents import EIGHT_BITS, Extent, add_extent, fills, kind_of, measure_extent
from autoencode.data.scaling import Scale
from autoencode.errors import AutoencodeError
from autoencode.images import UNLABELLED, Images, evenly_spaced
from autoencode.system.memmap import release

# Bytes of an array that are given at a time: 10,699 rows of MNIST.
CHUNK_BYTES = 2**23


class ArrayDataset(Dataset):
    """Images in arrays, (N, H, W, C) of any numeric dtype with C 1, 3 or 4, by split: "train" alone
    where there is none.

    They may be larger than memory: values become pixels a block at a time. `labels` are whole
    numbers (N,) by split, `classes` their names; `names` are those of the images by split.

    >>> len(ArrayDataset("noise", {"train": np.zeros((5, 4, 4, 1), "uint16")}))
    5
    """

    def __init__(
        self,
        name: str,
        parts: Mapping[str, np.ndarray],
        labels: Mapping[str, np.ndarray] | None = None,
        classes: Sequence[str] = (),
        names: Mapping[str, Sequence[str]] | None = None,
        notes: Sequence[str] = (),
        scale: Scale | None = None,
    ) -> None:
        super().__init__(name)
        self.arrays = dict(parts)
        self.classes = tuple(classes)
        self.notes += notes
        self.known_scale = scale
        # Whether the pixels were made of other values, and are not to be scaled once more.
        raw: tuple[dict, ...] = ({}, {"uint8": list(EIGHT_BITS)})
        self.is_scaled = scale is not None and scale.record() not in raw
        # The same images, where they need nothing.
        self.ready: Images | None = None
        self.has_names = names is not None
        self._names = names
        self._labels = self._join_labels(labels or {})
        self._starts = np.cumsum([0, *map(len, self.arrays.values())]).tolist()

    def _join_labels(self, labels: Mapping[str, np.ndarray]) -> np.ndarray | None:
        if not any(split in labels for split in self.arrays):
            return None
        missing = {split: np.full(len(array), UNLABELLED) for split, array in self.arrays.items()}
        return np.concatenate([labels.get(split, missing[split]) for split in self.arrays])

    def __len__(self) -> int:
        return self._starts[-1]

    def names(self, indices: np.ndarray) -> list[str]:
        """Return the name of each, or else its split and position."""
        ends = np.searchsorted(indices, self._starts)
        pieces = zip(self.arrays, self._starts, ends[:-1], ends[1:], strict=False)
        positions: list[tuple[str, int]] = [
            (split, position)
            for split, start, first, last in pieces
            for position in (indices[first:last] - start).tolist()
        ]
        if self._names is None:
            return [f"{self.name} {split} {position}" for split, position in positions]
        return [self._names[split][position] for split, position in positions]

    def splits(self) -> dict[str, np.ndarray]:
        """Return the indices of each array."""
        if len(self.arrays) == 1:
            return {}
        ranges = zip(self._starts[:-1], self._starts[1:], strict=True)
        return {split: np.arange(*ends) for split, ends in zip(self.arrays, ranges, strict=True)}

    def labels(self, kept: Mapping[str, np.ndarray]) -> Labels:
        """Number the classes in their order, unless they have names."""
        if self._labels is None:
            return {}, ()
        is_labelled = self._labels != UNLABELLED
        numbers = np.unique(self._labels[is_labelled])
        if len(numbers) < 2:
            return {}, ()
        numbered = self._labels
        # 3 and 7 are classes 0 and 1.
        if not self.classes:
            numbered = np.where(is_labelled, np.searchsorted(numbers, self._labels), UNLABELLED)
        labels = {
            f"{part}_labels": numbered[indices].astype(np.int32) for part, indices in kept.items()
        }
        return labels, self.classes or tuple(map(str, numbers.tolist()))

    def sample(self, indices: Sequence[int], plan: Plan) -> list[Probe]:
        """Look at some."""
        probes = []
        for array, positions, _ in self._pieces(np.asarray(indices)):
            for position in positions:
                probes.append(decode.probe_array(array[position], plan))
                release(array)
        return probes

    def chunks(self, indices: np.ndarray, plan: Plan) -> Iterator[Chunk]:
        """Convert and fit, a chunk at a time.

        Pixels that are as wanted are handed on as they lie.
        """
        inner = Plan(plan.height, plan.width, plan.channels, plan.fit)
        tally = self.tally
        if self.is_scaled:
            plan = replace(plan, scale=Scale())
            tally = Tally()

        for array, positions, part in self._pieces(indices):
            size = max(1, CHUNK_BYTES // array[0].nbytes)
            for first in range(0, len(part), size):
                values = _rows(array, positions[first : first + size])
                pixels = decode.array_to_pixels(values, plan, tally)
                if pixels.shape[1:] != plan.shape:
                    pixels = np.stack(
                        [decode.fit(decode.picture_of(image), inner) for image in pixels]
                    )
                yield Chunk(pixels, part[first : first + size], [])
                # Values may be a copy of it.
                release(array)

    def choose_scale(
        self, option: str, plan: Plan, probes: Sequence[Probe]
    ) -> tuple[Scale, list[str]]:
        """Return the scale that the pixels were made with, where that is known, else as for any
        dataset.
        """
        if self.known_scale is None or (option != "auto" and not self.is_scaled):
            return super().choose_scale(option, plan, probes)
        if option == "auto":
            return self.known_scale, []
        note = (
            f"`range={option}` is not used: {self.name} was scaled at "
            f"{self.known_scale.describe()} "
            "when it was made; name the source that it was made of"
        )
        return self.known_scale, [note]

    def value_notes(self, scale: Scale, why: str) -> list[str]:
        """Return what is to be known of the values, or that scaled pixels do not match `scale`."""
        known = self.known_scale
        if known is None or not self.is_scaled or known.record() == scale.record():
            return super().value_notes(scale, why)
        note = (
            f"{self.name} was scaled at {known.describe()} when it was made, "
            f"and {why} {scale.describe()}: name the source that it was made of"
        )
        return [note]

    def extents(self, plan: Plan, probes: Sequence[Probe]) -> dict[str, Extent]:
        """Look at every block of every array."""
        found: dict[str, Extent] = {}
        for array in self.arrays.values():
            kind = kind_of(array.dtype)
            size = max(1, CHUNK_BYTES // array[0].nbytes)
            for first in range(0, len(array), size):
                colours = decode.select_colours(array[first : first + size], plan)
                _check_finite(colours)
                add_extent(found, kind, measure_extent(colours))
                release(array)
                if kind == "uint8" and fills(kind, found[kind]):
                    # The range is decided.
                    break
        return found

    def sample_values(self, plan: Plan) -> dict[str, np.ndarray]:
        """Draw from evenly spaced images."""
        drawn: dict[str, list[np.ndarray]] = {}
        for array, positions, _ in self._pieces(np.array(evenly_spaced(len(self), SAMPLED_IMAGES))):
            for position in positions:
                values = decode.select_colours(array[position][np.newaxis], plan).reshape(-1)
                step = max(1, len(values) // SAMPLED_VALUES)
                drawn.setdefault(kind_of(array.dtype), []).append(np.array(values[::step]))
                release(array)
        return {kind: np.concatenate(values) for kind, values in drawn.items()}

    def identity(self) -> Any:
        """A checksum of some rows: the whole may be larger than memory."""
        checksum = hashlib.sha256()
        for array, positions, _ in self._pieces(np.array(evenly_spaced(len(self), 1000))):
            for position in positions:
                checksum.update(array[position].tobytes())
                release(array)
        return self.name, len(self), checksum.hexdigest()

    def _pieces(self, indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Every array that ascending `indices` reach into, with the positions in it and the indices
        themselves.
        """
        ends = np.searchsorted(indices, self._starts)
        for array, start, first, last in zip(
            self.arrays.values(), self._starts, ends[:-1], ends[1:], strict=False
        ):
            if first < last:
                part = indices[first:last]
                yield array, part - start, part


def _check_finite(values: np.ndarray) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        count = int(np.count_nonzero(~np.isfinite(values)))
        raise AutoencodeError(
            f"expected finite numbers, received NaN or infinity in {count:,} of {values.size:,} "
            "values: replace "
            "them, for example with np.nan_to_num(x)."
        )


def _rows(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Those at ascending `indices`: a slice, which copies nothing, where they are neighbours."""
    first = indices[0]
    last = indices[-1] + 1
    return array[first:last] if last - first == len(indices) else array[indices]
