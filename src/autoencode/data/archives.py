"""Many picture files under one name: a folder or an archive. Lists and reads them; decodes nothing, unpacks nothing."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from autoencode.data.decode import MOST_BYTES, SUFFIXES, Unreadable
from autoencode.errors import AutoencodeError, printable, reason
from autoencode.files import check_unpacked
from autoencode.images import Skipped

MOST_SPARSE = 2**24  # bytes that a picture may have however small it is packed: several wait in memory at a time
UNPACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}

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


@dataclass(frozen=True)
class Entry:
    """One picture: its name for people, the part and the class that its folders or columns tell."""

    name: str
    part: str | None = None
    label: str | None = None


class Pictures(Protocol):
    """What every collection does."""

    name: str
    entries: Sequence[Entry]
    skipped: Sequence[Skipped]
    """What was left out while listing."""

    def read(self, indices: Sequence[int]) -> Iterator[bytes | str | Unreadable]:
        """Give the files of the entries at ascending `indices`, as a path or content, or why there is none."""

    def stamp(self) -> list:
        """What changes when a file does, as JSON: sizes and times."""


class Folder:
    """The pictures below a folder, in the order of their paths; links are followed, each folder is entered once."""

    def __init__(self, path: Path) -> None:
        self.name, self.skipped = path.resolve().name or "folder", []
        self._paths = sorted(self._walk(path))
        start = len(os.path.join(path, ""))
        self.entries = [_entry(one[start:].split(os.sep)) for one in self._paths]

    def _walk(self, top: Path) -> Iterator[str]:
        def note(error: OSError) -> None:
            self.skipped.append(Skipped(shown(error.filename), reason(error)))

        entered = {_place(parent) for parent in top.resolve().parents}  # a link to these would lead out and back
        for folder, below, files in os.walk(top, onerror=note, followlinks=True):
            if (place := _place(folder)) in entered:
                below.clear()  # a link led back here
                continue
            entered.add(place)
            below[:] = sorted(name for name in below if not name.startswith("."))
            yield from (os.path.join(folder, name) for name in files if _is_picture(name))

    def read(self, indices: Sequence[int]) -> Iterator[str]:
        """Give the paths."""
        return (self._paths[index] for index in indices)

    def stamp(self) -> list:
        """Size and time of each file."""
        return [stamp_of(path) for path in self._paths]


class Single(Folder):
    """One picture."""

    def __init__(self, path: Path) -> None:
        self.name, self.skipped, self._paths = path.stem, [], [str(path)]
        self.entries = [Entry(shown(path.name))]


class Zip:
    """The pictures in a .zip file, in the order of their names."""

    def __init__(self, path: Path) -> None:
        self.name, self.skipped, self._path = path.stem, [], path
        with _archive(path), zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
        self._members = []
        for member in sorted(members, key=lambda member: member.filename):
            if _wanted(member.filename, self.skipped):
                self._members.append(member)
        self.entries = [_entry(PurePosixPath(member.filename).parts) for member in self._members]

    def read(self, indices: Sequence[int]) -> Iterator[bytes | Unreadable]:
        """Give the contents."""
        with _archive(self._path), zipfile.ZipFile(self._path) as archive:
            for index in indices:
                yield self._content(archive, self._members[index])

    def stamp(self) -> list:
        """Size and time of the archive."""
        return stamp_of(self._path)

    def _content(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | Unreadable:
        if member.file_size > MOST_BYTES:
            return Unreadable(f"it holds {member.file_size:,} bytes, more than {MOST_BYTES:,}")
        try:
            check_unpacked(member.file_size, member.compress_size, MOST_SPARSE)
        except ValueError as error:
            return Unreadable(reason(error))
        try:
            with archive.open(member) as file:
                return file.read(MOST_BYTES)
        # RuntimeError: encrypted; NotImplementedError: a compression that Python lacks.
        except (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
            return Unreadable(reason(error))


class Tar:
    """The pictures in a .tar file, compressed or not, in its own order: it can only be read forwards."""

    def __init__(self, path: Path) -> None:
        self.name, self.skipped, self._path = path.name.split(".")[0], [], path
        members = list(self._members())
        self._positions = [position for position, _ in members]
        self.entries = [_entry(PurePosixPath(member.name).parts) for _, member in members]

    def _members(self) -> Iterator[tuple[int, tarfile.TarInfo]]:
        with _archive(self._path), _open_tar(self._path) as archive:
            for position, member in enumerate(archive):
                if member.isfile() and _wanted(member.name, self.skipped):
                    yield position, member
                elif (member.issym() or member.islnk()) and _is_picture(member.name):
                    self.skipped.append(Skipped(shown(member.name), "it is a link"))

    def read(self, indices: Sequence[int]) -> Iterator[bytes | Unreadable]:
        """Give the contents."""
        wanted = {self._positions[index] for index in indices}
        with _archive(self._path), _open_tar(self._path) as archive:
            for position, member in enumerate(archive):
                if position in wanted:
                    yield _tar_content(archive, member)

    def stamp(self) -> list:
        """Size and time of the archive."""
        return stamp_of(self._path)


@contextmanager
def _open_tar(path: Path) -> Iterator[tarfile.TarFile]:
    with path.open("rb") as packed:
        head = packed.read(6)
        packed.seek(0)
        opened = next((opened for magic, opened in UNPACKED.items() if head.startswith(magic)), None)
        file = _Bounded(packed if opened is None else opened(packed), path.stat().st_size)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            yield archive


class _Bounded:
    """The content of a file, as far as it is no decompression bomb: a header alone could fill memory."""

    def __init__(self, file: Any, packed: int) -> None:
        self._file, self._packed, self.tell = file, packed, file.tell

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        check_unpacked(position, self._packed, MOST_BYTES)
        return self._file.seek(position, whence)

    def read(self, size: int) -> bytes:
        check_unpacked(self._file.tell() + size, self._packed, MOST_BYTES)
        return self._file.read(size)


def is_tar(path: Path) -> bool:
    """Whether the file begins as a .tar does, compressed or not."""
    try:
        with _open_tar(path):
            return True
    except BROKEN:
        return False


def _tar_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | Unreadable:
    if member.size > MOST_BYTES:
        return Unreadable(f"it holds {member.size:,} bytes, more than {MOST_BYTES:,}")
    content = archive.extractfile(member).read()
    return content if len(content) == member.size else Unreadable("the archive ends in the middle of it")


@contextmanager
def _archive(path: Path) -> Iterator[None]:
    """Turn what archive readers raise on a broken file into one line."""
    try:
        yield
    except BROKEN as error:
        raise AutoencodeError(
            f"{path} cannot be read as an archive ({reason(error)}): expected a whole .zip, .tar or .tar.gz file."
        ) from error


def _place(folder: str | Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def stamp_of(path: str | Path) -> list[int]:
    """Return size and time of a file, or nothing where there is none."""
    try:
        status = os.stat(path)
    except OSError:  # a link to nothing: it will be left out
        return []
    return [status.st_size, status.st_mtime_ns]


def shown(name: str | os.PathLike) -> str:
    """Return a name that any screen and line of a file can show: bytes that are no text stand as \\\\xNN."""
    return printable(os.fsencode(name).decode("utf-8", "backslashreplace"))


def _is_picture(name: str) -> bool:
    name = name.rpartition("/")[2]
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")


def _wanted(name: str, skipped: list[Skipped]) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    if not _is_picture(path.name) or "__MACOSX" in path.parts:
        return False
    if path.is_absolute() or ".." in path.parts:
        skipped.append(Skipped(shown(name), "its name points outside the archive"))
        return False
    return True


def _entry(parts: Sequence[str]) -> Entry:
    folders = parts[:-1]
    part = next((PARTS[folder.lower()] for folder in folders if folder.lower() in PARTS), None)
    own = [folder for folder in folders if folder.lower() not in PARTS]
    return Entry(shown("/".join(parts)), part, shown(own[-1]) if own else None)
