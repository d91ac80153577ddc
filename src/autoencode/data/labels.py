"""Labels of any dtype become class numbers and class names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from autoencode.images import UNLABELLED


def as_classes(labels: np.ndarray, count: int) -> np.ndarray | None:
    """Return `labels` of `count` images as whole numbers or texts (count,), or None where they tell
    no classes.
    """
    found = labels.argmax(1) if is_one_hot(labels) else labels
    is_whole = (
        found.dtype.kind == "f" and np.isfinite(found).all() and (found == np.round(found)).all()
    )
    found = found.astype(np.int64) if is_whole or found.dtype.kind == "b" else found
    return found.reshape(-1) if found.size == count and found.dtype.kind in "iuUS" else None


def number_names(labels: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return `labels` by split as whole numbers, and what the classes are called, where texts name
    them.

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
    is_table = rows.ndim == 2 and rows.shape[1] > 1 and rows.dtype.kind in "buif"
    return is_table and bool(((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all())


def _as_text(labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    return labels.astype(str)
