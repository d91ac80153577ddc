"""The files of a folder, or files that were named one by one. Lists them; decodes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from autoencode.data import formats
from autoencode.data.decode import NOT_REGULAR
from autoencode.data.members import Listing, UnusedFiles, is_ignored, show_name, stamp_of
from autoencode.errors import reason
from autoencode.images import Skipped
from autoencode.system import marks

LINKED_AGAIN = "links to folders that are read already"


class Folder:
    """The files below a folder, in the order of their paths.

    Links are followed, each folder is entered once.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.resolve().name or "folder"
        self.skipped: list[Skipped] = []
        self._listing = Listing()
        self._linked = UnusedFiles(LINKED_AGAIN)

        start = len(os.path.join(path, ""))
        self._special: set[str] = set()
        files = sorted(self._walk(path))
        self._paths: list[str] = []
        for file in files:
            parts = tuple(file[start:].split(os.sep))
            ending = formats.ending_of(parts[-1])
            if file in self._special and formats.may_be_read(ending, parts[-1]):
                self.skipped.append(Skipped(show_name("/".join(parts)), NOT_REGULAR))
            elif self._listing.add(parts, len(self._paths), partial(_head_of_file, file)):
                self._paths.append(file)
        self.members = self._listing.members
        self.unused = [*self._listing.unused, *self._linked.result()]

    def _walk(self, top: Path) -> Iterator[str]:
        def note(error: OSError) -> None:
            self.skipped.append(Skipped(show_name(error.filename), reason(error)))

        start = len(os.path.join(top, ""))
        # A link to these would lead out and back.
        entered = {_identity(parent) for parent in top.resolve().parents}
        for folder, below, files in os.walk(top, onerror=note, followlinks=True):
            identity = _identity(folder)
            if identity in entered:
                # A link led back here.
                below.clear()
                self._linked.add((os.path.basename(folder),))
                continue
            entered.add(identity)

            if marks.is_marked_folder(files):
                below.clear()
                self._listing.own_output.add_folder(folder[start:] or ".", _count_files(folder))
                continue
            below[:] = sorted(name for name in below if not is_ignored(name))
            self._special.update(_special_files(folder))
            yield from (os.path.join(folder, name) for name in files if not is_ignored(name))

    def read(self, numbers: Sequence[int]) -> Iterator[str]:
        """Give the paths."""
        return (self._paths[number] for number in numbers)

    def path_of(self, number: int) -> Path:
        """Return where a file lies."""
        return Path(self._paths[number])

    def stamp(self) -> list:
        """Size and time of each file."""
        return [stamp_of(path) for path in self._paths]


class Paths(Folder):
    """Files that were named one by one, in that order."""

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        self.name = name
        self.skipped = []
        parents = [os.path.dirname(os.path.abspath(path)) for path in paths]
        top = os.path.commonpath(parents) if paths else ""
        self._paths = [str(path) for path in paths]
        listing = Listing()
        for number, path in enumerate(paths):
            parts = tuple(os.path.relpath(os.path.abspath(path), top).split(os.sep))
            listing.add(parts, number, partial(_head_of_file, path))
        self.members = listing.members
        self.unused = listing.unused


def _head_of_file(path: str | os.PathLike[str]) -> bytes:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            return os.read(descriptor, formats.HEAD_BYTES)
        finally:
            os.close(descriptor)
    return b""


def _special_files(folder: str) -> list[str]:
    """The pipes, sockets and devices in `folder`: whoever opens one may wait for ever."""
    with suppress(OSError), os.scandir(folder) as entries:
        return [
            entry.path
            for entry in entries
            if not entry.is_file(follow_symlinks=False) and _is_special(entry.path)
        ]
    return []


def _is_special(path: str) -> bool:
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def _count_files(folder: str) -> int:
    """How many files lie below `folder`, hidden ones aside."""
    count = 0
    for _, below, files in os.walk(folder):
        below[:] = [name for name in below if not is_ignored(name)]
        count += sum(not is_ignored(name) for name in files)
    return count


def _identity(folder: str | Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
