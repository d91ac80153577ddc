"""The picture files of a folder or an archive as a dataset: which files, pages and frames are
images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from autoencode.data import decode, formats, layout
from autoencode.data.decode import Unreadable
from autoencode.data.members import Container, Member, show_name
from autoencode.data.parallel import content_size, given_content, on_all_cores
from autoencode.data.pictures import Entry, PictureDataset
from autoencode.images import Skipped, Unused


class FileDataset(PictureDataset):
    """The pictures in a container of files: a folder, an archive, shards, or files that were named
    one by one.

    `frames` is "first", "all" or "auto": all pages of a TIFF stack, the first frame of an
    animation. `masks` says whether masks of other pictures are taken too. `reads_arrays` says that
    .npy files are pictures here, whose channels `bands` are wanted. `labels` are the classes of the
    members, where something else than the folders shows them.
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
        is_mask = layout.find_masks([member.labelled_path for member in pictures])
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
        path_labels = layout.read_path_labels([member.labelled_path for member in pictures])
        pages, unread = self._count_pages(pictures)
        self.skipped += unread
        bad = {skipped.name for skipped in unread}
        stacked = 0
        for member, labels in zip(pictures, path_labels, strict=True):
            name = member.name
            if name in bad:
                continue
            label = labels.label if self._labels is None else self._labels[member.number]
            label = None if label is None else show_name(label)
            frames = pages.get(member.number, [0])
            stacked += len(frames) > 1
            for frame in frames:
                shown = name if len(frames) == 1 else f"{name}#{frame}"
                self.entries.append(
                    Entry(shown, labels.split, label, member.number, frame, member.is_uint8)
                )
        if stacked:
            self.notes.append(
                f"{stacked:,} {'file holds' if stacked == 1 else 'files hold'} several pages or "
                "frames, all of which "
                "are taken (`frames=first` takes one each)"
            )

    def _count_pages(
        self, pictures: Sequence[Member]
    ) -> tuple[dict[int, list[int]], list[Skipped]]:
        """The frames to take of every file that may hold several, and files that cannot be opened
        to see.
        """
        asked = [member for member in pictures if member.has_frames]

        pages: dict[int, list[int]] = {}
        unread: list[Skipped] = []
        reduced = 0
        further = 0
        contents = self.container.read([member.number for member in asked])
        count = partial(_count_frames, bands=self._bands)
        results = on_all_cores(
            count, zip(asked, contents, strict=True), lambda job: content_size(job[1])
        )
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
        frames, copies = decode.count_frames(given_content(content), bands)
    except Unreadable as error:
        return member, [], 0, str(error)
    return member, frames, copies, ""
