"""The images of any source as a model expects them, batch after batch, with names and labels. Knows no model and no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autoencode.config import Config
from autoencode.data import loading, preprocessing
from autoencode.data.decode import Plan
from autoencode.data.loading import Progress, Rows
from autoencode.errors import AutoencodeError, UsageError, unknown
from autoencode.images import evenly

PARTS = ("all", "train", "test")


class Stream:
    """Images of one shape out of `rows`, those at ascending `indices`, read when `batches` is iterated.

    Then `kept` holds the indices of those that could be read, `skipped` the others. `progress` is told how many of how
    many were looked at; `strict` allows none to be left out. `note` says how a part was drawn, if it was.
    """

    def __init__(
        self,
        rows: Rows,
        indices: np.ndarray,
        plan: Plan,
        *,
        note: str = "",
        strict: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.name, self.note = rows.name, note
        self.kept, self.skipped = np.empty(0, int), list(rows.skipped)
        self._rows, self._indices, self._plan = rows, indices, plan
        self._strict, self._progress = strict, progress

    def __len__(self) -> int:
        """How many images there are at most, if all can be read."""
        return len(self._indices)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Give the images, uint8 (n, H, W, C), n at most `size`, in order.

        Raises `AutoencodeError` where none can be read, or where `strict` allows none to be left out.
        """
        kept, waiting, held, read = [], [], 0, 0
        self.skipped = list(self._rows.skipped)
        loading.check_strict(self._strict, self.skipped)
        for images, indices, skipped in self._rows.chunks(self._indices, self._plan):
            self.skipped += skipped
            loading.check_strict(self._strict, self.skipped)
            kept.append(indices)
            waiting.append(images)
            held, read = held + len(images), read + len(images) + len(skipped)
            if held >= size:
                yield from self._hand_on(waiting, size, read)
                waiting, held = [], 0
            else:
                self._tell(read - held)
        self.kept = np.concatenate(kept)
        if not len(self.kept):
            raise AutoencodeError(loading.nothing(self._rows))
        if held:
            yield from self._hand_on(waiting, size, read)

    def _hand_on(self, chunks: list[np.ndarray], size: int, read: int) -> Iterator[np.ndarray]:
        """Give what `chunks` hold in pieces, and tell of each once it is done with; `read` are these and all before."""
        left = sum(map(len, chunks))
        for piece in _pieces(chunks, size):
            yield piece
            left -= len(piece)
            self._tell(read - left)

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, len(self))

    def image(self, place: int) -> np.ndarray:
        """Return the image, uint8 (H, W, C), at `place` among all; raise `AutoencodeError` where it is not or cannot be read."""
        if not 0 <= place < len(self):
            raise UsageError(f"{self.name} holds {len(self):,} images there, counted from 0: there is none at {place}.")
        images, _, skipped = next(self._rows.chunks(self._indices[place : place + 1], self._plan))
        if skipped:
            raise AutoencodeError(f"{skipped[0].name} cannot be read: {skipped[0].reason}.")
        return images[0]

    def names(self) -> list[str]:
        """Return what the images that were read are called: paths, or the name of an array, the part and the place."""
        return self._rows.names(self.kept)

    def labels(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """Return the labels of the images that were read, int32 (N,), and the classes' names; None where there are none."""
        labels, classes = self._rows.labels({"read": self.kept})
        return labels.get("read_labels"), classes

    def metadata(self) -> dict[str, np.ndarray]:
        """Return `names` and, where there are any, `labels` and `classes` of the images that were read, as arrays."""
        labels, classes = self.labels()
        names = {"names": np.array(self.names())}
        return names if labels is None else names | {"labels": labels, "classes": np.array(classes)}

    def images(self, places: Sequence[int]) -> np.ndarray:
        """Return, uint8 (n, H, W, C), the images at ascending `places` among those that were read."""
        return np.concatenate([images for images, _, _ in self._rows.chunks(self.kept[places], self._plan)])


def _pieces(chunks: list[np.ndarray], size: int) -> Iterator[np.ndarray]:
    joined = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)  # a chunk of an array alone is not copied
    return (joined[first : first + size] for first in range(0, len(joined), size))


def check(part: str, fit: str) -> None:
    """Raise `UsageError` for an unknown part or fit."""
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    preprocessing.check("auto", fit, "auto")


def stream(
    rows: Rows,
    shape: tuple[int, int, int],
    *,
    part: str = "all",
    fit: str = Config.fit,
    split_seed: int = Config.split_seed,
    most: int | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Stream:
    """Return `rows` as images of `shape` (H, W, C): all, or those that a training with `split_seed` trains or tests on.

    Of more than `most` there are as many, spread evenly. Raises `UsageError` for an unknown part or fit.
    """
    check(part, fit)
    if not len(rows):
        raise AutoencodeError(loading.nothing(rows))
    indices, note = np.arange(len(rows)), ""
    if part != "all":
        train, test, how = loading.split(rows, split_seed)
        indices, note = train if part == "train" else test, "" if rows.parts() else how
    if most is not None:
        indices = indices[evenly(len(indices), most)]
    return Stream(rows, indices, Plan(*shape, fit), note=note, strict=strict, progress=progress)
