"""Sources that Python hands over: lists, generators, tables in memory, and datasets of other
libraries.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from autoencode.config import DataConfig
from autoencode.data.arrays import open_arrays
from autoencode.data.dataset import Dataset
from autoencode.data.decode import CHANNELS
from autoencode.data.items import (
    ItemDataset,
    as_array,
    as_picture,
    is_pair,
    open_items,
    plain_label,
    split_item,
    split_raw_item,
)
from autoencode.data.path_tables import open_paths
from autoencode.data.preprocessing import parse_bands
from autoencode.errors import AutoencodeError, UsageError, reason

# The cardinality of a tf.data.Dataset that repeats.
ENDLESS = -1


def open_object(source: Any, options: DataConfig) -> Dataset | None:
    """Return the dataset of a Python object that holds images or paths, or None where it is not one
    that is known.
    """
    if isinstance(source, type):
        return None
    kind = type(source).__name__
    bands = parse_bands(options.bands)
    module = type(source).__module__.partition(".")[0]
    if isinstance(source, Mapping):
        arrays = {str(key): as_array(value) for key, value in source.items()}
        return open_arrays("arrays", arrays, bands)
    if module == "pandas":
        if hasattr(source, "columns"):
            raise UsageError(
                "a DataFrame is not a source: hand over one column of paths, such as "
                "frame['path'], received columns "
                f"{', '.join(map(str, source.columns[:8]))}."
            )
        source = source.tolist()
    if isinstance(source, Image.Image):
        return open_items("picture", [source], bands)
    # A tf.data.Dataset.
    if hasattr(source, "as_numpy_iterator"):
        if int(source.cardinality()) == ENDLESS:
            raise UsageError(
                "a dataset that repeats for ever has no last image: remove .repeat(), "
                "or add .take(COUNT)."
            )
        return _open_batches("dataset", source.as_numpy_iterator(), bands, is_loader=True)
    is_map = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    if is_map and not isinstance(source, Sequence):
        return open_map(kind, source, bands)
    if isinstance(source, Iterable):
        return _open_iterable("list" if isinstance(source, Sequence) else kind, source, options)
    return None


def open_map(name: str, source: Any, bands: tuple[int, ...] | None = None) -> Dataset:
    """Return a dataset over a map-style dataset such as PyTorch's, which gives item by item.

    Raises `AutoencodeError` where it is empty, or where its first item is no image.
    """
    # A tensor.
    if hasattr(source, "dtype"):
        return open_arrays("array", {"train": as_array(source)}, bands)
    if not len(source):
        raise AutoencodeError(f"{name} is empty: expected at least one picture.")
    try:
        first_image, first_label = split_item(source[0])
        as_picture(first_image, bands)
    # Another library may raise anything.
    except Exception as error:
        raise AutoencodeError(f"{name}: at 0: {reason(error)}.") from error
    labels = None
    if first_label is not None:
        labels = [_label_at(source, index) for index in range(len(source))]
    return ItemDataset(name, source, labels, bands)


def _label_at(source: Any, index: int) -> Any:
    try:
        return split_item(source[index])[1]
    except Exception:  # noqa: BLE001, its image is skipped with the reason later
        return None


def _open_iterable(name: str, source: Iterable[Any], options: DataConfig) -> Dataset:
    is_pair_of_arrays = (
        isinstance(source, tuple)
        and len(source) == 2
        and all(hasattr(part, "shape") and len(part.shape) > 2 for part in source)
    )
    if is_pair_of_arrays:
        raise UsageError(
            "a pair of arrays does not say which is which: hand over {'train': a, 'test': b}, or "
            "{'images': a, 'labels': b}."
        )
    bands = parse_bands(options.bands)
    items = list(source)
    if items and all(isinstance(item, (str, os.PathLike)) for item in items):
        return open_paths(name, items, None, options)
    if items and all(isinstance(item, Mapping) or is_pair(item) for item in items):
        images, labels = zip(*map(split_item, items), strict=True)
        if all(isinstance(image, (str, os.PathLike)) for image in images):
            return open_paths(name, images, None if set(labels) == {None} else labels, options)
    is_known = bool(items) and (
        isinstance(items[0], (Image.Image, Mapping)) or hasattr(items[0], "shape")
    )
    if items and not is_known and not is_pair(items[0]):
        nested = np.asarray(items, dtype=object if _is_ragged(items) else None)
        if nested.dtype.kind in "buif" and nested.ndim >= 3:
            return open_arrays("array", {"train": nested}, bands)
        kinds = " and ".join(dict.fromkeys(type(item).__name__ for item in items))
        raise UsageError(
            "a source is a path, a name, an array, or a list of paths, PIL images or arrays, "
            f"received a {name} of {kinds}."
        )
    return _open_batches(name, items, bands, is_loader=not isinstance(source, Sequence))


def _is_ragged(items: Sequence[Any]) -> bool:
    try:
        np.asarray(items)
    except ValueError:
        return True
    return False


def _open_batches(
    name: str, items: Iterable[Any], bands: tuple[int, ...] | None, *, is_loader: bool
) -> Dataset:
    """The dataset of items one by one, where some are batches (N, H, W, C).

    All that a loader gives may be batches (N, H, W) too.
    """
    items = list(items)
    shape = _shape_of(split_item(items[0])[0] if items else None)
    is_grey = False
    if is_loader and bands is None and len(shape) == 3:
        is_grey = shape[0] not in CHANNELS and shape[2] not in CHANNELS
    dataset = open_items(name, _unbatched(items, 3 if is_grey else 4), bands)
    if is_grey:
        size = f"{shape[2]}x{shape[1]}"
        note = f"{name}: items of {tuple(shape)} taken for batches of grey images of {size}"
        dataset.notes.append(note)
    return dataset


def _shape_of(image: Any) -> tuple[int, ...]:
    return getattr(image, "shape", ())


def _unbatched(items: Iterable[Any], axes: int) -> list[Any]:
    """Items one by one, where those with so many `axes` are batches."""
    found: list[Any] = []
    for item in items:
        image, label = split_raw_item(item)
        if len(_shape_of(image)) != axes:
            found.append((image, plain_label(label)))
            continue

        array = as_array(image)
        labels = [None] * len(array) if label is None else _labels_of_batch(label)
        if len(labels) != len(array):
            raise AutoencodeError(
                f"expected a label for each image of a batch, received {len(labels):,} for "
                f"{len(array):,}."
            )
        found += list(zip(array, labels, strict=True))
    return found


def _labels_of_batch(raw: Any) -> list[Any]:
    """The labels of a batch one by one: numbers or texts, or rows where each image has several, as
    one-hot ones.
    """
    labels = np.asarray(raw)
    is_row_each = labels.ndim == 2 and labels.shape[1] > 1
    return list(labels) if is_row_each else labels.reshape(-1).tolist()
