"""IDX files, the format of MNIST and its followers: a magic number, the sizes, the values. Plain or
gzipped.

The format is described on the MNIST page of Y. LeCun, C. Cortes and C. Burges: two zero bytes, the
type, the number of dimensions, each size as a big-endian 32-bit number, then the values in C order.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np

from autoencode.errors import AutoencodeError, reason
from autoencode.system.files import check_unpacked

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
# Bytes of one unpacked file: 16 GB.
MAX_BYTES = 2**34
# Bytes of values from which on a file is mapped and not read.
MAPPED_BYTES = 2**26
# train-images-idx3-ubyte.gz, t10k-labels.idx1-ubyte, emnist-letters-test-images-idx3-ubyte.gz
NAME = re.compile(r"(.*?)(train|t10k|test)[-_.]?(images|labels)[-_.].*ubyte(\.gz)?$")
PART = {"train": "train", "t10k": "test", "test": "test"}


def matches(path: Path) -> bool:
    """Whether the file begins as an IDX file does."""
    try:
        with _open(path) as file:
            head = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= 4


def read(path: Path) -> np.ndarray:
    """Return the array in an IDX file; raise `AutoencodeError` where it is damaged or cut off."""
    try:
        with _open(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or head[3] == 0:
                raise ValueError("it does not begin as an IDX file")
            sizes = np.frombuffer(file.read(4 * head[3]), ">u4").tolist()
            dtype = np.dtype(TYPES[head[2]])
            size = math.prod(sizes) * dtype.itemsize
            if len(sizes) != head[3] or size > MAX_BYTES:
                raise ValueError(f"it announces {' x '.join(map(str, sizes))} values")
            check_unpacked(size, path.stat().st_size)
            if size >= MAPPED_BYTES and not isinstance(file, gzip.GzipFile):
                return _map(path, dtype, sizes, file.tell(), size)
            content = file.read(size)
            if len(content) < size or file.read(1):
                raise ValueError(
                    f"it announces {size:,} bytes and holds "
                    f"{'more' if len(content) == size else len(content)}"
                )
        # NumPy refuses some sizes beside a zero, which announce nothing.
        return (
            np.frombuffer(content, dtype).reshape(sizes).astype(dtype.newbyteorder("="), copy=False)
        )
    except (OSError, EOFError, ValueError, zlib.error, MemoryError) as error:
        raise AutoencodeError(f"{path} is a damaged IDX file: {reason(error)}.") from error


def _map(path: Path, dtype: np.dtype, sizes: list[int], offset: int, size: int) -> np.ndarray:
    """The array of a file that is not packed, and may be larger than memory."""
    held = path.stat().st_size - offset
    if held != size:
        raise ValueError(f"it announces {size:,} bytes and holds {held:,}")
    return np.memmap(path, dtype, "r", offset, tuple(sizes))


def write(array: np.ndarray, path: Path) -> None:
    """Write a uint8 array of up to four dimensions as an IDX file, gzipped where `path` ends in
    .gz.
    """
    head = bytes([0, 0, 0x08, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        file.write(head + array.astype(np.uint8, casting="safe").tobytes())


def parse_name(name: str) -> tuple[str, str]:
    """Return which set a file of this name belongs to and which part of it the file holds; `NAME`
    must match.

    >>> parse_name("emnist-letters-test-labels-idx1-ubyte.gz")
    ('emnist-letters', 'test_labels')
    >>> parse_name("train-images-idx3-ubyte")
    ('', 'train')
    """
    found = NAME.match(name)
    assert found is not None
    kind = "" if found[3] == "images" else "_labels"
    return found[1].rstrip("-_."), PART[found[2]] + kind


def count(path: Path) -> int:
    """Return how many images an IDX file announces; 0 where it is damaged."""
    try:
        with _open(path) as file:
            head = file.read(8)
    except (OSError, EOFError, zlib.error):
        return 0
    return int.from_bytes(head[4:8], "big")


def _open(path: Path):
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")
