"""The files of a .zip or a .tar, or of several.

Lists and reads them; decodes nothing, unpacks nothing.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import IO

from autoencode.data import formats
from autoencode.data.decode import MAX_BYTES, NOT_REGULAR, Unreadable
from autoencode.data.members import WITH_HEAD, Content, Listing, is_ignored, show_name, stamp_of
from autoencode.data.tar_streams import open_tar
from autoencode.errors import AutoencodeError, reason
from autoencode.images import Skipped
from autoencode.system import marks
from autoencode.system.files import check_unpacked

# Bytes that a picture may have however small it is packed.
MAX_SPARSE = 2**24
# What archive readers raise on a broken file.
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    # In zipfile, for a member without a name.
    IndexError,
    MemoryError,
    # In tarfile, for a number in a header.
    OverflowError,
    # In tarfile, for a long chain of headers.
    RecursionError,
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,
)
MARKING_NAMES = {marks.MARKER}.union(*marks.KNOWN_BY)


class Zip:
    """The files in a .zip file, in the order of their names."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._path = path
        self.skipped: list[Skipped] = []
        with _one_line_errors(path), zipfile.ZipFile(path) as archive:
            listed = [member for member in archive.infolist() if not member.is_dir()]
            listed.sort(key=lambda member: member.filename)
            self._infos = listed
            names = [member.filename for member in listed]
            listing = _list_archive(
                names, self.skipped, lambda number: _zip_head(archive, listed[number])
            )
        self.members = listing.members
        self.unused = listing.unused

    def read(self, numbers: Sequence[int]) -> Iterator[Content]:
        """Give the contents."""
        with _one_line_errors(self._path), zipfile.ZipFile(self._path) as archive:
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
        # ValueError: a bomb; RuntimeError: encrypted; NotImplementedError: a compression that
        # Python lacks.
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
    """The files in a .tar file, compressed or not, in its order: it is only read forwards."""

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
        listing = _list_archive(names, self.skipped, heads.__getitem__)
        self.members = listing.members
        self.unused = listing.unused

    def _list(self) -> Iterator[tuple[int, tarfile.TarInfo, bytes]]:
        with _one_line_errors(self._path), open_tar(self._path) as archive:
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
        with _one_line_errors(self._path), open_tar(self._path) as archive:
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
        return _open_member(archive, member).read(formats.HEAD_BYTES)
    return b""


def _open_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    # Only regular files are listed, and these have content.
    assert file is not None
    return file


def _tar_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Content:
    if member.size > MAX_BYTES:
        return Unreadable(f"it holds {member.size:,} bytes, more than {MAX_BYTES:,}")
    content = _open_member(archive, member).read()
    if len(content) != member.size:
        return Unreadable("the archive ends in the middle of it")
    return content


class Shards:
    """Several archives as one: their names distinguish train and test, where they do, and stand
    before those of the files.
    """

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
    """Return the archive at `path`.

    Raises `AutoencodeError` where it is damaged or packed in a way that is not read.
    """
    with path.open("rb") as file:
        head = file.read(8)
    return Zip(path) if head.startswith(b"PK") else Tar(path)


def _list_archive(
    names: Sequence[str], skipped: list[Skipped], read_head: Callable[[int], bytes]
) -> Listing:
    """Return the listed files of an archive of files `names`: not hidden ones and the program's
    own.

    Those with unsafe names are added to `skipped`. `read_head` gives the first bytes by number.
    """
    listing = Listing()
    paths = [
        tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
        for name in names
    ]
    marked = _marked_folders(paths)

    for number, (name, path) in enumerate(zip(names, paths, strict=True)):
        if not path or any(map(is_ignored, path)):
            continue
        parents = (path[:depth] for depth in range(len(path)))
        own_folder = next((parent for parent in parents if parent in marked), None)
        if own_folder is not None:
            listing.own_output.add_folder("/".join(own_folder) or ".", 1)
        elif name.startswith(("/", "\\")) or ".." in path or path[0][1:2] == ":":
            skipped.append(Skipped(show_name(name), "its name points outside the archive"))
        else:
            listing.add(path, number, partial(read_head, number))
    return listing


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


def is_tar(path: Path) -> bool:
    """Whether the file begins as a .tar does, compressed or not."""
    try:
        with open_tar(path):
            return True
    except (*BROKEN, AutoencodeError):
        return False


@contextmanager
def _one_line_errors(path: Path) -> Generator[None]:
    """Turn what archive readers raise on a broken file into one line."""
    try:
        yield
    except BROKEN as error:
        raise AutoencodeError(
            f"{path} cannot be read as an archive ({reason(error)}): expected a whole .zip, .tar "
            "or .tar.gz file."
        ) from error
