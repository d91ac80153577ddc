"""What is known of the files of a folder or an archive before any is read, and which of them are
listed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoencode.data import formats, layout
from autoencode.data.decode import Unreadable
from autoencode.errors import printable
from autoencode.images import Skipped, Unused
from autoencode.system import marks

IGNORED = {"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"}
OWN_OUTPUT = "written by autoencode"
# Of a file: its bytes, its path, or why there is none.
Content = bytes | str | Unreadable


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a container: its path in it, and `number`, by which the container finds it.

    `ending` is that of its name in lower case, or of its content where the name has none.
    `is_uint8` says that its values have 8 bits for sure, `has_frames` that it may hold several
    images, `why` why it is not read, if it looks as if it should be.
    """

    path: tuple[str, ...]
    number: int
    ending: str
    is_uint8: bool = False
    has_frames: bool = False
    why: str = ""
    shard: str = ""

    @property
    def name(self) -> str:
        """The path as any screen can show it, with that of its shard."""
        return show_name("/".join((self.shard, *self.path) if self.shard else self.path))

    @property
    def labelled_path(self) -> tuple[str, ...]:
        """The path that shows split and class: the name of a shard may show the split, and never
        the class.
        """
        split = layout.split_word(self.shard) if self.shard else None
        return (split, *self.path) if split else self.path


def describe_member(path: tuple[str, ...], number: int, ending: str, head: bytes) -> Member:
    """Return what is known of a file by the ending of its name and its first bytes, `head`, where
    these were read.
    """
    # A JPEG, most of the time.
    if ending in formats.ALWAYS_UINT8 and ending not in formats.ANIMATIONS:
        return Member(path, number, ending, is_uint8=True)
    ending = ending or formats.sniff_ending(head)
    may_have_frames = ending in formats.STACKS or ending in formats.ANIMATIONS or ending == ".npy"
    return Member(
        path,
        number,
        ending,
        is_uint8=ending in formats.ALWAYS_UINT8 or formats.is_eight_bit_png(head),
        has_frames=may_have_frames and not formats.is_still_png(head),
        why=formats.why_not_read(path[-1], ending, head),
    )


class Container(Protocol):
    """What every container does.

    `members` are its files in order, but for hidden ones and the program's own output.
    """

    name: str
    members: list[Member]
    skipped: list[Skipped]
    """What was skipped while listing, and why."""
    unused: list[Unused]

    def read(self, numbers: Sequence[int]) -> Iterator[Content]:
        """Give the files at ascending `numbers`."""
        ...

    def stamp(self) -> list:
        """What changes when a file does, as JSON: sizes and times."""
        ...


class Listing:
    """The files of a container that are listed, and the program's own output, which is only
    counted.
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.own_output = UnusedFiles(OWN_OUTPUT)

    def add(self, path: tuple[str, ...], number: int, read_head: Callable[[], bytes]) -> bool:
        """List the file at `path`, unless the program wrote it, and return whether it is listed.

        `read_head` gives its first bytes, and is called where these say more than the name.
        """
        ending = formats.ending_of(path[-1])
        head = read_head() if ending in WITH_HEAD else b""
        if head and marks.is_marked_picture(head):
            self.own_output.add(path)
            return False
        self.members.append(describe_member(path, number, ending, head))
        return True

    @property
    def unused(self) -> list[Unused]:
        """The program's own output, where there is any."""
        return self.own_output.result()


class UnusedFiles:
    """Files that are not used for one reason, and where they are."""

    def __init__(self, why: str) -> None:
        self._why = why
        self._count = 0
        self._names: dict[str, None] = {}

    def add(self, path: tuple[str, ...]) -> None:
        """Count a file."""
        self._count += 1
        self._names.setdefault(show_name("/".join(path)))

    def add_folder(self, folder: str, count: int) -> None:
        """Count the `count` files of a folder, which alone is named."""
        self._count += count
        self._names.setdefault(show_name(folder.replace(os.sep, "/") + "/"))

    def result(self) -> list[Unused]:
        """Return what was counted, where anything was."""
        return [Unused(self._why, self._count, tuple(self._names))] if self._count else []


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or what a system leaves behind."""
    last = name.rpartition("/")[2]
    return (last.startswith(".") and last != "..") or last in IGNORED


# Whose first bytes say more than the name: marks, depth, columns, or what they are at all.
WITH_HEAD = ("", ".png", ".apng", ".gif", ".csv", ".tsv")


def stamp_of(path: str | Path) -> list[int]:
    """Return size and time of a file, or nothing where there is none."""
    try:
        status = os.stat(path)
    # A link to nothing: it will be skipped.
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def show_name(name: str | os.PathLike[str]) -> str:
    r"""Return a name that any screen and line of a file can show: bytes that are no text stand as
    \\\\xNN.
    """
    return printable(os.fsencode(name).decode("utf-8", "backslashreplace"))
