"""The images of any source as a model expects them, batch after batch, with names and labels.

Knows no model and no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from autoencode.config import DataConfig
from autoencode.data import preprocessing
from autoencode.data.choice import LOOKED_AT
from autoencode.data.dataset import Dataset, Progress, check_strict
from autoencode.data.decode import Plan
from autoencode.data.pictures import describe_nothing
from autoencode.data.scaling import Scale
from autoencode.data.splits import split_dataset
from autoencode.errors import AutoencodeError, UsageError, unknown
from autoencode.images import describe_unused, evenly_spaced

PARTS = ("all", "train", "test")


class Stream:
    """Images of one shape out of `dataset`, those at ascending `indices`, read when `batches` is
    iterated.

    Then `kept` holds the indices of those that could be read, `skipped` the others. `progress` is
    told how many of how many were looked at; `strict` allows none to be skipped. `notes` say how a
    part was drawn, and which range is taken.
    """

    def __init__(
        self,
        dataset: Dataset,
        indices: np.ndarray,
        plan: Plan,
        *,
        notes: Sequence[str] = (),
        strict: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.name = dataset.name
        self.notes = list(notes)
        self.kept = np.empty(0, int)
        self.skipped = list(dataset.skipped)
        self._dataset = dataset
        self._indices = indices
        self._plan = plan
        self._strict = strict
        self._progress = progress

    def __len__(self) -> int:
        """How many images there are at most, if all can be read."""
        return len(self._indices)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Give the images, uint8 (n, H, W, C), n at most `size`, in order.

        Raises `AutoencodeError` where none can be read, or where `strict` allows none to be
        skipped.
        """
        kept: list[np.ndarray] = []
        waiting: list[np.ndarray] = []
        held = 0
        read = 0
        self.skipped = list(self._dataset.skipped)
        check_strict(self._strict, self.skipped)
        for images, indices, skipped in self._dataset.read(
            self._indices, self._plan, strict=self._strict
        ):
            self.skipped += skipped
            kept.append(indices)
            waiting.append(images)
            held += len(images)
            read += len(images) + len(skipped)
            if held >= size:
                yield from self._hand_on(waiting, size, read)
                waiting = []
                held = 0
            else:
                self._report(read - held)
        self.kept = np.concatenate(kept) if kept else self.kept
        if not len(self.kept):
            raise describe_nothing(self._dataset, self._plan)
        if held:
            yield from self._hand_on(waiting, size, read)
        self.notes += self._dataset.value_notes(self._plan.scale, "the training had")

    def _hand_on(self, chunks: list[np.ndarray], size: int, read: int) -> Iterator[np.ndarray]:
        """Give what `chunks` hold in pieces, and report each once it is done with.

        `read` are these and all before.
        """
        left = sum(map(len, chunks))
        for piece in _pieces(chunks, size):
            yield piece
            left -= len(piece)
            self._report(read - left)

    def _report(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, len(self))

    def image(self, index: int) -> np.ndarray:
        """Return the image, uint8 (H, W, C), at `index` among all.

        Raises `AutoencodeError` where it cannot be read.
        """
        if not 0 <= index < len(self):
            raise UsageError(
                f"{self.name} holds {len(self):,} images there, counted from 0: there is none at "
                f"{index}."
            )
        images, _, skipped = next(
            self._dataset.chunks(self._indices[index : index + 1], self._plan)
        )
        if skipped:
            raise AutoencodeError(f"{skipped[0].name} cannot be read: {skipped[0].reason}.")
        return images[0]

    def names(self) -> list[str]:
        """Return what the images that were read are called: paths, or the name of an array, the
        part and the index.
        """
        return self._dataset.names(self.kept)

    def labels(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """Return the labels of the images that were read, int32 (N,), and the classes' names.

        The labels are None where there are none.
        """
        labels, classes = self._dataset.labels({"read": self.kept})
        return labels.get("read_labels"), classes

    def metadata(self) -> dict[str, np.ndarray]:
        """Return `names` and, where there are any, `labels` and `classes` of the images that were
        read, as arrays.
        """
        labels, classes = self.labels()
        names = {"names": np.array(self.names())}
        return names if labels is None else names | {"labels": labels, "classes": np.array(classes)}

    def images(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return images, uint8 (n, H, W, C), by ascending `indices` among those that were read."""
        return np.concatenate(
            [images for images, _, _ in self._dataset.chunks(self.kept[indices], self._plan)]
        )


def _pieces(chunks: list[np.ndarray], size: int) -> Iterator[np.ndarray]:
    # A chunk of an array alone is not copied.
    joined = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    return (joined[first : first + size] for first in range(0, len(joined), size))


def check_part(part: str) -> None:
    """Raise `UsageError` for an unknown part."""
    if part not in PARTS:
        raise unknown("part", part, PARTS)


def stream(
    dataset: Dataset,
    shape: tuple[int, int, int],
    config: DataConfig | None = None,
    *,
    part: str = "all",
    scale: Scale | None = None,
    among: np.ndarray | None = None,
    most: int | None = None,
    progress: Progress | None = None,
) -> Stream:
    """Return `dataset` as images of `shape` (H, W, C): all, or those that a training by `config`
    trains or tests on.

    `scale` is that of the training; without one, it is chosen from the dataset. Of `among`,
    ascending indices, only those are given, and of more than `most` as many, spread evenly. Raises
    `UsageError` for an unknown part or setting.
    """
    config = config or DataConfig()
    preprocessing.check_options(config)
    check_part(part)
    looked = preprocessing.look_plan(config)
    if not len(dataset):
        raise describe_nothing(dataset, looked)

    notes = [*dataset.notes, *describe_unused(dataset.unused)]
    indices = np.arange(len(dataset))
    if part != "all":
        split = split_dataset(dataset, config)
        indices = split.train if part == "train" else split.test
        notes += [] if dataset.splits() else [split.note]
    if among is not None:
        indices = np.intersect1d(indices, among, assume_unique=True)
    if most is not None and len(indices):
        indices = indices[evenly_spaced(len(indices), most)]

    if scale is None or config.range != "auto":
        probes = dataset.sample(evenly_spaced(len(dataset), LOOKED_AT), looked)
        scale, scale_notes = dataset.choose_scale(config.range, looked, probes)
        notes += scale_notes
    height, width, channels = shape
    plan = replace(looked, height=height, width=width, channels=channels, scale=scale)
    return Stream(dataset, indices, plan, notes=notes, strict=config.strict, progress=progress)
