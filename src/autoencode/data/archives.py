"""Many files under one name: a folder, a .zip or a .tar. Lists and reads them; decodes nothing, unpacks nothing."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from autoencode.data import formats, layout
from autoencode.data.decode import MAX_BYTES, NOT_REGULAR, Unreadable
from autoencode.errors import AutoencodeError, printable, reason
from autoencode.images import Skipped, Unused
from autoencode.system import marks
from autoencode.system.files import check_unpacked

MAX_SPARSE = 2**24  # bytes that a picture may have however small it is packed
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
UNPACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
IGNORED = {"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"}

# What archive readers raise on a broken file.
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    IndexError,  # zipfile, for a member without a name
    MemoryError,
    OverflowError,  # tarfile, for a number in a header
    RecursionError,  # tarfile, for a long chain of headers
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,
)

MARKING_NAMES = {marks.MARKER}.union(*marks.KNOWN_BY)
OWN_OUTPUT = "written by autoencode"
LINKED_AGAIN = "links to folders that are read already"

Content = bytes | str | Unreadable  # of a file: its bytes, its path, or why there is none


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a container: its path in it, and `number`, by which the container finds it.

    `ending` is that of its name in lower case, or of its content where the name has none. `is_uint8` says that its values
    have 8 bits for sure, `has_frames` that it may hold several images, `why` why it is not read, if it looks as if it
    should be.
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
    def place(self) -> tuple[str, ...]:
        """The path that tells split and class: the name of a shard may tell the split, and never the class."""
        split = layout.split_word(self.shard) if self.shard else None
        return (split, *self.path) if split else self.path


def describe_member(path: tuple[str, ...], number: int, ending: str, head: bytes) -> Member:
    """Return what is known of a file by the ending of its name and its first bytes, `head`, where these were read."""
    if (
        ending in formats.ALWAYS_UINT8 and ending not in formats.ANIMATIONS
    ):  # a JPEG, most of the time
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
    """What every container does. `members` are its files in order, but for hidden ones and the program's own output."""

    name: str
    members: list[Member]
    skipped: list[Skipped]
    """What was left out while listing, and why."""
    unused: list[Unused]

    def read(self, numbers: Sequence[int]) -> Iterator[Content]:
        """Give the files at ascending `numbers`."""

    def stamp(self) -> list:
        """What changes when a file does, as JSON: sizes and times."""


class Folder:
    """The files below a folder, in the order of their paths; links are followed, each folder is entered once."""

    def __init__(self, path: Path) -> None:
        self.name = path.resolve().name or "folder"
        self.skipped: list[Skipped] = []
        self._own = _Counter(OWN_OUTPUT)
        self._linked = _Counter(LINKED_AGAIN)

        start = len(os.path.join(path, ""))
        self._special: set[str] = set()
        found = sorted(self._walk(path))
        self._paths = []
        self.members = []
        for file in found:
            parts = tuple(file[start:].split(os.sep))
            ending = formats.ending_of(parts[-1])
            if file in self._special and formats.may_be_read(ending, parts[-1]):
                self.skipped.append(Skipped(show_name("/".join(parts)), NOT_REGULAR))
                continue
            head = _head_of_file(file) if ending in WITH_HEAD else b""
            if head and marks.is_marked_picture(head):
                self._own.add(parts)
            else:
                self.members.append(describe_member(parts, len(self._paths), ending, head))
                self._paths.append(file)
        self.unused = [*self._own.result(), *self._linked.result()]

    def _walk(self, top: Path) -> Iterator[str]:
        def note(error: OSError) -> None:
            self.skipped.append(Skipped(show_name(error.filename), reason(error)))

        start = len(os.path.join(top, ""))
        # A link to these would lead out and back.
        entered = {_identity(parent) for parent in top.resolve().parents}
        for folder, below, files in os.walk(top, onerror=note, followlinks=True):
            place = _identity(folder)
            if place in entered:
                below.clear()  # a link led back here
                self._linked.add((os.path.basename(folder),))
                continue
            entered.add(place)

            if marks.is_marked_folder(files):
                below.clear()
                self._own.add_folder(folder[start:] or ".", _count_files(folder))
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
        own = _Counter(OWN_OUTPUT)
        parents = [os.path.dirname(os.path.abspath(path)) for path in paths]
        top = os.path.commonpath(parents) if paths else ""
        self._paths = [str(path) for path in paths]
        self.members = []
        for number, path in enumerate(paths):
            ending = formats.ending_of(path.name)
            head = _head_of_file(path) if ending in WITH_HEAD else b""
            if marks.is_marked_picture(head):
                own.add((path.name,))
                continue
            parts = tuple(os.path.relpath(os.path.abspath(path), top).split(os.sep))
            self.members.append(describe_member(parts, number, ending, head))
        self.unused = own.result()


class Zip:
    """The files in a .zip file, in the order of their names."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._path = path
        self.skipped: list[Skipped] = []
        with _told(path), zipfile.ZipFile(path) as archive:
            listed = [member for member in archive.infolist() if not member.is_dir()]
            listed.sort(key=lambda member: member.filename)
            self._infos = listed
            names = [member.filename for member in listed]
            sift = _Sift(names, self.skipped, lambda number: _zip_head(archive, listed[number]))
        self.members = sift.members
        self.unused = sift.unused

    def read(self, numbers: Sequence[int]) -> Iterator[Content]:
        """Give the contents."""
        with _told(self._path), zipfile.ZipFile(self._path) as archive:
            for number in numbers:
                yield self._content(archive, self._infos[number])

    def stamp(self) -> list:
        """Size and time of the archive."""
        return stamp_of(self._path)

    def _content(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Content:
        if member.file_size > MAX_BYTES:
            return Unreadable(f"it holds {member.file_size:,} bytes, more than {MAX_BYTES:,}")
        try:
            check_unpacked(member.file_size, member.compress_size, MAX_SPARSE)
            with archive.open(member) as file:
                return file.read(MAX_BYTES)
        # ValueError: a bomb; RuntimeError: encrypted; NotImplementedError: a compression that Python lacks.
        except (*BROKEN, RuntimeError) as error:
            return Unreadable(_zip_reason(error))


def _zip_head(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with suppress(*BROKEN, RuntimeError), archive.open(member) as file:
        return file.read(formats.HEAD_BYTES)
    return b""


def _zip_reason(error: BaseException) -> str:
    if isinstance(error, RuntimeError) and "password" in str(error):
        return "it is encrypted: unpack the archive with its password"
    return reason(error)


class Tar:
    """The files in a .tar file, compressed or not, in its own order: it can only be read forwards."""

    def __init__(self, path: Path) -> None:
        self.name = path.name.split(".")[0]
        self._path = path
        self.skipped: list[Skipped] = []
        names = []
        heads = []
        self._positions = []
        for position, member, head in self._list():
            names.append(member.name)
            heads.append(head)
            self._positions.append(position)
        sift = _Sift(names, self.skipped, heads.__getitem__)
        self.members = sift.members
        self.unused = sift.unused

    def _list(self) -> Iterator[tuple[int, tarfile.TarInfo, bytes]]:
        with _told(self._path), open_tar(self._path) as archive:
            for position, member in enumerate(archive):
                if member.isfile():
                    yield position, member, _tar_head(archive, member)
                elif not member.isdir() and not is_ignored(member.name):
                    is_link = member.issym() or member.islnk()
                    why = "it is a link" if is_link else NOT_REGULAR
                    self.skipped.append(Skipped(show_name(member.name), why))

    def read(self, numbers: Sequence[int]) -> Iterator[Content]:
        """Give the contents."""
        wanted = {self._positions[number] for number in numbers}
        with _told(self._path), open_tar(self._path) as archive:
            for position, member in enumerate(archive):
                if position in wanted:
                    yield _tar_content(archive, member)

    def stamp(self) -> list:
        """Size and time of the archive."""
        return stamp_of(self._path)


def _tar_head(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if formats.ending_of(member.name) not in WITH_HEAD:
        return b""
    with suppress(*BROKEN):
        return archive.extractfile(member).read(formats.HEAD_BYTES)
    return b""


def _tar_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Content:
    if member.size > MAX_BYTES:
        return Unreadable(f"it holds {member.size:,} bytes, more than {MAX_BYTES:,}")
    content = archive.extractfile(member).read()
    return (
        content
        if len(content) == member.size
        else Unreadable("the archive ends in the middle of it")
    )


class Shards:
    """Several archives as one: their names tell train from test, where they do, and stand before those of the files."""

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        self.name = name
        self._archives = [open_archive(path) for path in paths]
        self.members = []
        self.skipped = []
        self.unused = []
        self._homes = []
        for index, (path, archive) in enumerate(zip(paths, self._archives, strict=True)):
            shard = path.name.split(".")[0]
            for member in archive.members:
                self._homes.append((index, member.number))
                self.members.append(replace(member, number=len(self._homes) - 1, shard=shard))
            self.skipped += archive.skipped
            self.unused += archive.unused

    def read(self, numbers: Sequence[int]) -> Iterator[Content]:
        """Give the contents."""
        for index, wanted in groupby(numbers, key=lambda number: self._homes[number][0]):
            yield from self._archives[index].read([self._homes[number][1] for number in wanted])

    def stamp(self) -> list:
        """Size and time of each archive."""
        return [archive.stamp() for archive in self._archives]


def open_archive(path: Path) -> Zip | Tar:
    """Return the archive at `path`; raise `AutoencodeError` where it is damaged or packed in a way that is not read."""
    with path.open("rb") as file:
        head = file.read(8)
    return Zip(path) if head.startswith(b"PK") else Tar(path)


class _Sift:
    """The files of an archive that are listed, by their `names`: hidden ones, own output and unsafe names are not."""

    def __init__(
        self, names: Sequence[str], skipped: list[Skipped], head: Callable[[int], bytes]
    ) -> None:
        own = _Counter(OWN_OUTPUT)
        self.members: list[Member] = []

        paths = [
            tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
            for name in names
        ]
        marked = _marked_folders(paths)
        for number, (name, path) in enumerate(zip(names, paths, strict=True)):
            if not path or any(map(is_ignored, path)):
                continue
            folder = next(
                (path[:depth] for depth in range(len(path)) if path[:depth] in marked), None
            )
            if folder is not None:
                own.add_folder("/".join(folder) or ".", 1)
            elif name.startswith(("/", "\\")) or ".." in path or path[0][1:2] == ":":
                skipped.append(Skipped(show_name(name), "its name points outside the archive"))
            else:
                ending = formats.ending_of(path[-1])
                first = head(number) if ending in WITH_HEAD else b""
                if marks.is_marked_picture(first):
                    own.add(path)
                else:
                    self.members.append(describe_member(path, number, ending, first))
        self.unused = own.result()


def _marked_folders(paths: Sequence[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """The folders among `paths` that the program made."""
    suspects = {path[:-1] for path in paths if path and path[-1] in MARKING_NAMES}
    if not suspects:
        return set()
    held: dict[tuple[str, ...], list[str]] = {folder: [] for folder in suspects}
    for path in paths:
        if path and path[:-1] in held:
            held[path[:-1]].append(path[-1])
    return {folder for folder, names in held.items() if marks.is_marked_folder(names)}


class _Counter:
    """Files that are left unused for one reason, and where they are."""

    def __init__(self, why: str) -> None:
        self._why = why
        self._count = 0
        self._names: dict[str, None] = {}

    def add(self, path: tuple[str, ...]) -> None:
        self._count += 1
        self._names.setdefault(show_name("/".join(path)))

    def add_folder(self, folder: str, count: int) -> None:
        self._count += count
        self._names.setdefault(show_name(folder.replace(os.sep, "/") + "/"))

    def result(self) -> list[Unused]:
        return [Unused(self._why, self._count, tuple(self._names))] if self._count else []


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or what a system leaves behind."""
    last = name.rpartition("/")[2]
    return (last.startswith(".") and last != "..") or last in IGNORED


# Whose first bytes tell more than the name: marks, depth, columns, or what they are at all.
WITH_HEAD = ("", ".png", ".apng", ".gif", ".csv", ".tsv")


def _head_of_file(path: str | os.PathLike) -> bytes:
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


@contextmanager
def open_tar(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a .tar file, however it is compressed; raise `AutoencodeError` where zstd is not installed."""
    with path.open("rb") as packed:
        head = packed.read(6)
        packed.seek(0)
        if head.startswith(ZSTD_MAGIC):
            unpack = _zstd_opener(path)
        else:
            unpack = next(
                (opener for magic, opener in UNPACKERS.items() if head.startswith(magic)), None
            )
        file = _Bounded(packed if unpack is None else unpack(packed), path.stat().st_size)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            yield archive


def _zstd_opener(path: Path) -> Callable[..., Any]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise AutoencodeError(
            f"{path} is packed with zstd, which Python reads from 3.14 on; for this Python install it with: "
            "pip install 'autoencode[zstd]', or unpack it with: tar --zstd -xf " + path.name
        ) from None
    return zstd.open


class _Bounded:
    """The content of a file, as far as it is no decompression bomb: a header alone could fill memory."""

    def __init__(self, file: Any, packed: int) -> None:
        self._file = file
        self._packed = packed
        self.tell = file.tell

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        check_unpacked(position, self._packed, MAX_BYTES)
        return self._file.seek(position, whence)

    def read(self, size: int) -> bytes:
        check_unpacked(self._file.tell() + size, self._packed, MAX_BYTES)
        return self._file.read(size)


def is_tar(path: Path) -> bool:
    """Whether the file begins as a .tar does, compressed or not."""
    try:
        with open_tar(path):
            return True
    except (*BROKEN, AutoencodeError):
        return False


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what archive readers raise on a broken file into one line."""
    try:
        yield
    except BROKEN as error:
        raise AutoencodeError(
            f"{path} cannot be read as an archive ({reason(error)}): expected a whole .zip, .tar or .tar.gz file."
        ) from error


def _identity(folder: str | Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def stamp_of(path: str | Path) -> list[int]:
    """Return size and time of a file, or nothing where there is none."""
    try:
        status = os.stat(path)
    except OSError:  # a link to nothing: it will be skipped
        return []
    return [status.st_size, status.st_mtime_ns]


def show_name(name: str | os.PathLike) -> str:
    """Return a name that any screen and line of a file can show: bytes that are no text stand as \\\\xNN."""
    return printable(os.fsencode(name).decode("utf-8", "backslashreplace"))
