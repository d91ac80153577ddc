"""From pictures or arrays to images: sizes and colours chosen, training and test apart, in memory or in a packed store."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from autoencode.config import Config, cache_folder
from autoencode.data import decode, preprocessing, store
from autoencode.data.archives import Pictures
from autoencode.errors import AutoencodeError
from autoencode.images import Images, Skipped, evenly
from autoencode.mapped import release

CHUNK, PACKED_BYTES = 64, 2**24  # pictures, and bytes of packed ones, that a core decodes in one go
CHUNK_BYTES = 2**23  # of an array that are handed on at a time: 10,699 rows of MNIST
LOOKED_AT = 200  # pictures that decide size and colour
TEST_SHARE, MOST_TEST = 0.1, 10_000
MEMORY_SHARE = 0.25  # of the machine's memory; a larger set is packed into the cache

Progress = Callable[[int, int], None]
Chunk = tuple[np.ndarray, np.ndarray, list[Skipped]]  # rows (n, H, W, C), the indices they came from, what was left out
Labels = tuple[dict[str, np.ndarray], tuple[str, ...]]  # int32 by part, as `Images` names them, and the classes' names


class Rows(Protocol):
    """What can be turned into images: the files of a collection, or an array. It knows nothing singly, so millions fit."""

    name: str
    skipped: Sequence[Skipped]
    named: bool
    """Whether each has a name of its own, which a store keeps."""
    notes: Sequence[str]
    """What its user should know."""

    def __len__(self) -> int:
        """How many there are."""

    def names(self, indices: np.ndarray) -> list[str]:
        """Return what a person calls those at ascending `indices`."""

    def parts(self) -> dict[str, np.ndarray]:
        """Return the ascending indices of `train` and of `test`; nothing where the source does not tell them apart."""

    def labels(self, kept: dict[str, np.ndarray]) -> Labels:
        """Return the labels of the indices `kept` by part; nothing where one lacks a label or all have the same."""

    def sample(self, indices: Sequence[int]) -> list[decode.Probe]:
        """Look at some, leaving out what cannot be read."""

    def chunks(self, indices: np.ndarray, plan: decode.Plan) -> Iterator[Chunk]:
        """Give all at ascending `indices` as `plan` says, in order, a chunk at a time."""

    def identity(self) -> Any:
        """What changes when the pictures do, as JSON."""


class PictureRows:
    """The pictures of a collection, decoded on all cores."""

    named, notes = True, ()

    def __init__(self, pictures: Pictures) -> None:
        self.pictures, self.name, self.skipped = pictures, pictures.name, pictures.skipped

    def __len__(self) -> int:
        return len(self.pictures.entries)

    def names(self, indices: np.ndarray) -> list[str]:
        """Return their paths within the collection."""
        return [self.pictures.entries[index].name for index in indices.tolist()]

    def parts(self) -> dict[str, np.ndarray]:
        """Return what the folders tell."""
        told = np.array([entry.part or "" for entry in self.pictures.entries])
        found = {part: np.flatnonzero(told == part) for part in ("train", "test")}
        return found if all(map(len, found.values())) else {}

    def labels(self, kept: dict[str, np.ndarray]) -> Labels:
        """Number the classes in the order of their names."""
        entries = self.pictures.entries
        names = {entries[index].label for indices in kept.values() for index in indices}
        if None in names or len(names) < 2:
            return {}, ()
        ordered = sorted(names, key=int if all(name.isdecimal() for name in names) else None)
        number = {name: place for place, name in enumerate(ordered)}
        labels = {
            f"{part}_labels": np.array([number[entries[index].label] for index in indices], np.int32)
            for part, indices in kept.items()
        }
        return labels, tuple(ordered)

    def sample(self, indices: Sequence[int]) -> list[decode.Probe]:
        """Look at some, leaving out what cannot be read."""
        return [probe for probe in _on_all_cores(_probe, self.pictures.read(indices)) if probe is not None]

    def chunks(self, indices: np.ndarray, plan: decode.Plan) -> Iterator[Chunk]:
        """Decode, several chunks at a time."""
        jobs = _jobs(indices, self.pictures.read(indices))
        for part, (rows, kept, reasons) in _on_all_cores(lambda job: (job[0], _decode(job[1], plan)), jobs):
            yield rows, part[kept], list(map(Skipped, self.names(part[list(reasons)]), reasons.values()))

    def identity(self) -> Any:
        """Names, sizes and times of the files."""
        return self.name, [entry.name for entry in self.pictures.entries], self.pictures.stamp()


def _jobs(indices: np.ndarray, files: Iterator) -> Iterator[tuple[np.ndarray, list]]:
    """Part `files` into jobs of up to `CHUNK`, fewer where they are large: several jobs wait in memory at a time."""
    first, held, size = 0, [], 0
    for place, file in enumerate(files, start=1):
        held.append(file)
        size += len(file) if isinstance(file, bytes) else 0
        if len(held) == CHUNK or size > PACKED_BYTES or place == len(indices):
            yield indices[first:place], held
            first, held, size = place, [], 0


class ArrayRows:
    """An array of images, uint8 (N, H, W, C), with or without labels, and with names by part if they have any."""

    def __init__(
        self,
        name: str,
        parts: dict[str, np.ndarray],
        labels: dict[str, np.ndarray],
        classes: Sequence[str] = (),
        names: Mapping[str, Sequence[str]] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.name, self.skipped, self.notes, self._parts, self._classes = name, (), notes, parts, classes
        self.named, self._names = names is not None, names
        found = [labels.get(f"{part}_labels") for part in parts]
        self._labels = None if any(one is None for one in found) else np.concatenate(found)
        self._starts = np.cumsum([0, *map(len, parts.values())]).tolist()

    def __len__(self) -> int:
        return self._starts[-1]

    def names(self, indices: np.ndarray) -> list[str]:
        """Return the name of each, or else its part and place."""
        ends = np.searchsorted(indices, self._starts)
        pieces = zip(self._parts, self._starts, ends[:-1], ends[1:], strict=False)
        return [
            f"{self.name} {part} {place}" if self._names is None else self._names[part][place]
            for part, start, first, last in pieces
            for place in (indices[first:last] - start).tolist()
        ]

    def parts(self) -> dict[str, np.ndarray]:
        """Return what the arrays tell."""
        if len(self._parts) == 1:
            return {}
        ranges = zip(self._starts[:-1], self._starts[1:], strict=True)
        return {part: np.arange(*ends) for part, ends in zip(self._parts, ranges, strict=True)}

    def labels(self, kept: dict[str, np.ndarray]) -> Labels:
        """Number the classes in their order, unless they have names."""
        if self._labels is None or len(numbers := np.unique(self._labels)) < 2:
            return {}, ()
        numbered = (
            self._labels if self._classes else np.searchsorted(numbers, self._labels)
        )  # 3 and 7 are classes 0 and 1
        labels = {f"{part}_labels": numbered[indices].astype(np.int32) for part, indices in kept.items()}
        return labels, tuple(self._classes) or tuple(map(str, numbers))

    def sample(self, indices: Sequence[int]) -> list[decode.Probe]:
        """Look at some."""
        probes = []
        for index in indices:
            pixels = self._at([index])[0]
            height, width = pixels.shape[:2]
            probes.append(decode.Probe(width, height, decode.is_grey(pixels), int(pixels.min()), int(pixels.max())))
        return probes

    def chunks(self, indices: np.ndarray, plan: decode.Plan) -> Iterator[Chunk]:
        """Hand on or fit, a chunk at a time."""
        size = max(1, CHUNK_BYTES // self._at([0]).nbytes)
        for first in range(0, len(indices), size):
            part = indices[first : first + size]
            rows = self._at(part)
            fits = rows.shape[1:] == plan.shape
            yield rows if fits else np.stack([decode.fit(_picture(pixels), plan) for pixels in rows]), part, []
            release(rows)

    def _at(self, indices: Sequence[int]) -> np.ndarray:
        wanted = np.asarray(indices)
        ends = np.searchsorted(wanted, self._starts)
        pieces = zip(self._parts.values(), self._starts, ends[:-1], ends[1:], strict=False)
        found = [_rows(array, wanted[first:last] - start) for array, start, first, last in pieces if first < last]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def identity(self) -> Any:
        """A checksum of some rows: the whole may be larger than memory."""
        return self.name, len(self), hashlib.sha256(self._at(evenly(len(self), 1000)).tobytes()).hexdigest()


def _rows(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Those at ascending `indices`: a slice, which copies nothing, where they are neighbours."""
    first, last = indices[0], indices[-1] + 1
    return array[first:last] if last - first == len(indices) else array[indices]


def _on_all_cores(work: Callable, jobs: Iterator) -> Iterator:
    """What `work` makes of each job, in order; a few jobs wait at a time, so that an archive is not read at one go."""
    cores, waiting = os.cpu_count() or 1, deque()
    # Threads: Pillow decodes without Python's lock, and rows need not travel between processes, which cost 15 % more.
    with ThreadPoolExecutor(cores) as pool:
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) > 4 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _probe(file: Any) -> decode.Probe | None:
    try:
        return decode.probe(_given(file))
    except decode.Unreadable:
        return None


def _decode(files: list, plan: decode.Plan) -> tuple[np.ndarray, list[int], dict[int, str]]:
    """The rows of those that can be read, their places in `files`, and the reasons of the others by place."""
    rows, kept, reasons = np.empty((len(files), *plan.shape), np.uint8), [], {}
    for place, file in enumerate(files):
        try:
            rows[len(kept)] = decode.decode(_given(file), plan)
            kept.append(place)
        except decode.Unreadable as error:
            reasons[place] = str(error)
    return rows[: len(kept)], kept, reasons


def _picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _given(file: Any) -> Any:
    if isinstance(file, decode.Unreadable):
        raise file
    return file


@dataclass(frozen=True)
class Choice:
    """What is to be done with rows: the plan, the indices of both parts, what was chosen without being asked."""

    plan: decode.Plan
    train: np.ndarray
    test: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Of all rows, as uint8."""
        return (len(self.train) + len(self.test)) * int(np.prod(self.plan.shape))


def choose(rows: Rows, config: Config) -> Choice:
    """Look at `rows` and decide; raise `AutoencodeError` where there is nothing to train on."""
    count = len(rows)
    probes = rows.sample(evenly(count, LOOKED_AT)) or rows.sample(range(count))
    if not probes:
        raise AutoencodeError(nothing(rows))
    plan, notes = preprocessing.choose(probes, config.size, config.fit, config.colour)
    train, test, note = split(rows, config.split_seed)
    return Choice(plan, train, test, (*rows.notes, *notes, note))


def nothing(rows: Rows) -> str:
    """Return the line that says why `rows` hold no picture."""
    skipped = list(rows.skipped)
    if len(rows):
        for _, _, found in rows.chunks(np.arange(min(len(rows), CHUNK)), decode.Plan(8, 8, 1)):
            skipped += found
    expected = f"expected pictures ({', '.join(sorted(decode.SUFFIXES))})"
    if not skipped:
        return f"{rows.name} holds no picture: {expected}."
    return f"{rows.name} holds no picture that can be read: {expected}; {skipped[0].name}: {skipped[0].reason}."


def split(rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the indices of training and test images, ascending, and how they were parted.

    Where the source tells both parts, these are kept; else a tenth, 10,000 at the most, is drawn from `seed` to test.
    """
    if parts := rows.parts():
        return parts["train"], parts["test"], "train and test are the source's own"
    count = len(rows)
    if count == 1:
        return np.array([0]), np.array([0]), "one image is both trained on and tested on"
    size = min(max(1, round(count * TEST_SHARE)), MOST_TEST)
    test = np.sort(np.random.default_rng(seed).permutation(count)[:size])
    train = np.setdiff1d(np.arange(count), test, assume_unique=True)
    return train, test, f"{size:,} of {count:,} images drawn for testing by split seed {seed}"


def load(rows: Rows, config: Config, progress: Progress | None = None) -> Images:
    """Return `rows` as images in memory, or, where they would fill it, out of a store in the cache."""
    choice = choose(rows, config)
    if choice.bytes > MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        fingerprint = _fingerprint(rows, choice)
        path = cache_folder() / "stores" / f"{rows.name}-{fingerprint[:16]}.store"
        packed, images = _pack_or_open(rows, choice, config, path, fingerprint, progress)
        note = f"{choice.bytes / 1e9:.1f} GB are too much for memory: {packed} {path}"
        return replace(images, name=rows.name, notes=(*choice.notes, note))
    arrays, kept, skipped, looked = {}, {}, list(rows.skipped), 0
    for part, indices in (("train", choice.train), ("test", choice.test)):
        array, filled, indices_kept = np.empty((len(indices), *choice.plan.shape), np.uint8), 0, []
        for pixels, found, left_out in rows.chunks(indices, choice.plan):
            array[filled : filled + len(pixels)] = pixels
            filled += len(pixels)
            indices_kept.append(found)
            skipped += left_out
            looked += len(found) + len(left_out)
            check_strict(config.strict, skipped)
            if progress is not None:
                progress(looked, len(choice.train) + len(choice.test))
        arrays[part], kept[part] = array[:filled], np.concatenate(indices_kept)
    _check_any(rows.name, kept, skipped)
    labels, classes = rows.labels(kept)
    counts, note = _recut({part: len(indices) for part, indices in kept.items()})
    if note:
        whole = np.concatenate(list(arrays.values()))
        arrays = {"train": whole[: counts["train"]], "test": whole[len(whole) - counts["test"] :]}
        whole = np.concatenate(list(labels.values())) if labels else None
        labels = labels and {"train_labels": whole[: counts["train"]], "test_labels": whole[-counts["test"] :]}
    notes = (*choice.notes, *note)
    return Images(rows.name, **arrays, **labels, classes=classes, notes=notes, skipped=tuple(skipped))


def pack(rows: Rows, config: Config, path: Path, progress: Progress | None = None) -> Images:
    """Pack `rows` into a store at `path`, continuing a cut-off packing of the same, and return its images.

    Raises `AutoencodeError` where another process packs into that file, or where it cannot be
    written; what is packed so far is then kept.
    """
    choice = choose(rows, config)
    return replace(_pack(rows, choice, config, path, _fingerprint(rows, choice), progress), notes=choice.notes)


def _pack_or_open(
    rows: Rows, choice: Choice, config: Config, path: Path, fingerprint: str, progress: Progress | None
) -> tuple[str, Images]:
    """Return how the store of the cache came about, and its images; others wait for the packing."""
    if not path.exists():
        try:
            images = _pack(rows, choice, config, path, fingerprint, progress, wait=True)
        except store.Finished:
            pass  # by another process, and the name of the store says that it is the same
        else:
            return "packed into", images
    return "taken from", store.open_store(path)


def _pack(
    rows: Rows,
    choice: Choice,
    config: Config,
    path: Path,
    fingerprint: str,
    progress: Progress | None,
    *,
    wait: bool = False,
) -> Images:
    writer = store.Writer(path, fingerprint, wait=wait)
    test = choice.test if len(rows) > 1 else choice.test[:0]  # a lone row is packed once and read as both
    order = np.concatenate([choice.train, test])
    noted = time.monotonic()
    try:
        for first, last in ((0, len(choice.train)), (len(choice.train), len(order))):
            if writer.done >= last:
                continue
            for pixels, kept, skipped in rows.chunks(order[max(first, writer.done) : last], choice.plan):
                done = len(kept) + len(skipped)
                missing = np.setdiff1d(order[writer.done : writer.done + done], kept).tolist()
                writer.add(pixels, done, skipped, missing)
                check_strict(config.strict, [*rows.skipped, *writer.skipped])
                if progress is not None:
                    progress(writer.done, len(order))
                if time.monotonic() - noted > store.JOURNAL_SECONDS:
                    writer.note()
                    noted = time.monotonic()
        # By index: several pictures may have one name.
        parts = {"train": choice.train, "test": test}
        kept = {part: indices[~np.isin(indices, writer.left_out)] for part, indices in parts.items()}
        _check_any(rows.name, kept, writer.skipped)
        labels, classes = rows.labels(kept)
        names = [name for part in kept.values() for name in rows.names(part)] if rows.named else ()
        writer.skipped = [*rows.skipped, *writer.skipped]
        counts = {part: len(indices) for part, indices in kept.items()}
        if writer.rows > 1:  # a lone row is read as both
            counts, _ = _recut(counts)
        return writer.finish(rows.name, choice.plan.shape, counts, labels, classes, names)
    finally:
        writer.close()


def _fingerprint(rows: Rows, choice: Choice) -> str:
    plan = choice.plan
    told = [plan.height, plan.width, plan.channels, plan.fit, choice.test.tolist(), rows.identity()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _recut(counts: dict[str, int]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Where every picture of one part was left out, the last tenth of the other becomes the test images."""
    if all(counts.values()):
        return counts, ()
    total = sum(counts.values())
    if total == 1:
        return {"train": 1, "test": 1}, ("the one image that can be read is both trained on and tested on",)
    test = max(1, round(total * TEST_SHARE))
    return {"train": total - test, "test": test}, (f"the last {test:,} of {total:,} images that can be read test",)


def _check_any(name: str, kept: dict, skipped: Sequence[Skipped]) -> None:
    if not any(len(rows) for rows in kept.values()):
        raise AutoencodeError(f"{name} holds no picture that can be read; {skipped[0].name}: {skipped[0].reason}.")


def check_strict(strict: bool, skipped: Sequence[Skipped]) -> None:
    """Raise `AutoencodeError` where `strict` allows nothing to be left out."""
    if strict and skipped:
        raise AutoencodeError(
            f"{skipped[0].name} cannot be read ({skipped[0].reason}), and --strict allows no picture to be left out."
        )
