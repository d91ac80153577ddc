"""Arrays as they come, from NumPy or .npy and .npz files: which axes are what, which array is which part. No values change."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Mapping, Sequence
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from autoencode.config import cache_folder
from autoencode.data.dataset import ArrayDataset
from autoencode.data.decode import CHANNELS, OPAQUE_SHARE, alpha_share, channels_last, is_alpha
from autoencode.errors import AutoencodeError, reason
from autoencode.images import UNLABELLED, Unused, evenly
from autoencode.system.files import check_unpacked
from autoencode.system.memmap import check_npy, release

# The names under which arrays are found in .npz files, in lower case, first match first; x_train is Keras's way.
NAMES = {
    "train": (
        "train",
        "x_train",
        "train_images",
        "train_x",
        "images",
        "imgs",
        "x",
        "data",
        "arr_0",
    ),
    "validation": (
        "validation",
        "x_val",
        "val_images",
        "x_valid",
        "valid_images",
        "x_validation",
        "val",
        "x_dev",
        "dev",
    ),
    "test": ("test", "x_test", "test_images", "test_x"),
}
LABEL_NAMES = {
    "train": ("train_labels", "y_train", "train_y", "labels", "y"),
    "validation": (
        "val_labels",
        "y_val",
        "valid_labels",
        "y_valid",
        "y_validation",
        "validation_labels",
        "y_dev",
    ),
    "test": ("test_labels", "y_test", "test_y"),
}
LOOKED_AT = 50  # images whose fourth channel is looked at
LARGE = 2**27  # bytes of an array in an .npz file, which is then mapped and not read
MIN_SQUARE = 4  # pixels a side of a flat row that is taken for an image


def as_images(
    array: Any, what: str, bands: tuple[int, ...] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Return `array` as (N, H, W, C), its values as they are and mostly without a copy, and notes of what was taken for what.

    Takes (N, H, W), (N, H, W, C) and (N, C, H, W) with C 1, 3 or 4 (any with `bands`), one image (H, W, C) with C 3 or 4,
    and (N, F) where F is a square. Raises `AutoencodeError` for anything else.

    >>> as_images(np.ones((5, 4, 4)), "mine")[0].shape
    (5, 4, 4, 1)
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        received = (
            f"{array.dtype} {array.shape}"
            if isinstance(array, np.ndarray)
            else type(array).__name__
        )
        raise AutoencodeError(
            f"{what}: expected an array of numbers (N, H, W) or (N, H, W, C), received {received}."
        )
    if 0 in array.shape:
        raise AutoencodeError(
            f"{what}: expected at least one image of at least one pixel, received {array.shape}."
        )

    notes: list[str] = []
    if array.ndim == 2:
        array, note = _rows_as_squares(array, what)
        notes.append(note)
    elif array.ndim == 3:
        array, found = _three_axes(array, what)
        notes += found
    elif array.ndim == 4:
        array = _with_channels_last(array, what, bands)
    else:
        raise AutoencodeError(
            f"{what}: expected (N, H, W) or (N, H, W, C), received {array.shape}."
        )

    check_channels(array, what, bands)
    return array, notes


def _rows_as_squares(array: np.ndarray, what: str) -> tuple[np.ndarray, str]:
    count, size = array.shape
    side = isqrt(size)
    is_square = side * side == size and side >= MIN_SQUARE and count != size
    if not is_square:
        raise AutoencodeError(
            f"{what}: expected images (N, H, W) or (N, H, W, C), received {array.shape}: one grey image is "
            "x[np.newaxis], flat rows are x.reshape(-1, HEIGHT, WIDTH), or x.reshape(-1, HEIGHT, WIDTH, 3) of colours."
        )
    note = f"{what}: {count:,} rows of {size:,} values taken for grey images of {side}x{side}"
    return array.reshape(count, side, side, 1), note


def _three_axes(array: np.ndarray, what: str) -> tuple[np.ndarray, list[str]]:
    first, height, width = array.shape
    is_colour = width == 3 or (width == 4 and is_alpha(array))
    if is_colour and first > 4 and height > 4:
        return array[np.newaxis], [
            (
                f"{what}: {array.shape} taken for one image of {height}x{first} with {width} channels; {first} images of "
                f"{width}x{height} would be x[..., np.newaxis]"
            )
        ]
    notes = []
    if width == 4 and first > 4 and height > 4:
        notes.append(
            f"{what}: {array.shape} taken for {first} grey images of {width}x{height}, as the last axis holds no alpha; "
            "one image of four channels would be x[np.newaxis]"
        )
    if first in (3, 4) and height > 4 and width > 4:
        notes.append(
            f"{what}: {array.shape} taken for {first} grey images of {width}x{height}; one image with its channels "
            "first would be np.moveaxis(x, 0, -1)"
        )
    return array[..., np.newaxis], notes


def _with_channels_last(array: np.ndarray, what: str, bands: tuple[int, ...] | None) -> np.ndarray:
    moved = channels_last(array, bands)
    if bands is None and moved.shape[3] not in CHANNELS:
        raise AutoencodeError(
            f"{what}: expected (N, H, W, C) with C 1, 3 or 4, received {array.shape}: choose one channel or three with "
            f"`bands=0,1,2`; volumes are slices by x.reshape(-1, {array.shape[2]}, {array.shape[3]})."
        )
    return moved


def check_channels(array: np.ndarray, what: str, bands: tuple[int, ...] | None = None) -> None:
    """Raise `AutoencodeError` unless images (N, H, W, C) have the channels `bands`.

    Without bands, they may have colours and alpha.
    """
    count = array.shape[3]
    if bands is not None:
        if max(bands) >= count:
            raise AutoencodeError(
                f"{what}: `bands` asks for channel {max(bands)}, counted from 0, and there are {count}."
            )
        return
    if count == 4 and not _has_alpha(array):
        raise AutoencodeError(
            f"{what}: the fourth channel of {array.shape} is no alpha channel (most of its values are neither 0 nor the "
            "largest of their type): choose three channels with `bands=0,1,2`, or one."
        )


def _has_alpha(array: np.ndarray) -> bool:
    shares = []
    for index in evenly(len(array), LOOKED_AT):
        shares.append(alpha_share(array[index]))
        release(array)
    return float(np.mean(shares)) >= OPAQUE_SHARE


# Files


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the arrays in a .npy or .npz file by name, and notes of what was ignored.

    An .npy file stays on the disk, memory-mapped, as do large arrays of an .npz file. Arrays of Python objects would run
    code, and are ignored. Raises `AutoencodeError` where the file is damaged.
    """
    try:
        with path.open("rb") as file:
            head = file.read(6)
            if head == b"\x93NUMPY":
                file.seek(0)
                check_npy(file, path.stat().st_size)
                if _holds_objects(file):
                    raise ValueError(
                        "it holds Python objects, which could run code: save it with a dtype of numbers"
                    )
                file.seek(0)
                return {"train": np.load(path, mmap_mode="r", allow_pickle=False)}, []
            if not head.startswith(
                b"PK"
            ):  # NumPy would take it for a pickle, and advise to load it unsafely
                raise ValueError("it begins as neither does")
        with zipfile.ZipFile(path) as archive:
            _check_directory(archive, path)
            return _load_members(archive, path)
    except AutoencodeError:
        raise
    except Exception as error:  # damaged bytes come out as almost anything: zipfile, zlib, NumPy's own reader of headers
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
            f"{', '.join(pickled)} ignored: Python objects, which could run code when they are loaded"
        )
    if not arrays:
        held = f"only Python objects: {', '.join(pickled)}" if pickled else "it is empty"
        raise AutoencodeError(
            f"{path} holds no array of numbers, {held}: save images in it with np.savez."
        )
    return arrays, notes


def _holds_objects(file: Any) -> bool:
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    return read(file)[2].hasobject


def _load_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        if member.file_size < LARGE:
            content = np.load(file, allow_pickle=False)
            while file.read(2**20):  # to the end, where the checksum is compared
                pass
            return content
        # Unpacked onto the disk, in a file that goes away with the array: it may be larger than memory.
        folder = cache_folder() / "unpacked"
        folder.mkdir(parents=True, exist_ok=True)
        unpacked = tempfile.NamedTemporaryFile(suffix=".npy", dir=folder)  # noqa: SIM115
        shutil.copyfileobj(file, unpacked, 2**20)
    unpacked.flush()
    array = np.load(unpacked.name, mmap_mode="r", allow_pickle=False)
    weakref.finalize(array._mmap, unpacked.close)
    return array


def open_arrays(
    name: str,
    arrays: Mapping[str, Any],
    bands: tuple[int, ...] | None = None,
    notes: Sequence[str] = (),
) -> ArrayDataset:
    """Return the dataset of `arrays` by name, as .npz files hold them: images, perhaps parted, and labels.

    `bands` are the channels that are wanted. Raises `AutoencodeError` where none of the arrays
    holds images.
    """
    found, taken = _find_parts(name, arrays)
    notes = [*notes, *taken]
    parts = {}
    for split, array in found.items():
        what = name if len(found) == 1 else f"{name}: {split} images"
        parts[split], said = as_images(array, what, bands)
        notes += said

    labels, classes, said = _find_labels(arrays, parts)
    dataset = ArrayDataset(name, parts, labels, classes, notes=[*notes, *said])
    others = {key: array for key, array in arrays.items() if _is_left(array, found)}
    if others:
        count = sum(map(len, others.values()))
        dataset.unused.append(Unused("images in arrays of other names", count, tuple(others)))
    return dataset


def _is_left(array: Any, found: Mapping[str, np.ndarray]) -> bool:
    """Whether an array looks like images, and is none of those that were `found`."""
    is_like = isinstance(array, np.ndarray) and array.dtype.kind in "buif" and array.ndim in (3, 4)
    return is_like and not any(array is taken for taken in found.values())


def _find_parts(name: str, arrays: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], list[str]]:
    by_lower = {key.lower(): array for key, array in arrays.items()}
    parts = {}
    for split, names in NAMES.items():
        known = next(
            (key for key in names if key in by_lower and _may_be_images(by_lower[key])), None
        )
        if known is not None:
            parts[split] = by_lower[known]
    if "train" in parts:
        return parts, _describe_rest(name, arrays, parts)
    if len(arrays) == 1 and not parts:
        return {"train": next(iter(arrays.values()))}, []

    taken = [id(array) for array in parts.values()]
    candidates = {
        key: array
        for key, array in arrays.items()
        if isinstance(array, np.ndarray)
        and array.dtype.kind in "buif"
        and array.ndim in (3, 4)
        and id(array) not in taken
    }
    if len(candidates) == 1:
        key, array = next(iter(candidates.items()))
        return {"train": array, **parts}, [f"{name}: images taken from the array {key}"]
    held = (
        ", ".join(f"{key} {getattr(array, 'shape', '')}" for key, array in arrays.items())
        or "nothing"
    )
    expected = " or ".join(NAMES["train"][:5])
    raise AutoencodeError(
        f"{name}: expected an array named {expected}, or a single one (N, H, W), it holds {held}."
    )


def _describe_rest(
    name: str, arrays: Mapping[str, Any], parts: Mapping[str, np.ndarray]
) -> list[str]:
    """A line for arrays that could be images too and are not used."""
    used = [id(array) for array in parts.values()]
    rest = [
        key
        for key, array in arrays.items()
        if isinstance(array, np.ndarray) and array.ndim in (3, 4) and id(array) not in used
    ]
    return [f"{name}: {', '.join(rest)} not used"] if rest else []


def _may_be_images(array: Any) -> bool:
    return not isinstance(array, np.ndarray) or array.ndim >= 2


def _find_labels(
    arrays: Mapping[str, Any], parts: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], tuple[str, ...], list[str]]:
    """The labels by split, the names of the classes where they have any, and notes of what is no labels."""
    by_lower = {key.lower(): array for key, array in arrays.items()}
    labels: dict[str, np.ndarray] = {}
    notes = []
    for split, images in parts.items():
        key = next((key for key in LABEL_NAMES[split] if key in by_lower), None)
        if key is None:
            continue
        found = as_classes(np.asarray(by_lower[key]), len(images))
        if found is None:
            expected = f"{len(images):,} whole numbers or names"
            received = np.asarray(by_lower[key])
            notes.append(
                f"{split}_labels are no classes, and are left out: expected {expected}, found {received.dtype} "
                f"{received.shape}"
            )
        else:
            labels[split] = found
    return *number_names(labels), notes


def as_classes(labels: np.ndarray, count: int) -> np.ndarray | None:
    """Return `labels` of `count` images as whole numbers or texts (count,), or None where they tell no classes."""
    found = labels.argmax(1) if is_one_hot(labels) else labels
    is_whole = (
        found.dtype.kind == "f" and np.isfinite(found).all() and (found == np.round(found)).all()
    )
    found = found.astype(np.int64) if is_whole or found.dtype.kind == "b" else found
    return found.reshape(-1) if found.size == count and found.dtype.kind in "iuUS" else None


def number_names(labels: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return `labels` by split as whole numbers, and what the classes are called, where texts name them.

    -1 means unlabelled, unless it and one other number are all that there is.
    """
    numbers = {
        number
        for found in labels.values()
        if found.dtype.kind in "iu"
        for number in np.unique(found).tolist()
    }
    if UNLABELLED in numbers and len(numbers) == 2:
        labels = {split: found.astype(str) for split, found in labels.items()}
    if not any(found.dtype.kind in "US" for found in labels.values()):
        return dict(labels), ()
    words = {split: _as_text(found) for split, found in labels.items()}
    classes = np.unique(np.concatenate(list(words.values())))
    classes = classes[classes != ""]
    numbered = {
        split: np.where(found == "", UNLABELLED, np.searchsorted(classes, found))
        for split, found in words.items()
    }
    return numbered, tuple(classes.tolist())


def is_one_hot(rows: np.ndarray) -> bool:
    """Whether each row of an array holds a single 1 and else 0."""
    told = rows.ndim == 2 and rows.shape[1] > 1 and rows.dtype.kind in "buif"
    return told and bool(((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all())


def _as_text(labels: np.ndarray) -> np.ndarray:
    return (
        np.char.decode(labels, "utf-8", "replace")
        if labels.dtype.kind == "S"
        else labels.astype(str)
    )
