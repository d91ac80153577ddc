"""Named arrays as a dataset: which is which part, and which holds labels. No values change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autoencode.data.array_axes import as_images
from autoencode.data.array_dataset import ArrayDataset
from autoencode.data.labels import as_classes, number_names
from autoencode.errors import AutoencodeError
from autoencode.images import Unused

# The names under which arrays are found in .npz files, in lower case, first match first; x_train is
# Keras's way.
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


def open_arrays(
    name: str,
    arrays: Mapping[str, Any],
    bands: tuple[int, ...] | None = None,
    notes: Sequence[str] = (),
) -> ArrayDataset:
    """Return the dataset of `arrays` by name, as .npz files hold them: images, perhaps parted, and
    labels.

    `bands` are the channels that are wanted. Raises `AutoencodeError` where none of the arrays
    holds images.
    """
    found, taken = _find_parts(name, arrays)
    notes = [*notes, *taken]
    parts = {}
    for split, array in found.items():
        what = name if len(found) == 1 else f"{name}: {split} images"
        parts[split], axis_notes = as_images(array, what, bands)
        notes += axis_notes

    labels, classes, label_notes = _find_labels(arrays, parts)
    dataset = ArrayDataset(name, parts, labels, classes, notes=[*notes, *label_notes])
    others = {key: array for key, array in arrays.items() if _is_left(array, found)}
    if others:
        count = sum(map(len, others.values()))
        dataset.unused.append(Unused("images in arrays of other names", count, tuple(others)))
    return dataset


def _is_left(array: Any, found: Mapping[str, np.ndarray]) -> bool:
    """Whether an array looks like images, and is not among those that were `found`."""
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
    """The labels by split, the names of the classes where they have any, and notes of what is no
    labels.
    """
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
                f"{split}_labels are no classes, and are skipped: expected {expected}, found "
                f"{received.dtype} "
                f"{received.shape}"
            )
        else:
            labels[split] = found
    return *number_names(labels), notes
