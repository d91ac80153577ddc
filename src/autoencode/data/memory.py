"""Sources that Python hands over: lists of pictures or paths, generators, tables, and datasets of other libraries."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from autoencode.config import DataConfig
from autoencode.data.archives import Paths, show_name
from autoencode.data.arrays import CHANNELS, as_classes, number_names, open_arrays
from autoencode.data.dataset import ArrayDataset, Dataset
from autoencode.data.decode import Unreadable
from autoencode.data.layout import split_word
from autoencode.data.pictures import Entry, FileDataset, PictureDataset
from autoencode.errors import AutoencodeError, UsageError, reason
from autoencode.images import Skipped

PATH_COLUMNS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "picture")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "target", "category")
DELIMITERS = ",;\t"  # of a table; that which its header holds most often
SPLIT_COLUMNS = ("split", "set", "subset", "partition")
IMAGE_KEYS = ("image", "img", "images", "pixel_values", "x")
LABEL_KEYS = ("label", "labels", "y", "target")


class ItemDataset(PictureDataset):
    """Pictures that are in memory, or that a dataset of another library gives one by one: PIL images and arrays.

    `get` gives the picture at an index; it may be called for any, more than once.
    """

    def __init__(self, name: str, items: Sequence[Any], labels: Sequence[Any] | None = None) -> None:
        labels = [None] * len(items) if labels is None else labels
        entries = [
            Entry(f"{name} {index}", None, None if label is None else show_name(str(label)), index)
            for index, label in enumerate(labels)
        ]
        super().__init__(name, entries)
        self.has_names = False
        self._items = items

    def read_files(self, numbers: Sequence[int]) -> Iterator[Any]:
        """Give the pictures."""
        for number in numbers:
            try:
                image, _ = split_item(self._items[number])
                yield as_picture(image)
            except AutoencodeError as error:
                yield Unreadable(str(error))

    def stamp(self) -> list:
        """Nothing tells whether they changed."""
        return [id(self._items)]


def split_item(item: Any) -> tuple[Any, Any]:
    """Return the image and the label, or None, of what a dataset gives: an image, a pair, or a dictionary.

    >>> split_item({"image": 1, "label": "cat"})
    (1, 'cat')
    """
    if isinstance(item, Mapping):
        image = next((key for key in IMAGE_KEYS if key in item), None)
        label = next((key for key in LABEL_KEYS if key in item), None)
        if image is None:
            held = ", ".join(map(str, item)) or "an empty one"
            raise AutoencodeError(f"expected an item with an image, such as item['image'], received {held}.")
        return item[image], None if label is None else _plain_label(item[label])
    if _is_pair(item):
        return item[0], _plain_label(item[1]) if len(item) > 1 else None
    return item, None


def _is_pair(item: Any) -> bool:
    """Whether an item is an image with what belongs to it: a tuple, or, as PyTorch's loaders give, a list of tensors."""
    return isinstance(item, (tuple, list)) and len(item) > 0 and (isinstance(item, tuple) or hasattr(item[0], "shape"))


def _plain_label(label: Any) -> Any:
    found = np.asarray(label)
    if found.ndim:
        return None
    value = found.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _as_array(image: Any) -> np.ndarray:
    """Return a tensor, or anything else that NumPy takes; raise `AutoencodeError` for what it does not."""
    try:
        plain = image.detach() if hasattr(image, "detach") else image
        return np.asarray(plain.numpy() if hasattr(plain, "numpy") else plain)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AutoencodeError(
            f"expected what NumPy takes for an array, received {type(image).__name__} ({reason(error)})"
        ) from error


def as_picture(image: Any) -> Image.Image | np.ndarray:
    """Return a PIL image as it is, and anything else as an array with its channels last.

    Raises `AutoencodeError` where it is no image of numbers.
    """
    if isinstance(image, Image.Image):
        return image
    array = _as_array(image)
    is_first = array.ndim == 3 and array.shape[2] not in CHANNELS and array.shape[0] in CHANNELS
    array = np.moveaxis(array, 0, -1) if is_first else array
    is_picture = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in CHANNELS)
    if array.dtype.kind not in "buif" or not is_picture or 0 in array.shape:
        raise AutoencodeError(
            f"expected a picture (H, W) or (H, W, C) with C 1, 3 or 4, received {array.dtype} {array.shape}"
        )
    return array


def open_items(name: str, items: Sequence[Any], labels: Sequence[Any] | None = None) -> Dataset:
    """Return the dataset of pictures that are all at hand; those of one shape and dtype become one array.

    Raises `AutoencodeError` where one is no picture.
    """
    images = []
    found = []
    for index, item in enumerate(items):
        image, label = split_item(item)
        try:
            images.append(as_picture(image))
        except AutoencodeError as error:
            raise AutoencodeError(f"{name}: at {index}: {error}.") from error
        found.append(label)
    labels = labels if labels is not None else (None if all(label is None for label in found) else found)
    if not images:
        raise AutoencodeError(f"{name} is empty: expected at least one picture.")

    are_arrays = all(isinstance(image, np.ndarray) for image in images)
    if are_arrays and len({(image.shape, image.dtype) for image in images}) == 1:
        stacked = np.stack(images)
        array = stacked if stacked.ndim == 4 else stacked[..., np.newaxis]
        known = None if labels is None else as_classes(_as_label_array(labels), len(images))
        numbered, classes = number_names({} if known is None else {"train": known})
        notes = [] if labels is None or known is not None else ["the labels are no classes, and are left out"]
        return ArrayDataset(name, {"train": array}, numbered, classes, notes=notes)
    return ItemDataset(name, images, labels)


def _as_label_array(labels: Sequence[Any]) -> np.ndarray:
    plain = ["" if label is None else label for label in labels]
    return np.array([str(label) for label in plain]) if "" in plain else np.asarray(plain)


def open_paths(name: str, paths: Sequence[Any], labels: Sequence[str | None] | None, options: DataConfig) -> Dataset:
    """Return the dataset of picture files that were named one by one; raise `UsageError` where one is not there."""
    files = [Path(path).expanduser() for path in paths]
    missing = next((file for file in files if not os.path.exists(file)), None)
    if missing is not None:
        raise UsageError(f"{name}: there is nothing at {missing}: expected the paths of picture files.")
    return FileDataset(Paths(name, files), frames=options.frames, masks=True, labels=labels)


def open_table_of_paths(path: Path, options: DataConfig) -> Dataset:
    """Return the dataset of a CSV file with a column of paths, and perhaps one of labels and one of splits.

    Paths are those beside the file. Raises `AutoencodeError` where there is no such column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
        header = text.partition("\n")[0]
        sign = max(DELIMITERS, key=header.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=sign)
        rows = list(reader)
    except UnicodeDecodeError as error:
        raise AutoencodeError(f"{path} is not in UTF-8 ({reason(error)}): save it in UTF-8.") from error
    except (OSError, ValueError, csv.Error) as error:
        raise AutoencodeError(
            f"{path} cannot be read as a table of pictures ({reason(error)}): expected a column path, and perhaps label."
        ) from error
    columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
    column = next((columns[name] for name in PATH_COLUMNS if name in columns), None)
    if column is None:
        held = ", ".join(list(columns)[:8]) or "nothing"
        raise AutoencodeError(
            f"{path}: expected a column of paths called {', '.join(PATH_COLUMNS[:4])} or image, it holds {held}."
        )
    if not rows:
        raise AutoencodeError(f"{path} holds no row below its header: expected a picture in each.")
    label = next((columns[name] for name in LABEL_COLUMNS if name in columns), None)
    rows, missing = _part_missing(path.parent, rows, column)
    files = [_file_of_row(path.parent, row[column]) for row in rows]
    labels = [row[label] or None for row in rows] if label else None
    dataset = open_paths(path.stem, files, labels, options)
    dataset.skipped += missing

    split = next((columns[name] for name in SPLIT_COLUMNS if name in columns), None)
    if split:
        words = [split_word(row[split] or "") for row in rows]
        dataset.entries = [replace(entry, split=words[entry.file]) for entry in dataset.entries]
    return dataset


def _part_missing(
    folder: Path, rows: list[dict[str, Any]], column: str
) -> tuple[list[dict[str, Any]], list[Skipped]]:
    """The rows whose file is there, and the others; where there are none, all, so that the first is the error."""
    are_there = [os.path.exists(_file_of_row(folder, row[column])) for row in rows]
    if not any(are_there):
        return rows, []
    kept = [row for row, is_there in zip(rows, are_there, strict=True) if is_there]
    missing = [
        Skipped(show_name(row[column] or f"row {number}"), "there is no such file")
        for number, (row, is_there) in enumerate(zip(rows, are_there, strict=True), 1)
        if not is_there
    ]
    return kept, missing


def _file_of_row(folder: Path, text: str | None) -> Path:
    """Where the file lies that a row names, in a table of Windows too."""
    path = folder / Path(text or "").expanduser()
    if "\\" in (text or "") and not os.path.exists(path):
        return folder / Path(text.replace("\\", "/"))
    return path


def open_object(source: Any, options: DataConfig) -> Dataset | None:
    """Return the dataset of a Python object that holds images or paths, or None where it is none that is known."""
    kind = type(source).__name__
    module = type(source).__module__.partition(".")[0]
    if isinstance(source, Mapping):
        return open_arrays("arrays", {str(key): np.asarray(value) for key, value in source.items()}, options.bands)
    if module == "pandas":
        if hasattr(source, "columns"):
            raise UsageError(
                "a DataFrame is not a source: hand over one column of paths, such as frame['path'], received columns "
                f"{', '.join(map(str, source.columns[:8]))}."
            )
        source = source.tolist()
    if isinstance(source, Image.Image):
        return open_items("picture", [source])
    if hasattr(source, "as_numpy_iterator"):  # tf.data.Dataset
        return open_items("dataset", _unbatched(source.as_numpy_iterator()))
    is_map = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    if is_map and not isinstance(source, Sequence):
        return open_map(kind, source, options)
    if isinstance(source, Iterable):
        return _open_iterable("list" if isinstance(source, Sequence) else kind, source, options)
    return None


def open_map(name: str, source: Any, options: DataConfig) -> Dataset:
    """Return a dataset over a map-style dataset such as PyTorch's, which gives item by item."""
    if hasattr(source, "dtype"):  # a tensor
        return open_arrays("array", {"train": _as_array(source)}, options.bands)
    if not len(source):
        raise AutoencodeError(f"{name} is empty: expected at least one picture.")
    first_image, first_label = split_item(source[0])
    as_picture(first_image)
    labels = [split_item(source[index])[1] for index in range(len(source))] if first_label is not None else None
    return ItemDataset(name, source, labels)


def _open_iterable(name: str, source: Iterable[Any], options: DataConfig) -> Dataset:
    if isinstance(source, tuple) and len(source) == 2 and all(np.ndim(part) > 2 for part in source):
        raise UsageError(
            "a pair of arrays does not say which is which: hand over {'train': a, 'test': b}, or {'images': a, 'labels': b}."
        )
    items = list(source)
    if items and all(isinstance(item, (str, Path)) for item in items):
        return open_paths(name, items, None, options)
    is_known = bool(items) and (isinstance(items[0], (Image.Image, Mapping)) or hasattr(items[0], "shape"))
    if items and not is_known and not _is_pair(items[0]):
        nested = np.asarray(items, dtype=object if _is_ragged(items) else None)
        if nested.dtype.kind in "buif" and nested.ndim >= 3:
            return open_arrays("array", {"train": nested})
        kinds = " and ".join(dict.fromkeys(type(item).__name__ for item in items))
        raise UsageError(
            f"a source is a path, a name, an array, or a list of paths, PIL images or arrays, received a {name} of {kinds}."
        )
    return open_items(name, _unbatched(items))


def _is_ragged(items: Sequence[Any]) -> bool:
    try:
        np.asarray(items)
    except ValueError:
        return True
    return False


def _unbatched(items: Iterable[Any]) -> list[Any]:
    """Items one by one, where some are batches (N, H, W, C)."""
    found: list[Any] = []
    for item in items:
        image, label = split_item(item)
        shape = getattr(image, "shape", ())
        if len(shape) == 4:
            array = _as_array(image)
            raw = item[1] if _is_pair(item) and len(item) > 1 else None
            raw = next((item[key] for key in LABEL_KEYS if key in item), None) if isinstance(item, Mapping) else raw
            labels = [None] * len(array) if raw is None else np.asarray(raw).reshape(-1).tolist()
            if len(labels) != len(array):
                raise AutoencodeError(
                    f"expected a label for each image of a batch, received {len(labels):,} for {len(array):,}."
                )
            found += list(zip(array, labels, strict=True))
        else:
            found.append((image, label))
    return found

