"""Archives written as sources."""

import bz2
import gzip
import io
import lzma
import re
import sys
import tarfile
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from written import Written, noise
from written_arrays import png

from autoencode import AutoencodeError, data
from autoencode.data import tar_streams


def members(pixels: np.ndarray) -> dict[str, bytes]:
    return {f"set/{'ab'[index % 2]}/{index}.png": png(image) for index, image in enumerate(pixels)}


def in_order(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[::2], pixels[1::2]])


def write_zip(folder: Path, ending: str) -> Iterator[Written]:
    pixels = noise(6)
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = folder / f"{packing}{ending}"
        with zipfile.ZipFile(path, "w", packing) as archive:
            for name, content in members(pixels).items():
                archive.writestr(name, content)
        yield Written(path, in_order(pixels))

    # As old programs of Windows write paths.
    path = folder / f"windows{ending}"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members(pixels).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"set/a/", b"set\\a\\").replace(b"set/b/", b"set\\b\\"))
    yield Written(path, in_order(pixels))
    assert data.load(path).classes == ("a", "b")


def tar_of(pixels: np.ndarray, names: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members(pixels).items():
            member = tarfile.TarInfo(names + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


PACKERS = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tgz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
}


def write_tar(folder: Path, ending: str) -> Iterator[Written]:
    pixels = noise(6)
    path = folder / f"a{ending}"
    path.write_bytes(PACKERS[ending](tar_of(pixels)))
    yield Written(path, pixels)
    shards = folder / "shards"
    shards.mkdir()
    for number in range(3):
        part = pixels[2 * number : 2 * number + 2]
        (shards / f"set-{number:04}{ending}").write_bytes(PACKERS[ending](tar_of(part)))
    yield Written(shards, pixels)


def write_zstd(folder: Path, ending: str) -> Iterator[Written]:
    """A real file where zstd is installed; test_zstd has the rest."""
    pixels = noise(6)
    path = folder / f"a{ending}"
    try:
        zstd = import_zstd()
    except ImportError:
        path.write_bytes(tar_streams.ZSTD_MAGIC + b"packed")
        with pytest.raises(AutoencodeError, match=re.escape("pip install 'autoencode[zstd]'")):
            data.load(path)
        path = folder / "a.tar"
        path.write_bytes(tar_of(pixels))
    else:
        path.write_bytes(zstd.compress(tar_of(pixels)))
    yield Written(path, pixels)


def import_zstd() -> types.ModuleType:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
