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
from autoencode.data.arrays import as_classes, check_channels, is_one_hot, number_names, open_arrays
from autoencode.data.dataset import ArrayDataset, Dataset
from autoencode.data.decode import CHANNELS, Unreadable, channels_last
from autoencode.data.folders import Paths
from autoencode.data.layout import split_word
from autoencode.data.members import show_name
from autoencode.data.picture_files import FileDataset
from autoencode.data.pictures import Entry, PictureDataset
from autoencode.data.preprocessing import parse_bands
from autoencode.errors import AutoencodeError, UsageError, reason
from autoencode.images import UNLABELLED, Skipped

PATH_COLUMNS = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img",
    "picture",
)
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "target", "category")
DELIMITERS = ",;\t"  # of a table; that which its header holds most often
SPLIT_COLUMNS = ("split", "set", "subset", "partition")
ENDLESS = -1  # the cardinality of a tf.data.Dataset that repeats
IMAGE_KEYS = ("image", "img", "images", "pixel_values", "x")
LABEL_KEYS = ("label", "labels", "y", "target")


class ItemDataset(PictureDataset):
    """Pictures that are in memory, or that a dataset of another library gives one by one: PIL images and arrays.

    `items[index]` may be asked for any, more than once. `labels` are as datasets give them, None
    for unlabelled; `bands` are the channels that are wanted.
    """

    def __init__(
        self,
        name: str,
        items: Sequence[Any],
        labels: Sequence[Any] | None = None,
        bands: tuple[int, ...] | None = None,
    ) -> None:
        words, notes = _name_labels(name, labels, len(items))
        entries = [Entry(f"{name} {index}", None, word, index) for index, word in enumerate(words)]
        super().__init__(name, entries)
        self.notes += notes
        self.has_names = False
        self._items = items
        self._bands = bands

    def read_files(self, numbers: Sequence[int]) -> Iterator[Any]:
        """Give the pictures."""
        for number in numbers:
            try:
                image, _ = split_item(self._items[number])
                yield as_picture(image, self._bands)
            except Exception as error:  # noqa: BLE001, whatever another library raises
                yield Unreadable(reason(error))

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
            raise AutoencodeError(
                f"expected an item with an image, such as item['image'], received {held}."
            )
        return item[image], None if label is None else _plain_label(item[label])
    if _is_pair(item):
        return item[0], _plain_label(item[1]) if len(item) > 1 else None
    return item, None


def _is_pair(item: Any) -> bool:
    """Whether an item is an image with what belongs to it: a tuple, or, as PyTorch's loaders give, a list of tensors."""
    return (
        isinstance(item, (tuple, list))
        and len(item) > 0
        and (isinstance(item, tuple) or hasattr(item[0], "shape"))
    )


def _plain_label(label: Any) -> Any:
    """A number or text; of a one-hot row, the position of the one; None of boxes and the like."""
    try:
        found = np.asarray(label)
    except ValueError:  # a list of lists of several lengths
        return None
    if found.ndim == 1 and is_one_hot(found[np.newaxis]):
        return int(found.argmax())
    value = found.item() if found.ndim == 0 else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, (str, int, float)) else None


def _read_labels(
    name: str, labels: Sequence[Any] | None, count: int
) -> tuple[np.ndarray | None, list[str]]:
    """The labels of `count` images, numbers or texts (count,), and a note where they are none."""
    if labels is None:
        return None, []
    given = [label for label in labels if label is not None]
    if len(given) == len(labels):
        found = np.asarray(labels)
    elif all(isinstance(label, int) for label in given) and len(set(given)) > 1:
        found = np.array([UNLABELLED if label is None else label for label in labels])
    else:
        found = np.array(["" if label is None else str(label) for label in labels])
    known = as_classes(found, count)
    if known is None:
        expected = "expected whole numbers or names"
        return None, [f"{name}: the labels are no classes, and are left out: {expected}"]
    return known, []


def _name_labels(
    name: str, labels: Sequence[Any] | None, count: int
) -> tuple[list[str | None], list[str]]:
    """The classes' names of `count` images, None for unlabelled, and a note as `_read_labels`."""
    known, notes = _read_labels(name, labels, count)
    if known is None:
        return [None] * count, notes
    numbered, classes = number_names({"all": known})
    numbers = numbered["all"].tolist()
    words: list[str | None] = []
    for number in numbers:
        word = classes[number] if classes else str(number)
        words.append(None if number < 0 else show_name(word))
    return words, []


def _as_array(image: Any) -> np.ndarray:
    """Return a tensor, or anything else that NumPy takes; raise `AutoencodeError` for what it does not."""
    try:
        plain = image.detach() if hasattr(image, "detach") else image
        return np.asarray(plain.numpy() if hasattr(plain, "numpy") else plain)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AutoencodeError(
            f"expected what NumPy takes for an array, received {type(image).__name__} ({reason(error)})"
        ) from error


def as_picture(image: Any, bands: tuple[int, ...] | None = None) -> Image.Image | np.ndarray:
    """Return a PIL image as it is, and anything else as an array with its channels last.

    They are 1, 3 or 4, or with `bands` any number. Raises `AutoencodeError` where it is no image of
    numbers.
    """
    if isinstance(image, Image.Image):
        return image
    array = _as_array(image)
    array = channels_last(array, bands) if array.ndim == 3 else array
    is_colour = array.ndim == 3 and (bands is not None or array.shape[2] in CHANNELS)
    is_picture = array.ndim == 2 or is_colour
    if array.dtype.kind not in "buif" or not is_picture or 0 in array.shape:
        raise AutoencodeError(
            f"expected a picture (H, W) or (H, W, C) with C 1, 3 or 4, received {array.dtype} {array.shape}"
        )
    return array


def open_items(name: str, items: Sequence[Any], bands: tuple[int, ...] | None = None) -> Dataset:
    """Return the dataset of pictures that are all at hand; those of one shape and dtype become one array.

    Raises `AutoencodeError` where one is no picture.
    """
    images = []
    found = []
    for index, item in enumerate(items):
        image, label = split_item(item)
        try:
            images.append(as_picture(image, bands))
        except AutoencodeError as error:
            raise AutoencodeError(f"{name}: at {index}: {error}.") from error
        found.append(label)
    labels = None if all(label is None for label in found) else found
    if not images:
        raise AutoencodeError(f"{name} is empty: expected at least one picture.")

    are_arrays = all(isinstance(image, np.ndarray) for image in images)
    if are_arrays and len({(image.shape, image.dtype) for image in images}) == 1:
        stacked = np.stack(images)
        array = stacked if stacked.ndim == 4 else stacked[..., np.newaxis]
        check_channels(array, name, bands)
        known, notes = _read_labels(name, labels, len(images))
        numbered, classes = number_names({} if known is None else {"train": known})
        return ArrayDataset(name, {"train": array}, numbered, classes, notes=notes)
    return ItemDataset(name, images, labels, bands)


def open_paths(
    name: str, paths: Sequence[Any], labels: Sequence[Any] | None, options: DataConfig
) -> Dataset:
    """Return the dataset of picture files that were named one by one; raise `UsageError` where one is not there."""
    files = [Path(path).expanduser() for path in paths]
    missing = next((file for file in files if not os.path.exists(file)), None)
    if missing is not None:
        raise UsageError(
            f"{name}: there is nothing at {missing}: expected the paths of picture files."
        )
    words, notes = _name_labels(name, labels, len(files))
    known = None if labels is None else words
    dataset = FileDataset(Paths(name, files), frames=options.frames, masks=True, labels=known)
    dataset.notes += notes
    return dataset


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
        raise AutoencodeError(
            f"{path} is not in UTF-8 ({reason(error)}): save it in UTF-8."
        ) from error
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
    if isinstance(source, type):
        return None
    kind = type(source).__name__
    bands = parse_bands(options.bands)
    module = type(source).__module__.partition(".")[0]
    if isinstance(source, Mapping):
        arrays = {str(key): _as_array(value) for key, value in source.items()}
        return open_arrays("arrays", arrays, bands)
    if module == "pandas":
        if hasattr(source, "columns"):
            raise UsageError(
                "a DataFrame is not a source: hand over one column of paths, such as frame['path'], received columns "
                f"{', '.join(map(str, source.columns[:8]))}."
            )
        source = source.tolist()
    if isinstance(source, Image.Image):
        return open_items("picture", [source], bands)
    if hasattr(source, "as_numpy_iterator"):  # tf.data.Dataset
        if int(source.cardinality()) == ENDLESS:
            raise UsageError(
                "a dataset that repeats for ever has no last image: leave out .repeat(), "
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
    if hasattr(source, "dtype"):  # a tensor
        return open_arrays("array", {"train": _as_array(source)}, bands)
    if not len(source):
        raise AutoencodeError(f"{name} is empty: expected at least one picture.")
    try:
        first_image, first_label = split_item(source[0])
        as_picture(first_image, bands)
    except Exception as error:  # of another library
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
    is_arrays = isinstance(source, tuple) and all(hasattr(part, "shape") for part in source)
    if is_arrays and len(source) == 2 and all(len(part.shape) > 2 for part in source):
        raise UsageError(
            "a pair of arrays does not say which is which: hand over {'train': a, 'test': b}, or {'images': a, 'labels': b}."
        )
    bands = parse_bands(options.bands)
    items = list(source)
    if items and all(isinstance(item, (str, os.PathLike)) for item in items):
        return open_paths(name, items, None, options)
    if items and all(isinstance(item, Mapping) or _is_pair(item) for item in items):
        images, labels = zip(*map(split_item, items), strict=True)
        if all(isinstance(image, (str, os.PathLike)) for image in images):
            return open_paths(name, images, None if set(labels) == {None} else labels, options)
    is_known = bool(items) and (
        isinstance(items[0], (Image.Image, Mapping)) or hasattr(items[0], "shape")
    )
    if items and not is_known and not _is_pair(items[0]):
        nested = np.asarray(items, dtype=object if _is_ragged(items) else None)
        if nested.dtype.kind in "buif" and nested.ndim >= 3:
            return open_arrays("array", {"train": nested}, bands)
        kinds = " and ".join(dict.fromkeys(type(item).__name__ for item in items))
        raise UsageError(
            f"a source is a path, a name, an array, or a list of paths, PIL images or arrays, received a {name} of {kinds}."
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
    shape = getattr(split_item(items[0])[0], "shape", ()) if items else ()
    is_grey = False
    if is_loader and bands is None and len(shape) == 3:
        is_grey = shape[0] not in CHANNELS and shape[2] not in CHANNELS
    dataset = open_items(name, _unbatched(items, 3 if is_grey else 4), bands)
    if is_grey:
        size = f"{shape[2]}x{shape[1]}"
        note = f"{name}: items of {tuple(shape)} taken for batches of grey images of {size}"
        dataset.notes.append(note)
    return dataset


def _unbatched(items: Iterable[Any], axes: int) -> list[Any]:
    """Items one by one, where those with so many `axes` are batches."""
    found: list[Any] = []
    for item in items:
        image, label = split_item(item)
        shape = getattr(image, "shape", ())
        if len(shape) == axes:
            array = _as_array(image)
            raw = item[1] if _is_pair(item) and len(item) > 1 else None
            raw = (
                next((item[key] for key in LABEL_KEYS if key in item), None)
                if isinstance(item, Mapping)
                else raw
            )
            labels = [None] * len(array) if raw is None else _labels_of_batch(raw)
            if len(labels) != len(array):
                raise AutoencodeError(
                    f"expected a label for each image of a batch, received {len(labels):,} for {len(array):,}."
                )
            found += list(zip(array, labels, strict=True))
        else:
            found.append((image, label))
    return found


def _labels_of_batch(raw: Any) -> list[Any]:
    """The labels of a batch one by one: numbers or texts, or rows where each image has several, as one-hot ones."""
    labels = np.asarray(raw)
    is_row_each = labels.ndim == 2 and labels.shape[1] > 1
    return list(labels) if is_row_each else labels.reshape(-1).tolist()
