"""Picture files as a dataset: of a folder or an archive, out of a table, or handed over one by one in Python."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from autoencode.data import decode, formats, layout
from autoencode.data.budget import MAX_WAITING_BYTES
from autoencode.data.dataset import SAMPLED_IMAGES, SAMPLED_VALUES, SPLITS, Chunk, Dataset, Labels
from autoencode.data.decode import Plan, Probe, Tally, Unreadable
from autoencode.data.members import Container, Member, show_name
from autoencode.data.scaling import Extent, add_extent, fills
from autoencode.errors import AutoencodeError
from autoencode.images import UNLABELLED, Skipped, Unused, evenly

CHUNK = 64  # pictures that a core decodes in one go
PACKED_BYTES = 2**22  # of files out of an archive that a core decodes in one go
SHOWN_NAMES = 6  # of what is unused


@dataclass(frozen=True, slots=True)
class Entry:
    """One image: its name for people, the split and the class that folders or columns tell, the file and frame it is in.

    `is_uint8` says that its values have 8 bits for sure.
    """

    name: str
    split: str | None = None
    label: str | None = None
    file: int = 0
    frame: int = 0
    is_uint8: bool = False


class File(NamedTuple):
    """A file that is read, and the images in it that are wanted."""

    indices: list[int]
    content: Any
    """Bytes, a path, a PIL image or an array, or the reason why there is none."""
    frames: list[int]


class PictureDataset(Dataset):
    """Images in picture files, decoded on all cores. `entries` know where each is.

    `depth_by_probes` says that a look at some images decides whether all have 8 bits, since all would have to be read to
    know: a table has them inside.
    """

    depth_by_probes = False

    def __init__(self, name: str, entries: Sequence[Entry] = ()) -> None:
        super().__init__(name)
        self.entries = list(entries)

    @abstractmethod
    def read_files(self, numbers: Sequence[int]) -> Iterator[Any]:
        """Give the contents of the files at ascending `numbers`: bytes, a path, an image, an array, or `Unreadable`."""

    def __len__(self) -> int:
        return len(self.entries)

    def names(self, indices: np.ndarray) -> list[str]:
        """Return their paths within the source."""
        return [self.entries[index].name for index in indices.tolist()]

    def splits(self) -> dict[str, np.ndarray]:
        """Return what the folders or the names of files tell."""
        told = np.array([entry.split or "" for entry in self.entries])
        found = {split: np.flatnonzero(told == split) for split in SPLITS}
        return {split: indices for split, indices in found.items() if len(indices)}

    def labels(self, kept: Mapping[str, np.ndarray]) -> Labels:
        """Number the classes in the order of their names."""
        names = {self.entries[index].label for indices in kept.values() for index in indices} - {
            None
        }
        if len(names) < 2:
            return {}, ()
        ordered = sorted(names, key=int if all(name.isdecimal() for name in names) else None)
        numbers: dict[str | None, int] = {name: number for number, name in enumerate(ordered)}
        numbers[None] = UNLABELLED
        labels = {
            f"{part}_labels": np.array(
                [numbers[self.entries[index].label] for index in indices], np.int32
            )
            for part, indices in kept.items()
        }
        return labels, tuple(ordered)

    def sample(self, indices: Sequence[int], plan: Plan) -> list[Probe]:
        """Look at some, without those that cannot be read."""
        found = on_all_cores(
            lambda file: _probe(file, plan), self._files(np.asarray(indices)), _content_size
        )
        return [probe for probes in found for probe in probes]

    def chunks(self, indices: np.ndarray, plan: Plan) -> Iterator[Chunk]:
        """Decode, several chunks at a time."""
        jobs = _jobs(self._files(indices))
        for decoded in on_all_cores(lambda job: _decode(job, plan), jobs, _job_size):
            self.tally.join(decoded.tally)
            asked = decoded.asked
            bad = asked[list(decoded.reasons)]
            skipped = list(map(Skipped, self.names(bad), decoded.reasons.values()))
            yield Chunk(decoded.pixels, asked[decoded.kept], skipped)

    def extents(self, plan: Plan, probes: Sequence[Probe]) -> dict[str, Extent]:
        """Look at all that may hold other than well-filled 8-bit values, as far as the probes do not decide."""
        found: dict[str, Extent] = {}
        for probe in probes:
            add_extent(found, probe.kind, probe.extent)

        is_decided = fills("uint8", found.get("uint8", Extent()))
        if is_decided and self.depth_by_probes and found.keys() <= {"uint8", "bool"}:
            return found
        left = [
            index for index, entry in enumerate(self.entries) if not (is_decided and entry.is_uint8)
        ]
        files = self._files(np.array(left, int))
        look = partial(_extent, plan=plan, skips_uint8=is_decided)
        for extents in on_all_cores(look, files, _content_size):
            for kind, extent in extents.items():
                add_extent(found, kind, extent)
        return found

    def sample_values(self, plan: Plan) -> dict[str, np.ndarray]:
        """Draw from evenly spaced images."""
        drawn: dict[str, list[np.ndarray]] = {}
        files = self._files(np.array(evenly(len(self), SAMPLED_IMAGES)))
        for values in on_all_cores(lambda file: _sample(file, plan), files, _content_size):
            for kind, some in values.items():
                drawn.setdefault(kind, []).append(some)
        return {kind: np.concatenate(values) for kind, values in drawn.items()}

    def identity(self) -> Any:
        """Names of the images, sizes and times of the files."""
        return self.name, [entry.name for entry in self.entries], self.stamp()

    @abstractmethod
    def stamp(self) -> list:
        """What changes when a file does, as JSON."""

    def _files(self, indices: np.ndarray) -> Iterator[File]:
        """The files that hold the images at ascending `indices`, each read once for up to `CHUNK` neighbours."""
        entries = self.entries
        wanted = indices.tolist()
        contents = self.read_files(list(dict.fromkeys(entries[index].file for index in wanted)))
        for _, neighbours in groupby(wanted, key=lambda index: entries[index].file):
            content = next(contents)
            held = list(neighbours)
            for first in range(0, len(held), CHUNK):  # which share the content
                part = held[first : first + CHUNK]
                yield File(part, content, [entries[index].frame for index in part])


class FileDataset(PictureDataset):
    """The pictures in a container of files: a folder, an archive, shards, or files that were named one by one.

    `frames` is "first", "all" or "auto": all pages of a TIFF stack, the first frame of an animation. `masks` says whether
    masks of other pictures are taken too. `reads_arrays` says that .npy files are pictures here,
    whose channels `bands` are wanted. `labels` are the classes of the members, where something else
    than the folders tells them.
    """

    def __init__(
        self,
        container: Container,
        *,
        frames: str = "auto",
        masks: bool = False,
        reads_arrays: bool = False,
        bands: tuple[int, ...] | None = None,
        labels: Sequence[str | None] | None = None,
    ) -> None:
        super().__init__(container.name)
        self.container = container
        self.skipped += container.skipped
        self.unused += container.unused
        self._labels = labels
        self._frames = frames
        self._bands = bands

        endings = formats.PICTURES | (formats.HEIF if _reads_heif() else set())
        endings |= {".npy"} if reads_arrays else set()
        pictures = self._sift(container.members, endings)
        pictures = pictures if masks else self._without_masks(pictures)
        self._list(pictures)

    def _sift(self, members: Sequence[Member], endings: set[str]) -> list[Member]:
        """The members that are pictures; the others are skipped or unused, each for its reason."""
        pictures = []
        data: list[str] = []
        other: Counter[str] = Counter()
        for member in members:
            ending = member.ending
            if ending in endings:
                pictures.append(member)
            elif member.why:
                self.skipped.append(Skipped(member.name, member.why))
            elif formats.kind_of(ending, member.path[-1]):
                data.append(member.name)
            else:
                other[ending or "without an ending"] += 1

        if data:
            self.unused.append(
                Unused("tables, arrays or archives beside the pictures", len(data), tuple(data))
            )
        if other:
            names = tuple(ending for ending, _ in other.most_common())
            self.unused.append(Unused("other files", other.total(), names))
        return pictures

    def _without_masks(self, pictures: list[Member]) -> list[Member]:
        is_mask = layout.find_masks([member.place for member in pictures])
        masks = [member for member, found in zip(pictures, is_mask, strict=True) if found]
        if masks:
            folders = dict.fromkeys(
                "/".join(member.path[:-1]) + "/" for member in masks if len(member.path) > 1
            )
            names = tuple(folders) or tuple(member.name for member in masks)
            self.unused.append(
                Unused("masks of other pictures (`include_masks` takes them)", len(masks), names)
            )
        return [member for member, found in zip(pictures, is_mask, strict=True) if not found]

    def _list(self, pictures: Sequence[Member]) -> None:
        """Make an entry of every image."""
        places = layout.read_places([member.place for member in pictures])
        pages, unread = self._count_pages(pictures)
        self.skipped += unread
        bad = {skipped.name for skipped in unread}
        stacked = 0
        for member, place in zip(pictures, places, strict=True):
            name = member.name
            if name in bad:
                continue
            label = place.label if self._labels is None else self._labels[member.number]
            label = None if label is None else show_name(label)
            frames = pages.get(member.number, [0])
            stacked += len(frames) > 1
            for frame in frames:
                shown = name if len(frames) == 1 else f"{name}#{frame}"
                self.entries.append(
                    Entry(shown, place.split, label, member.number, frame, member.is_uint8)
                )
        if stacked:
            self.notes.append(
                f"{stacked:,} {'file holds' if stacked == 1 else 'files hold'} several pages or frames, all of which "
                "are taken (`frames=first` takes one each)"
            )

    def _count_pages(
        self, pictures: Sequence[Member]
    ) -> tuple[dict[int, list[int]], list[Skipped]]:
        """The frames to take of every file that may hold several, and files that cannot be opened to see."""
        asked = [member for member in pictures if member.has_frames]

        pages: dict[int, list[int]] = {}
        unread: list[Skipped] = []
        reduced = 0
        further = 0
        contents = self.container.read([member.number for member in asked])
        count = partial(_count_frames, bands=self._bands)
        results = on_all_cores(count, zip(asked, contents, strict=True), lambda job: _size(job[1]))
        for member, frames, copies, why in results:
            if why:
                unread.append(Skipped(member.name, why))
                continue
            reduced += copies
            takes_first = self._frames == "first" or (
                self._frames == "auto" and member.ending in formats.ANIMATIONS
            )
            if takes_first:
                further += len(frames) - 1
                frames = frames[:1]
            pages[member.number] = frames

        if further:
            self.unused.append(
                Unused("further pages and frames (`frames=all` takes them)", further)
            )
        if reduced:
            self.unused.append(Unused("smaller copies of pages within TIFF files", reduced))
        return pages, unread

    def read_files(self, numbers: Sequence[int]) -> Iterator[Any]:
        """Give the contents, or paths."""
        return self.container.read(numbers)

    def stamp(self) -> list:
        """Sizes and times."""
        return self.container.stamp()


def _reads_heif() -> bool:
    return find_spec("pillow_heif") is not None


def _count_frames(
    job: tuple[Member, Any], bands: tuple[int, ...] | None
) -> tuple[Member, list[int], int, str]:
    member, content = job
    try:
        frames, copies = decode.count_frames(_given(content), bands)
    except Unreadable as error:
        return member, [], 0, str(error)
    return member, frames, copies, ""


# Work on all cores


def on_all_cores(work: Callable, jobs: Iterator, size: Callable[[Any], int]) -> Iterator:
    """Give what `work` makes of each job, in order.

    A few jobs wait at a time, so that an archive is not read at one go: another is taken while those that wait hold less
    than `MAX_WAITING_BYTES`, by the `size` of each.
    """
    cores = os.cpu_count() or 1
    waiting: deque[tuple[Future, int]] = deque()
    held = 0
    # Threads: Pillow decodes without Python's lock, and rows need not travel between processes, which cost 15 % more.
    with ThreadPoolExecutor(cores) as pool:
        try:
            while True:
                while waiting and (len(waiting) > 4 * cores or held >= MAX_WAITING_BYTES):
                    done, freed = waiting.popleft()
                    yield done.result()
                    del done  # with what it was given
                    held -= freed
                job = next(jobs, None)
                if job is None:
                    break
                waiting.append((pool.submit(work, job), size(job)))
                held += waiting[-1][1]
                del job
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            # After Ctrl-C, jobs that wait are not begun.
            pool.shutdown(wait=False, cancel_futures=True)


def _jobs(files: Iterator[File]) -> Iterator[list[File]]:
    """Part `files` into jobs of up to `CHUNK` images, fewer where they are large."""
    job: list[File] = []
    count = 0
    size = 0
    for file in files:
        own = _content_size(file)
        if job and (count + len(file.frames) > CHUNK or size + own > PACKED_BYTES):
            yield job
            job, count, size = [], 0, 0
        job.append(file)
        count += len(file.frames)
        size += own
    if job:
        yield job


def _size(content: Any) -> int:
    """The bytes that a content keeps in memory."""
    if isinstance(content, bytes):
        return len(content)
    return getattr(content, "nbytes", 0)


def _content_size(file: File) -> int:
    return _size(file.content)


def _job_size(job: list[File]) -> int:
    return sum(map(_content_size, job))


class _Decoded(NamedTuple):
    asked: np.ndarray
    pixels: np.ndarray
    kept: list[int]
    reasons: dict[int, str]
    tally: Tally


def _decode(files: list[File], plan: Plan) -> _Decoded:
    """The pixels of those that can be read, their positions among all, and the reasons of the others by position."""
    count = sum(len(file.frames) for file in files)
    pixels = np.empty((count, *plan.shape), np.uint8)
    kept: list[int] = []
    reasons: dict[int, str] = {}
    tally = Tally()
    position = 0
    for file in files:
        done = 0
        try:
            for image in decode.decode_frames(_given(file.content), file.frames, plan, tally):
                if isinstance(image, Unreadable):
                    reasons[position + done] = str(image)
                else:
                    pixels[len(kept)] = image
                    kept.append(position + done)
                done += 1
        except Unreadable as error:
            reasons |= {position + left: str(error) for left in range(done, len(file.frames))}
        position += len(file.frames)
    asked = np.array([index for file in files for index in file.indices])
    return _Decoded(asked, pixels[: len(kept)], kept, reasons, tally)


def _probe(file: File, plan: Plan) -> list[Probe]:
    found = []
    for frame in file.frames:
        try:
            found.append(decode.probe(_given(file.content), frame, plan))
        except Unreadable:
            continue
    return found


def _extent(file: File, plan: Plan, *, skips_uint8: bool) -> dict[str, Extent]:
    if isinstance(file.content, Unreadable):
        return {}
    return decode.read_extent(file.content, file.frames, plan, skips_uint8=skips_uint8)


def _sample(file: File, plan: Plan) -> dict[str, np.ndarray]:
    if isinstance(file.content, Unreadable):
        return {}
    return decode.read_sample(file.content, file.frames, plan, SAMPLED_VALUES)


def _given(content: Any) -> Any:
    if isinstance(content, Unreadable):
        raise content
    return content


def describe_nothing(dataset: Dataset, plan: Plan) -> AutoencodeError:
    """Return the error for a source in which no image can be read as `plan` says."""
    expected = f"expected pictures ({', '.join(ending[1:] for ending in formats.COMMON)} and more)"
    skipped = list(dataset.skipped)
    if len(dataset):
        small = replace(plan, height=8, width=8, channels=1)
        for chunk in dataset.chunks(np.arange(min(len(dataset), CHUNK)), small):
            skipped += chunk.skipped
    if skipped:
        return AutoencodeError(
            f"{dataset.name} holds no picture that can be read: {expected}; {skipped[0].name}: {skipped[0].reason}."
        )
    unused = f"; unused: {'; '.join(map(str, dataset.unused))}" if dataset.unused else ""
    return AutoencodeError(f"{dataset.name} holds no picture: {expected}{unused}.")
