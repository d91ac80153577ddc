"""Arrays as they come, from NumPy or .npy and .npz files, under the one contract: uint8 (N, H, W, C)."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoencode.errors import AutoencodeError, reason
from autoencode.files import check_unpacked
from autoencode.mapped import check_npy

# The names under which arrays are found in .npz files, first match first; `x_train` is how Keras hands sets out.
NAMES = {
    "train": ("train", "x_train", "train_images", "images", "x", "data", "arr_0"),
    "test": ("test", "x_test", "test_images"),
    "train_labels": ("train_labels", "y_train", "labels", "y"),
    "test_labels": ("test_labels", "y_test"),
}


def pixels(array: np.ndarray, what: str) -> np.ndarray:
    """Return `array` as uint8 (N, H, W, C), without a copy where it is that already.

    Takes (N, H, W), (N, H, W, C) and (N, C, H, W) with C 1, 3 or 4 (the fourth is dropped), of booleans, integers up to
    255, unsigned 16-bit integers, or floats in [0, 1]. Raises `AutoencodeError` for anything else.

    >>> pixels(np.ones((5, 4, 4)), "mine").shape
    (5, 4, 4, 1)
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        received = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise AutoencodeError(f"{what}: expected an array of numbers (N, H, W) or (N, H, W, C), received {received}.")
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or 0 in array.shape or array.shape[3] not in (1, 3, 4):
        raise AutoencodeError(
            f"{what}: expected shape (N, H, W) or (N, H, W, C) with C 1, 3 or 4 and nothing empty, received {array.shape}."
        )
    return _as_uint8(array[..., :3] if array.shape[3] == 4 else array, what)


def _as_uint8(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array) if not isinstance(array, np.memmap) else array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    least, largest = float(array.min()), float(array.max())
    if array.dtype == np.uint16 and largest > 255:
        return np.round(array / 257).astype(np.uint8)
    top = 1 if array.dtype.kind == "f" else 255
    if not (least >= 0 and largest <= top):  # so written, it refuses NaN too
        raise AutoencodeError(
            f"{what}: expected uint8, or floats in [0, 1], or integers from 0 to 255, "
            f"received {array.dtype} from {least:g} to {largest:g}."
        )
    return np.round(array * (255 / top)).astype(np.uint8)


def load(path: Path) -> dict[str, np.ndarray]:
    """Return what a .npy or .npz file holds, by part: `train` and, where they exist, `test` and the labels.

    An .npy file stays on the disk, memory-mapped. Raises `AutoencodeError` where the file is damaged.
    """
    try:
        with path.open("rb") as file:
            head = file.read(6)
            if head == b"\x93NUMPY":
                file.seek(0)
                check_npy(file, path.stat().st_size)
                return {"train": np.load(path, mmap_mode="r", allow_pickle=False)}
            if not head.startswith(b"PK"):  # NumPy would take it for a pickle, and advise to load it unsafely
                raise ValueError("it begins as neither does")
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                _check_directory(found.zip, path)
                _check_members(found.zip, path)
                return _named(found, path)
    except AutoencodeError:
        raise
    except (
        Exception
    ) as error:  # damaged bytes come out as almost anything: zipfile, zlib, NumPy's own reader of headers
        raise AutoencodeError(
            f"{path} cannot be read as arrays ({reason(error)}): expected a whole .npy or .npz file."
        ) from error


def _check_directory(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise `ValueError` where the directory at the end of a zip, which no checksum covers, disagrees with the rest."""
    for member in archive.namelist():
        archive.open(member).close()  # compares the name with the one before the member's data
    with path.open("rb") as file:
        file.seek(-min(2**16, path.stat().st_size), os.SEEK_END)
        content = file.read()
    end = content.rfind(b"PK\5\6")
    announced = int.from_bytes(content[end + 10 : end + 12], "little")  # the count of members in the end record
    if announced != min(len(archive.namelist()), 0xFFFF):
        raise ValueError(f"its directory lists {len(archive.namelist())} arrays of {announced}")


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise `ValueError` where the arrays would fill memory: a bomb, or a header that announces what does not follow."""
    members = archive.infolist()
    check_unpacked(sum(member.file_size for member in members), path.stat().st_size)
    for member in members:
        with archive.open(member) as file:
            check_npy(file, member.file_size)


def _named(found: np.lib.npyio.NpzFile, path: Path) -> dict[str, np.ndarray]:
    parts = {}
    for part, names in NAMES.items():
        if name := next((name for name in names if name in found.files), None):
            parts[part] = found[name]
    if "train" not in parts and len(found.files) == 1:
        parts["train"] = found[found.files[0]]
    if "train" not in parts:
        held = ", ".join(found.files) or "nothing"
        raise AutoencodeError(f"{path}: expected an array named {' or '.join(NAMES['train'][:4])}, it holds {held}.")
    return parts


@dataclass(frozen=True)
class Assembled:
    """The arrays of a source under the contract: `test` is None where it has none, `labels` are by name as in `Images`."""

    train: np.ndarray
    test: np.ndarray | None
    labels: dict[str, np.ndarray]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def assemble(name: str, parts: dict[str, np.ndarray]) -> Assembled:
    """Return what `parts` hold, as `load` gives them; labels that are none are left out, and noted."""
    train = pixels(parts["train"], f"{name}: training images")
    test = pixels(parts["test"], f"{name}: test images") if "test" in parts else None
    labels, notes = {}, []
    for part, images in (("train_labels", train), ("test_labels", test)):
        if images is None or (found := parts.get(part)) is None:
            continue
        found = found.argmax(1) if _is_one_hot(found) else found
        whole = found.dtype.kind == "f" and np.isfinite(found).all() and (found == np.round(found)).all()
        found = found.astype(np.int64) if whole or found.dtype.kind == "b" else found
        if found.size == len(images) and found.dtype.kind in "iuUS":
            labels[part] = found.reshape(-1)
        else:
            expected = f"{len(images):,} whole numbers or names"
            notes.append(
                f"{part} are no classes, and are left out: expected {expected}, found {found.dtype} {found.shape}"
            )
    if not any(found.dtype.kind in "US" for found in labels.values()):
        return Assembled(train, test, labels, (), tuple(notes))
    words = {part: _words(found) for part, found in labels.items()}
    classes = np.unique(np.concatenate(list(words.values())))
    labels = {part: np.searchsorted(classes, found) for part, found in words.items()}
    return Assembled(train, test, labels, tuple(classes.tolist()), tuple(notes))


def _is_one_hot(rows: np.ndarray) -> bool:
    told = rows.ndim == 2 and rows.shape[1] > 1 and rows.dtype.kind in "buif"
    return told and bool(((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all())


def _words(labels: np.ndarray) -> np.ndarray:
    return np.char.decode(labels, "utf-8", "replace") if labels.dtype.kind == "S" else labels.astype(str)
