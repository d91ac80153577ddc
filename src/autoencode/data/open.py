"""Room 1: a word on the command line becomes images. Knows files and pictures, no model and no framework.

A source is a name (`NAMES`), `hf:OWNER/NAME`, the path of a folder, archive, table, array, IDX file or packed store, a
NumPy array, or `Images`. Each kind has a file beside this one, imported when it is needed.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autoencode.config import Config
from autoencode.errors import AutoencodeError, UsageError, unknown
from autoencode.images import Images

if TYPE_CHECKING:
    from autoencode.data.loading import Progress, Rows

Source = str | Path | np.ndarray | Images
NAMES = ("mnist", "fashion_mnist", "cifar10", "cifar100")
KINDS = "a folder, .zip, .tar, .parquet, .npz, .npy, IDX file, a picture or a packed store"


def find(source: Source) -> str:
    """Return what `source` is called; raise `UsageError` at once where there is no such source."""
    if isinstance(source, Images):
        return source.name
    if isinstance(source, np.ndarray):
        return "array"
    if not isinstance(source, (str, Path)):
        raise UsageError(
            f"a source is a name, a path, a NumPy array or an autoencode.Images, received {type(source).__name__}."
        )
    word = str(source)
    if word not in NAMES and not word.startswith("hf:") and not Path(word).exists():
        error = unknown("source", word, NAMES)
        raise UsageError(f"{str(error)[:-1]}, hf:OWNER/NAME, or the path of {KINDS}; there is nothing at {word!r}.")
    return word


def load(
    source: Source | Rows,
    config: Config | None = None,
    progress: Progress | None = None,
) -> Images:
    """Return the images of `source`, sized and coloured as `config` says.

    `progress` is told how many of how many pictures are done. Raises `UsageError` for an unknown source and
    `AutoencodeError` for one that cannot be read.

    >>> load("mnist").train.shape
    (60000, 28, 28, 1)
    """
    from autoencode.data import loading

    config = config or Config()
    found = source if isinstance(source, (loading.PictureRows, loading.ArrayRows)) else open_source(source)
    if isinstance(found, Images):
        if config.size == config.colour == "auto":
            return found
        found = as_rows(found)
    return loading.load(found, config, progress)


def pack(
    source: Source,
    path: Path,
    config: Config,
    progress: Progress | None = None,
) -> Images:
    """Write `source`, sized and coloured as `config` says, into a packed store and return the store's images.

    A packing of the same that was cut off is continued. Raises as `load` does, and `AutoencodeError` where `path`
    cannot be written or is there already.
    """
    from autoencode.data import loading, preprocessing

    preprocessing.check(config.size, config.fit, config.colour)
    if path.exists():
        raise AutoencodeError(f"{path} is there already: choose another file, or remove it.")
    found = open_source(source)
    rows = as_rows(found) if isinstance(found, Images) else found
    return loading.pack(rows, config, path, progress)


def open_source(source: Source) -> Images | Rows:
    """Return `source` as images where it holds them ready, else as rows that are still to be decoded or parted."""
    word = find(source)
    if isinstance(source, Images):
        return source
    if word == "mnist":
        return import_module("autoencode.data.mnist").load()
    if word in NAMES:
        return import_module("autoencode.data.keras_datasets").load(word)
    from autoencode.data import arrays, loading

    if not isinstance(source, (str, Path)):
        return loading.ArrayRows("array", {"train": arrays.pixels(source, "array")}, {})
    if word.startswith("hf:"):
        return loading.PictureRows(import_module("autoencode.data.tables").HuggingFace(word[3:]))
    path = Path(word)
    return _open_folder(path) if path.is_dir() else _open_file(path)


def as_rows(images: Images) -> Rows:
    """Return ready images as rows, so that they can be sized, packed or streamed."""
    from autoencode.data import loading

    found = [{part: getattr(images, f"{part}{kind}") for part in images.parts} for kind in ("", "_labels", "_names")]
    rows, labels, names = (held if all(one is not None for one in held.values()) else None for held in found)
    labels = {f"{part}_labels": held for part, held in (labels or {}).items()}
    return loading.ArrayRows(images.name, rows, labels, images.classes, names, images.notes)


def _open_folder(path: Path) -> Images | Rows:
    from autoencode.data import archives, idx, loading

    try:
        found, tables = idx.find(path), sorted(path.rglob("*.parquet"))
    except OSError as error:
        raise AutoencodeError(f"{path} cannot be read ({error.strerror}).") from error
    if found:
        return _assemble(path.resolve().name, {part: idx.read(file) for part, file in found.items()})
    if tables:
        return loading.PictureRows(import_module("autoencode.data.tables").Parquet(path.resolve().name, tables))
    return loading.PictureRows(archives.Folder(path))


def _open_file(path: Path) -> Images | Rows:
    from autoencode.data import archives, arrays, decode, idx, loading, store

    head = _head(path)
    if path.suffix.lower() in decode.SUFFIXES:
        return loading.PictureRows(archives.Single(path))
    if store.is_store(path):
        return store.open_store(path)
    if path.suffix in (".npy", ".npz") or head.startswith(b"\x93NUMPY"):
        return _assemble(path.stem, arrays.load(path))
    if head.startswith(b"PAR1"):
        return loading.PictureRows(import_module("autoencode.data.tables").Parquet(path.stem, [path]))
    if head.startswith(b"PK"):
        return loading.PictureRows(archives.Zip(path))
    if idx.matches(path):
        return _assemble(path.name.split(".")[0], {"train": idx.read(path)})
    if ".tar" in path.suffixes or path.suffix == ".tgz" or archives.is_tar(path):
        return loading.PictureRows(archives.Tar(path))
    raise AutoencodeError(f"{path} is none of what a source can be: expected {KINDS}.")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise AutoencodeError(f"{path} cannot be read ({error.strerror}).") from error


def _assemble(name: str, parts: dict[str, np.ndarray]) -> Images | Rows:
    from autoencode.data import arrays, loading

    found = arrays.assemble(name, parts)
    if found.test is not None:
        return Images(name, found.train, found.test, **found.labels, classes=found.classes, notes=found.notes)
    return loading.ArrayRows(name, {"train": found.train}, found.labels, found.classes, notes=found.notes)
