"""A .tar file as a stream, however it is compressed, and no more of it than a bomb could hold."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import tarfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from autoencode.data.decode import MAX_BYTES
from autoencode.errors import AutoencodeError
from autoencode.system.files import check_unpacked

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
UNPACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


@contextmanager
def open_tar(path: Path) -> Generator[tarfile.TarFile]:
    """Open a .tar file, however it is compressed.

    Raises `AutoencodeError` where zstd is not installed.
    """
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
        # To read, tarfile needs neither `write` nor `close`, which its type asks for.
        with tarfile.open(fileobj=cast("IO[bytes]", file), mode="r:") as archive:
            yield archive


def _zstd_opener(path: Path) -> Callable[..., Any]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise AutoencodeError(
            f"{path} is packed with zstd, which Python reads from 3.14 on; for this Python install "
            "it with: "
            "pip install 'autoencode[zstd]', or unpack it with: tar --zstd -xf " + path.name
        ) from None
    return zstd.open


class _Bounded:
    """The content of a file, as far as it is no decompression bomb: a header alone could fill
    memory.
    """

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
