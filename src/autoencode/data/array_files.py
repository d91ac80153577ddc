"""The arrays in .npy and .npz files, memory-mapped where they are large.

Runs no code that is in them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from autoencode.errors import AutoencodeError, reason
from autoencode.system.caches import cache_folder
from autoencode.system.files import check_unpacked
from autoencode.system.memmap import check_npy

# Bytes of an array in an .npz file from which on it is mapped and not read.
LARGE = 2**27


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the arrays in a .npy or .npz file by name, and notes of what was ignored.

    An .npy file stays on the disk, memory-mapped, as do large arrays of an .npz file. Arrays of
    Python objects would run code, and are ignored. Raises `AutoencodeError` where the file is
    damaged.
    """
    try:
        with path.open("rb") as file:
            head = file.read(6)
            if head == b"\x93NUMPY":
                file.seek(0)
                check_npy(file, path.stat().st_size)
                if _holds_objects(file):
                    raise ValueError(
                        "it holds Python objects, which could run code: save it with a dtype of "
                        "numbers"
                    )
                file.seek(0)
                return {"train": np.load(path, mmap_mode="r", allow_pickle=False)}, []
            # NumPy would take it for a pickle, and advise to load it unsafely.
            if not head.startswith(b"PK"):
                raise ValueError("it begins as neither does")
        with zipfile.ZipFile(path) as archive:
            _check_directory(archive, path)
            return _load_members(archive, path)
    except AutoencodeError:
        raise
    # Damaged bytes raise almost anything: in zipfile, zlib and NumPy's own reader of headers.
    except Exception as error:
        raise AutoencodeError(
            f"{path} cannot be read as arrays ({reason(error)}): expected a whole .npy or .npz "
            "file."
        ) from error


def _check_directory(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise `ValueError` where the directory at the end of a zip, which no checksum covers,
    disagrees with the rest.
    """
    for member in archive.namelist():
        # This compares the name with the one before the member's data.
        archive.open(member).close()
    with path.open("rb") as file:
        file.seek(-min(2**16, path.stat().st_size), os.SEEK_END)
        content = file.read()
    end = content.rfind(b"PK\5\6")
    # The count of members in the end record.
    announced = int.from_bytes(content[end + 10 : end + 12], "little")
    if announced != min(len(archive.namelist()), 0xFFFF):
        raise ValueError(f"its directory lists {len(archive.namelist())} arrays of {announced}")


def _load_members(archive: zipfile.ZipFile, path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    members = archive.infolist()
    check_unpacked(sum(member.file_size for member in members), path.stat().st_size)
    arrays = {}
    pickled = []
    for member in members:
        name = member.filename.removesuffix(".npy")
        with archive.open(member) as file:
            check_npy(file, member.file_size)
        with archive.open(member) as file:
            if _holds_objects(file):
                pickled.append(name)
                continue
        arrays[name] = _load_member(archive, member)
    notes = []
    if pickled:
        notes.append(
            f"{', '.join(pickled)} ignored: Python objects, which could run code when they are "
            "loaded"
        )
    if not arrays:
        held = f"only Python objects: {', '.join(pickled)}" if pickled else "it is empty"
        raise AutoencodeError(
            f"{path} holds no array of numbers, {held}: save images in it with np.savez."
        )
    return arrays, notes


def _holds_objects(file: Any) -> bool:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        _, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        _, _, dtype = np.lib.format.read_array_header_2_0(file)
    return dtype.hasobject


def _load_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        if member.file_size < LARGE:
            content = np.load(file, allow_pickle=False)
            # To the end, where the checksum is compared.
            while file.read(2**20):
                pass
            return content
        # Unpacked onto the disk, in a file that goes away with the array: it may be larger than
        # memory.
        folder = cache_folder() / "unpacked"
        folder.mkdir(parents=True, exist_ok=True)
        unpacked = tempfile.NamedTemporaryFile(suffix=".npy", dir=folder)  # noqa: SIM115
        shutil.copyfileobj(file, unpacked, 2**20)
    unpacked.flush()
    array = np.load(unpacked.name, mmap_mode="r", allow_pickle=False)
    weakref.finalize(array._mmap, unpacked.close)
    return array
