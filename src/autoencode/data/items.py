"""Pictures in memory one by one, with their labels: PIL images, arrays, pairs and dictionaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from autoencode.data.array_axes import check_channels
from autoencode.data.array_dataset import ArrayDataset
from autoencode.data.dataset import Dataset
from autoencode.data.decode import CHANNELS, Unreadable, channels_last
from autoencode.data.labels import as_classes, is_one_hot, number_names
from autoencode.data.members import show_name
from autoencode.data.pictures import Entry, PictureDataset
from autoencode.errors import AutoencodeError, reason
from autoencode.images import UNLABELLED

IMAGE_KEYS = ("image", "img", "images", "pixel_values", "x")
LABEL_KEYS = ("label", "labels", "y", "target")


class ItemDataset(PictureDataset):
    """Pictures that are in memory, or that a dataset of another library gives one by one: PIL
    images and arrays.

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
        words, notes = name_labels(name, labels, len(items))
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
        """Return the identity of the items: whether they changed cannot be known."""
        return [id(self._items)]


def split_item(item: Any) -> tuple[Any, Any]:
    """Return the image and the label, or None, of what a dataset gives: an image, a pair, or a
    dictionary.

    >>> split_item({"image": 1, "label": "cat"})
    (1, 'cat')
    """
    image, label = split_raw_item(item)
    return image, plain_label(label)


def split_raw_item(item: Any) -> tuple[Any, Any]:
    """Return the image and the label as `split_item`, but the label as it is given: of a batch, all
    of them.
    """
    if isinstance(item, Mapping):
        image = next((key for key in IMAGE_KEYS if key in item), None)
        label = next((key for key in LABEL_KEYS if key in item), None)
        if image is None:
            held = ", ".join(map(str, item)) or "an empty one"
            raise AutoencodeError(
                f"expected an item with an image, such as item['image'], received {held}."
            )
        return item[image], None if label is None else item[label]
    if is_pair(item):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def is_pair(item: Any) -> bool:
    """Return whether an item is an image with what belongs to it: a tuple, or, as PyTorch's loaders
    give, a list of tensors.
    """
    return (
        isinstance(item, (tuple, list))
        and len(item) > 0
        and (isinstance(item, tuple) or hasattr(item[0], "shape"))
    )


def plain_label(label: Any) -> Any:
    """Return a label as a number or text, or None where it is neither.

    Of a one-hot row it is the position of the one.
    """
    try:
        found = np.asarray(label)
    # A list of lists of several lengths.
    except ValueError:
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
    """The labels of `count` images, numbers or texts (count,), and a note if they are invalid."""
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
        return None, [f"{name}: the labels are no classes, and are skipped: {expected}"]
    return known, []


def name_labels(
    name: str, labels: Sequence[Any] | None, count: int
) -> tuple[list[str | None], list[str]]:
    """Return the classes' names of `count` images, None for unlabelled, and a note as
    `_read_labels`.
    """
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


def as_array(image: Any) -> np.ndarray:
    """Return a tensor, or anything else that NumPy takes.

    Raises `AutoencodeError` for what it does not.
    """
    try:
        plain = image.detach() if hasattr(image, "detach") else image
        return np.asarray(plain.numpy() if hasattr(plain, "numpy") else plain)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AutoencodeError(
            f"expected what NumPy takes for an array, received {type(image).__name__} "
            f"({reason(error)})"
        ) from error


def as_picture(image: Any, bands: tuple[int, ...] | None = None) -> Image.Image | np.ndarray:
    """Return a PIL image as it is, and anything else as an array with its channels last.

    They are 1, 3 or 4, or with `bands` any number. Raises `AutoencodeError` where it is no image of
    numbers.
    """
    if isinstance(image, Image.Image):
        return image
    array = as_array(image)
    array = channels_last(array, bands) if array.ndim == 3 else array
    is_colour = array.ndim == 3 and (bands is not None or array.shape[2] in CHANNELS)
    is_picture = array.ndim == 2 or is_colour
    if array.dtype.kind not in "buif" or not is_picture or 0 in array.shape:
        raise AutoencodeError(
            f"expected a picture (H, W) or (H, W, C) with C 1, 3 or 4, received {array.dtype} "
            f"{array.shape}"
        )
    return array


def open_items(name: str, items: Sequence[Any], bands: tuple[int, ...] | None = None) -> Dataset:
    """Return the dataset of pictures that are all at hand; those of one shape and dtype become one
    array.

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
