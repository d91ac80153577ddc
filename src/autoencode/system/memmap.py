"""Arrays that lie in a file, and may be larger than memory.

Which they are, and how to read them without keeping them. Knows NumPy and files; no image and no
engine.
"""

from __future__ import annotations

import math
import mmap
import os
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, TypeGuard

import numpy as np

from autoencode.errors import AutoencodeError, reason

# Bytes of a cache line.
CACHE_LINE = 64


def is_mapped(array: np.ndarray) -> TypeGuard[np.memmap]:
    """Whether `array` is read from a file through a memory map, and may be larger than memory."""
    # A copy of a map keeps the type, and lies in memory.
    return isinstance(array, np.memmap) and getattr(array, "_mmap", None) is not None


def release(array: np.ndarray) -> None:
    """Let go of the pages that reading a mapped `array` has taken in this process.

    The system keeps them cached.
    """
    if is_mapped(array) and hasattr(mmap, "MADV_DONTNEED"):
        _map_of(array).madvise(mmap.MADV_DONTNEED)


def _map_of(array: np.memmap) -> mmap.mmap:
    # NumPy keeps the map in all views of an array, and in its types nowhere.
    return array._mmap  # pyright: ignore[reportAttributeAccessIssue]


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Return zeros, uint8 of `shape`, that begin at a cache line.

    JAX then takes the memory as it is, without a copy.

    >>> aligned((3, 2)).ctypes.data % CACHE_LINE
    0
    """
    size = int(np.prod(shape))
    memory = np.zeros(size + CACHE_LINE, np.uint8)
    first = -memory.ctypes.data % CACHE_LINE
    return memory[first : first + size].reshape(shape)


def check_npy(file: IO[bytes], size: int) -> None:
    """Raise `ValueError` where the header of an .npy `file` of `size` bytes announces more.

    Then rewind the file. NumPy would make room for what the header announces before it reads.
    """
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"its header is of version {version}")
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    try:
        shape, _, dtype = read(file)
    except Exception as error:
        # NumPy reads it as Python: SyntaxError, TokenError, RecursionError and others.
        raise ValueError(f"its header is invalid ({reason(error)})") from error
    announced = math.prod(shape) * dtype.itemsize
    if (
        not all(type(side) is int and 0 <= side < 2**48 for side in shape)
        or announced > size - file.tell()
    ):
        # A zero hides a huge one.
        raise ValueError(f"it announces {announced:,} bytes and holds {size - file.tell():,}")
    file.seek(0)


class Reader:
    """Reads neighbouring rows of a mapped array (N, ...) by calls to the system.

    These map nothing into the process. One page fault may map 700 KB, and a copy through the map
    takes twice as long. Raises `AutoencodeError` where the file cannot be read any more.
    """

    def __init__(self, array: np.memmap) -> None:
        self._array = array
        self._row_bytes = array[0].nbytes
        self._descriptor = None
        # A map of a file without a name has none either.
        if hasattr(os, "preadv") and array.filename is not None:
            with self._told():
                self._descriptor = os.open(array.filename, os.O_RDONLY)
            weakref.finalize(self, os.close, self._descriptor)
            # The map begins at a multiple of the granularity; a slice of the array keeps the
            # `offset` of the whole.
            begin = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
            mapped = np.frombuffer(_map_of(array), np.uint8)
            self._start = begin + array.ctypes.data - mapped.ctypes.data

    def read(self, first: int, into: np.ndarray) -> None:
        """Fill `into`, (n, ...) and contiguous, with the rows from `first` on."""
        if self._descriptor is None:
            into[:] = self._array[first : first + len(into)]
            release(self._array)
            return
        left = into.reshape(-1).data
        position = self._start + first * self._row_bytes
        while len(left):
            with self._told():
                count = os.preadv(self._descriptor, [left], position)
                if count == 0:
                    raise OSError("it ends before its last image")
            left = left[count:]
            position += count

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise AutoencodeError(
                f"{self._array.filename} cannot be read any more ({reason(error)}): "
                "bring the file back and train again."
            ) from error
