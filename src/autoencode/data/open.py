"""A path, a name or an array is opened as a `Dataset`: the one place where it is decided what a source is.

A source is a name (`NAMES`), `hf:OWNER/NAME`, the path of a folder, archive, table, array, IDX file or packed store, a
CSV file with a column of paths, a NumPy array, `Images`, or what `memory` reads. Each kind has a file beside this one,
imported when it is needed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode.config import DataConfig
from autoencode.data.preprocessing import parse_bands
from autoencode.errors import AutoencodeError, UsageError, unknown
from autoencode.images import Images, Unused

if TYPE_CHECKING:
    from autoencode.data.dataset import Dataset, Progress

Source = Any  # a name, a path, an array, `Images`, or what `memory` reads
NAMES = ("mnist", "fashion_mnist", "cifar10", "cifar100")
BUILT_IN = "builtin:"  # before a name, where a path of that name exists
KINDS = "a folder, .zip, .tar, .parquet, .npz, .npy, .csv of paths, IDX file, a picture or a packed store"
PLAIN = {"size": "auto", "colour": "auto", "range": "auto", "bands": "all", "transpose": False}
IDX_DEPTH = 2  # folders below a source, in which IDX files are looked for


@dataclass(frozen=True)
class Location:
    """What a source is: `kind` is named, hub, path, idx or object. `name` is what it is called, `path` where it lies."""

    kind: str
    name: str
    path: Path | None = None
    note: str = ""


def locate(source: Source) -> Location:
    """Return what `source` is, without opening it; raise `UsageError` at once where there is no such source.

    A path that exists goes before a name.
    """
    if isinstance(source, Images):
        return Location("object", source.name)
    if isinstance(source, np.ndarray):
        return Location("object", "array")
    if isinstance(source, (bytes, bytearray)) or source is None or isinstance(source, (int, float)):
        raise UsageError(
            "a source is a name, a path, a NumPy array, a list of paths or pictures, or an autoencode.Images, received "
            f"{source!r:.80}."
        )
    if not isinstance(source, (str, os.PathLike)):
        return Location("object", type(source).__name__)
    return _locate_word(str(source))


def _locate_word(word: str) -> Location:
    if not word:
        raise UsageError(
            "the source is empty: name a path or a dataset; the current folder is '.'."
        )
    path = Path(word).expanduser()
    if path.exists():
        is_name = word in NAMES
        note = (
            f"{word} is taken for the path, and not for the built-in dataset, which is {BUILT_IN}{word}"
            if is_name
            else ""
        )
        return Location("path", str(path), path, note)
    if word.removeprefix(BUILT_IN) in NAMES:
        return Location("named", word.removeprefix(BUILT_IN))
    if word.startswith("hf:"):
        return Location("hub", word)
    if path.parent.is_dir() and _idx_group(path) is not None:
        return Location("idx", str(path), path)

    error = str(unknown("source", word, NAMES))[:-1]
    raise UsageError(f"{error}, hf:OWNER/NAME, or the path of {KINDS}; {_why_nothing(word)}.")


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

    if isinstance(source, Dataset):
        return source
    config = config or DataConfig()
    location = locate(source)
    dataset = _open(source, location, config)
    _check_bands(dataset, config)
    if location.note:
        dataset.notes.insert(0, location.note)
    return dataset


def _check_bands(dataset: Dataset, config: DataConfig) -> None:
    """Raise `AutoencodeError` where arrays have no such channels; of pictures, each is looked at by itself."""
    from autoencode.data.preprocessing import parse_bands

    bands = parse_bands(config.bands)
    if bands is None:
        return
    from autoencode.data.arrays import check_channels

    for array in getattr(dataset, "arrays", {}).values():
        check_channels(array, dataset.name, bands)


def _open(source: Source, location: Location, config: DataConfig) -> Dataset:
    if location.kind == "named":
        return as_dataset(load_named(location.name))
    if location.kind == "hub":
        return import_module("autoencode.data.tables").HubDataset(location.name[3:])
    if location.kind == "idx":
        name, files = _idx_group(location.path)
        return _open_idx(name, files, config)
    if location.kind == "path":
        try:
            is_folder = location.path.is_dir()
            return (
                _open_folder(location.path, config)
                if is_folder
                else _open_file(location.path, config)
            )
        except OSError as error:
            raise AutoencodeError(
                f"{location.path} cannot be read ({error.strerror or error})."
            ) from error
    return _open_object(source, config)


def load(
    source: Source, config: DataConfig | None = None, progress: Progress | None = None
) -> Images:
    """Return the images of `source`, sized, coloured and scaled as `config` says.

    `progress` is given how many of how many images are done. Raises `UsageError` for an unknown source and
    `AutoencodeError` for one that cannot be read.

    >>> load("mnist").train.shape
    (60000, 28, 28, 1)
    """
    config = config or DataConfig()
    if changes_no_pixel(
        config
    ):  # what follows is not even imported: 0.05 s of the original tutorial's job
        if isinstance(source, Images):
            return source
        if isinstance(source, str) and locate(source).kind == "named":
            return load_named(locate(source).name)
    return import_module("autoencode.data.loading").load_dataset(
        open_dataset(source, config), config, progress
    )


def changes_no_pixel(config: DataConfig) -> bool:
    """Whether images that are ready stay as they are."""
    return all(getattr(config, name) == value for name, value in PLAIN.items())


def load_named(name: str) -> Images:
    """Return the images of one of `NAMES`."""
    if name == "mnist":
        return import_module("autoencode.data.mnist").load()
    return import_module("autoencode.data.keras_datasets").load(name)


def as_dataset(images: Images) -> Dataset:
    """Return images that are ready, so that they can be sized, packed or streamed."""
    from autoencode.data.dataset import ArrayDataset
    from autoencode.data.scaling import EIGHT_BITS, Scale

    found = [
        {part: getattr(images, f"{part}{kind}") for part in images.parts}
        for kind in ("", "_labels", "_names")
    ]
    rows, labels, names = (
        held if all(one is not None for one in held.values()) else None for held in found
    )
    scale = Scale.from_record(images.ranges) if images.ranges else Scale({"uint8": EIGHT_BITS})
    dataset = ArrayDataset(
        images.name, rows, labels or {}, images.classes, names, images.notes, scale
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
            "a source is a name, a path, a NumPy array, a list of paths or pictures, or an autoencode.Images, received "
            f"{type(source).__name__}."
        )
    return dataset


# Folders


def _open_folder(path: Path, config: DataConfig) -> Dataset:
    """What a folder is: pictures where it holds any, else IDX files, tables, arrays or archives.

    Where it holds pictures and a set in another form, the one with more images is taken, and the other named.
    """
    from autoencode.data import archives, folders, formats, picture_files

    name = path.resolve().name or "folder"
    folder = folders.Folder(path)
    by_kind: dict[str, list[Path]] = {}
    count = 0
    for member in folder.members:
        ending = member.ending
        count += ending in formats.PICTURES or ending in formats.HEIF
        kind = formats.kind_of(ending, member.path[-1])
        if kind and len(member.path) <= IDX_DEPTH + 1:
            by_kind.setdefault(kind, []).append(folder.path_of(member.number))

    idx_groups = _group_idx(by_kind.get("idx", ()))
    complete = {key: files for key, files in idx_groups.items() if "train" in files}
    if complete and not _has_more_pictures(complete, count):
        return _with_rest(_open_idx_groups(path, name, complete, config), folder, by_kind["idx"])

    tables = []
    if "parquet" in by_kind:
        tables, rows = import_module("autoencode.data.tables").count_pictures(by_kind["parquet"])
        if tables and (rows >= count > 0 or not count):
            dataset = import_module("autoencode.data.tables").ParquetDataset(name, tables, path)
            return _with_rest(dataset, folder, tables)

    bands = parse_bands(config.bands)
    options = {"frames": config.frames, "masks": config.include_masks, "bands": bands}
    if count:
        return picture_files.FileDataset(folder, **options)
    if "archive" in by_kind:
        shards = sorted(by_kind["archive"])
        dataset = picture_files.FileDataset(archives.Shards(name, shards), **options)
        if len(dataset):
            return _with_rest(dataset, folder, shards)
    if "npy" in by_kind:
        return picture_files.FileDataset(folder, **options, reads_arrays=True)
    if "npz" in by_kind and len(by_kind["npz"]) == 1:
        return _with_rest(_open_file(by_kind["npz"][0], config), folder, by_kind["npz"])
    return picture_files.FileDataset(folder, **options)


def _with_rest(dataset: Dataset, folder: Any, used: list[Path]) -> Dataset:
    """Account for the other files of a folder: those that are pictures or tables too, and all else."""
    taken = {str(path) for path in used}
    rest = [member for member in folder.members if str(folder.path_of(member.number)) not in taken]
    if rest:
        names = tuple(member.name for member in rest)
        dataset.unused.append(Unused("other files", len(rest), names))
    dataset.skipped += folder.skipped
    dataset.unused += folder.unused
    return dataset


# IDX files


def _group_idx(paths: Any) -> dict[str, dict[str, Path]]:
    """The IDX files at `paths` by set and part: a folder may hold several sets, as EMNIST's does."""
    from autoencode.data import idx

    groups: dict[str, dict[str, Path]] = {}
    for path in sorted(path for path in paths if idx.NAME.match(path.name)):
        word, part = idx.parse_name(path.name)
        key = str(path.parent / word) if word else str(path.parent)
        # Of a file and the same unpacked, the first.
        groups.setdefault(key, {}).setdefault(part, path)
    return groups


def _idx_group(path: Path) -> tuple[str, dict[str, Path]] | None:
    """The IDX files of which `path` is the beginning of the names, as gzip/emnist-letters is."""
    from autoencode.data import idx

    files = [
        file
        for file in path.parent.iterdir()
        if file.name.startswith(path.name) and idx.NAME.match(file.name)
    ]
    groups = {key: found for key, found in _group_idx(files).items() if "train" in found}
    exact = groups.get(str(path))
    if exact is not None:
        return path.name, exact
    return (path.name, next(iter(groups.values()))) if len(groups) == 1 else None


def _has_more_pictures(groups: dict[str, dict[str, Path]], count: int) -> bool:
    from autoencode.data import idx

    return count > max(idx.count(files["train"]) for files in groups.values())


def _open_idx_groups(
    path: Path, name: str, groups: dict[str, dict[str, Path]], config: DataConfig
) -> Dataset:
    if len(groups) > 1:
        names = sorted(groups)
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise UsageError(
            f"{path} holds {len(names)} sets of IDX files, and one at a time is read: name one of {shown}."
        )
    return _open_idx(name, next(iter(groups.values())), config)


def _open_idx(name: str, files: dict[str, Path], config: DataConfig) -> Dataset:
    from autoencode.data import arrays, idx

    parts = {part: idx.read(file) for part, file in files.items()}
    return arrays.open_arrays(name, parts, parse_bands(config.bands))


# Files


def _open_file(path: Path, config: DataConfig) -> Dataset:
    from autoencode.data import (
        archives,
        arrays,
        folders,
        formats,
        idx,
        path_tables,
        picture_files,
        store,
    )

    if not path.is_file():
        raise AutoencodeError(
            f"{path} is a pipe, a socket or a device: save what it gives as a file, and name that."
        )
    head = _read_head(path)
    ending = formats.ending_of(path.name) or formats.sniff_ending(head)
    options = {"frames": config.frames, "masks": True}
    if store.is_store(path):
        return as_dataset(store.open_store(path))
    if ending in (".npy", ".npz") or head.startswith(b"\x93NUMPY"):
        found, notes = arrays.load_arrays(path)
        return arrays.open_arrays(path.stem, found, parse_bands(config.bands), notes)
    if ending in formats.PICTURES or ending in formats.HEIF:
        dataset = picture_files.FileDataset(folders.Paths(path.stem, [path]), **options)
        return dataset
    if head.startswith(b"PAR1"):
        return import_module("autoencode.data.tables").ParquetDataset(path.stem, [path])
    if head.startswith(b"PK"):
        return _open_archive(archives.Zip(path), path, config)
    if idx.matches(path):
        name = path.name.split(".")[0]
        return arrays.open_arrays(name, {"train": idx.read(path)}, parse_bands(config.bands))
    if why := formats.why_not_read(path.name, ending, head):
        raise AutoencodeError(f"{path} is not read: {why}.")
    if ending in (".csv", ".tsv"):
        return path_tables.open_table_of_paths(path, config)
    if ending in formats.ARCHIVES or archives.is_tar(path):
        return _open_archive(archives.Tar(path), path, config)
    raise AutoencodeError(f"{path} is none of what a source can be: expected {KINDS}.")


def _open_archive(archive: Any, path: Path, config: DataConfig) -> Dataset:
    from autoencode.data import formats, picture_files

    bands = parse_bands(config.bands)
    options = {"frames": config.frames, "masks": config.include_masks, "bands": bands}
    dataset = picture_files.FileDataset(archive, **options)
    if len(dataset) or dataset.skipped:
        return dataset
    dataset = picture_files.FileDataset(archive, **options, reads_arrays=True)
    if len(dataset):
        return dataset
    inner = [member.name for member in archive.members if member.ending in formats.ARCHIVES]
    data = [
        member.name for member in archive.members if formats.kind_of(member.ending, member.path[-1])
    ]
    if inner:
        raise AutoencodeError(
            f"{path} holds no picture but {len(inner):,} {'archive' if len(inner) == 1 else 'archives'} ({inner[0]}), "
            "which are not read within another: unpack it, and name the folder."
        )
    if data:
        raise AutoencodeError(
            f"{path} holds no picture but {data[0]}: unpack it, and name that file or its folder."
        )
    return dataset


def _read_head(path: Path) -> bytes:
    from autoencode.data import formats

    with path.open("rb") as file:
        return file.read(formats.HEAD_BYTES * 16)
