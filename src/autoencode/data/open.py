"""A path, a name or an array is opened as a `Dataset`: the one place where it is decided what a
source is.

A source is a name (`NAMES`), `hf:OWNER/NAME`, the path of a folder, archive, table, array, IDX file
or packed store, a CSV file with a column of paths, a NumPy array, `Images`, or what `memory` reads.
What a path holds is decided in `open_files`. Each kind has a file beside this one, imported when it
is needed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode.config import DataConfig
from autoencode.data.preprocessing import parse_bands
from autoencode.errors import AutoencodeError, UsageError, unknown
from autoencode.images import Images

if TYPE_CHECKING:
    from autoencode.data.dataset import Dataset, Progress

# A name, a path, an array, `Images`, or what `memory` reads.
Source = Any
NAMES = ("mnist", "fashion_mnist", "cifar10", "cifar100")
# Stands before a name where a path of that name exists.
BUILT_IN = "builtin:"
KINDS = (
    "a folder, .zip, .tar, .parquet, .npz, .npy, .csv of paths, IDX file, "
    "a picture or a packed store"
)
PLAIN = {"size": "auto", "colour": "auto", "range": "auto", "bands": "all", "transpose": False}


@dataclass(frozen=True)
class Location:
    """What a source is: `kind` is named, hub, path, idx or object.

    `name` is what it is called, `path` where it lies, `source` the object itself. Taken wherever a
    source is, so that none is looked for twice.
    """

    kind: str
    name: str
    path: Path | None = None
    note: str = ""
    source: Any = field(default=None, repr=False, compare=False)

    @property
    def absolute_path(self) -> str | None:
        """The path for another process, which may work in another folder; None without a path."""
        return None if self.path is None else str(self.path.resolve())


def locate(source: Source) -> Location:
    """Return what `source` is, without opening it; raise `UsageError` at once where there is no
    such source.

    A path that exists goes before a name.
    """
    if isinstance(source, Location):
        return source
    if isinstance(source, Images):
        return Location("object", source.name, source=source)
    if isinstance(source, np.ndarray):
        return Location("object", "array", source=source)
    if isinstance(source, (bytes, bytearray)) or source is None or isinstance(source, (int, float)):
        raise UsageError(
            "a source is a name, a path, a NumPy array, a list of paths or pictures, or an "
            "autoencode.Images, received "
            f"{source!r:.80}."
        )
    if not isinstance(source, (str, os.PathLike)):
        return Location("object", type(source).__name__, source=source)
    return _locate_word(str(source))


def _locate_word(word: str) -> Location:
    if not word:
        raise UsageError(
            "the source is empty: name a path or a dataset; the current folder is '.'."
        )
    path = Path(word).expanduser()
    if path.exists():
        note = ""
        if word in NAMES:
            note = (
                f"{word} is taken for the path, and not for the built-in dataset, which is "
                f"{BUILT_IN}{word}"
            )
        return Location("path", str(path), path, note)
    if word.removeprefix(BUILT_IN) in NAMES:
        return Location("named", word.removeprefix(BUILT_IN))
    if word.startswith("hf:"):
        return Location("hub", word)
    if path.parent.is_dir() and _is_idx_set(path):
        return Location("idx", str(path), path)

    error = str(unknown("source", word, NAMES))[:-1]
    raise UsageError(f"{error}, hf:OWNER/NAME, or the path of {KINDS}; {_why_nothing(word)}.")


def _is_idx_set(path: Path) -> bool:
    from autoencode.data.idx_sets import find_idx_set

    return find_idx_set(path) is not None


def _why_nothing(word: str) -> str:
    if word.startswith("file://"):
        return f"{word!r} is an address: name the path alone, {word.removeprefix('file://')!r}"
    if "://" in word:
        return f"{word!r} is an address: download it first"
    if any(sign in word for sign in "*?["):
        return f"{word!r} is a pattern: name the folder itself"
    return f"there is nothing at {word!r}"


def find(source: Source) -> str:
    """Return what `source` is called; raise `UsageError` at once where there is no such source."""
    return locate(source).name


def open_dataset(source: Source, config: DataConfig | None = None) -> Dataset:
    """Return `source`, opened and listed but not yet decoded, as `config` says.

    Raises `UsageError` for an unknown source and `AutoencodeError` for one that cannot be read.
    """
    from autoencode.data.dataset import Dataset

    config = config or DataConfig()
    location = locate(source)
    if isinstance(location.source, Dataset):
        return location.source
    dataset = _open(location, config)
    _check_bands(dataset, config)
    if location.note:
        dataset.notes.insert(0, location.note)
    return dataset


def _check_bands(dataset: Dataset, config: DataConfig) -> None:
    """Raise `AutoencodeError` where arrays have no such channels.

    Of pictures, each is looked at by itself.
    """
    bands = parse_bands(config.bands)
    if bands is None:
        return
    from autoencode.data.array_axes import check_channels

    for array in getattr(dataset, "arrays", {}).values():
        check_channels(array, dataset.name, bands)


def _open(location: Location, config: DataConfig) -> Dataset:
    if location.kind == "named":
        return as_dataset(load_named(location.name))
    if location.kind == "hub":
        return import_module("autoencode.data.hub").HubDataset(location.name[3:])
    if location.path is not None:
        return _open_path(location.kind, location.path, config)
    return _open_object(location.source, config)


def _open_path(kind: str, path: Path, config: DataConfig) -> Dataset:
    from autoencode.data import open_files

    if kind == "idx":
        return open_files.open_idx_set(path, config)
    try:
        if path.is_dir():
            return open_files.open_folder(path, config)
        return open_files.open_file(path, config)
    except OSError as error:
        raise AutoencodeError(f"{path} cannot be read ({error.strerror or error}).") from error


def load(
    source: Source, config: DataConfig | None = None, progress: Progress | None = None
) -> Images:
    """Return the images of `source`, sized, coloured and scaled as `config` says.

    `progress` is given how many of how many images are done. Raises `UsageError` for an unknown
    source and `AutoencodeError` for one that cannot be read.

    >>> load("mnist").train.shape
    (60000, 28, 28, 1)
    """
    config = config or DataConfig()
    # What follows is not even imported: 0.05 s of the original tutorial's job.
    if isinstance(source, (Images, str, Location)) and changes_no_pixel(config):
        source = locate(source)
        if source.kind == "named":
            return load_named(source.name)
        if isinstance(source.source, Images):
            return source.source
    dataset = open_dataset(source, config)
    return import_module("autoencode.data.loading").load_dataset(dataset, config, progress)


def changes_no_pixel(config: DataConfig) -> bool:
    """Return whether images that are ready stay as they are."""
    return all(getattr(config, name) == value for name, value in PLAIN.items())


def load_named(name: str) -> Images:
    """Return the images of one of `NAMES`."""
    if name == "mnist":
        return import_module("autoencode.data.mnist").load()
    return import_module("autoencode.data.keras_datasets").load(name)


def as_dataset(images: Images) -> Dataset:
    """Return images that are ready, so that they can be sized, packed or streamed."""
    from autoencode.data.array_dataset import ArrayDataset
    from autoencode.data.extents import EIGHT_BITS
    from autoencode.data.scaling import Scale

    found = [
        {part: getattr(images, f"{part}{kind}") for part in images.parts}
        for kind in ("_labels", "_names")
    ]
    labels, names = (
        held if all(one is not None for one in held.values()) else None for held in found
    )
    scale = Scale.from_record(images.ranges) if images.ranges else Scale({"uint8": EIGHT_BITS})
    dataset = ArrayDataset(
        images.name, images.parts, labels or {}, images.classes, names, images.notes, scale
    )
    dataset.ready = images
    dataset.skipped += images.skipped
    dataset.unused += images.unused
    return dataset


def _open_object(source: Source, config: DataConfig) -> Dataset:
    from autoencode.data import arrays, memory

    if isinstance(source, Images):
        return as_dataset(source)
    if isinstance(source, np.ndarray):
        return arrays.open_arrays("array", {"train": np.asarray(source)}, parse_bands(config.bands))
    dataset = memory.open_object(source, config)
    if dataset is None:
        raise UsageError(
            "a source is a name, a path, a NumPy array, a list of paths or pictures, or an "
            "autoencode.Images, received "
            f"{type(source).__name__}."
        )
    return dataset
