"""What a folder or a file is, by its names and first bytes, and the dataset of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoencode.config import DataConfig
from autoencode.data import (
    archives,
    array_files,
    arrays,
    folders,
    formats,
    idx,
    path_tables,
    picture_files,
    store,
    tables,
)
from autoencode.data.idx_sets import find_idx_set, group_idx_files, has_more_pictures
from autoencode.data.open import KINDS, as_dataset
from autoencode.data.preprocessing import parse_bands
from autoencode.errors import AutoencodeError, UsageError
from autoencode.images import Unused

if TYPE_CHECKING:
    from autoencode.data.dataset import Dataset

# Folders below a source, in which IDX files are looked for.
IDX_DEPTH = 2


def open_folder(path: Path, config: DataConfig) -> Dataset:
    """Return the dataset of a folder: pictures where it holds any, else IDX files, tables, arrays
    or archives.

    Where it holds pictures and a set in another form, the one with more images is taken, and the
    other named.
    """
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

    idx_groups = group_idx_files(by_kind.get("idx", ()))
    complete = {key: files for key, files in idx_groups.items() if "train" in files}
    if complete and not has_more_pictures(complete, count):
        return _with_rest(_open_idx_groups(path, name, complete, config), folder, by_kind["idx"])

    if "parquet" in by_kind:
        paths, rows = tables.count_pictures(by_kind["parquet"])
        if paths and (rows >= count > 0 or not count):
            dataset = tables.ParquetDataset(name, paths, path)
            return _with_rest(dataset, folder, paths)

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
        return _with_rest(open_file(by_kind["npz"][0], config), folder, by_kind["npz"])
    return picture_files.FileDataset(folder, **options)


def _with_rest(dataset: Dataset, folder: Any, used: list[Path]) -> Dataset:
    """Account for the other files of a folder, be they pictures, tables or anything else."""
    taken = {str(path) for path in used}
    rest = [member for member in folder.members if str(folder.path_of(member.number)) not in taken]
    if rest:
        names = tuple(member.name for member in rest)
        dataset.unused.append(Unused("other files", len(rest), names))
    dataset.skipped += folder.skipped
    dataset.unused += folder.unused
    return dataset


def _open_idx_groups(
    path: Path, name: str, groups: dict[str, dict[str, Path]], config: DataConfig
) -> Dataset:
    if len(groups) > 1:
        names = sorted(groups)
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise UsageError(
            f"{path} holds {len(names)} sets of IDX files, and one at a time is read: name one of "
            f"{shown}."
        )
    return _open_idx(name, next(iter(groups.values())), config)


def open_idx_set(path: Path, config: DataConfig) -> Dataset:
    """Return the set of IDX files whose names begin with `path`, as `find_idx_set` finds it."""
    found = find_idx_set(path)
    # `path` was looked for before.
    assert found is not None
    name, files = found
    return _open_idx(name, files, config)


def _open_idx(name: str, files: dict[str, Path], config: DataConfig) -> Dataset:
    parts = {part: idx.read(file) for part, file in files.items()}
    return arrays.open_arrays(name, parts, parse_bands(config.bands))


def open_file(path: Path, config: DataConfig) -> Dataset:
    """Return the dataset of a file of any kind that is read.

    Raises `AutoencodeError` where it is damaged or of another kind, with what to do about it.
    """
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
        found, notes = array_files.load_arrays(path)
        return arrays.open_arrays(path.stem, found, parse_bands(config.bands), notes)
    if ending in formats.PICTURES or ending in formats.HEIF:
        return picture_files.FileDataset(folders.Paths(path.stem, [path]), **options)
    if head.startswith(b"PAR1"):
        return tables.ParquetDataset(path.stem, [path])
    if head.startswith(b"PK"):
        return _open_archive(archives.Zip(path), path, config)
    if idx.matches(path):
        name = path.name.split(".")[0]
        return arrays.open_arrays(name, {"train": idx.read(path)}, parse_bands(config.bands))
    why = formats.why_not_read(path.name, ending, head)
    if why:
        raise AutoencodeError(f"{path} is not read: {why}.")
    if ending in (".csv", ".tsv"):
        return path_tables.open_table_of_paths(path, config)
    if ending in formats.ARCHIVES or archives.is_tar(path):
        return _open_archive(archives.Tar(path), path, config)
    raise AutoencodeError(f"{path} is invalid as a source: expected {KINDS}.")


def _open_archive(archive: Any, path: Path, config: DataConfig) -> Dataset:
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
        count = "1 archive" if len(inner) == 1 else f"{len(inner):,} archives"
        raise AutoencodeError(
            f"{path} holds no picture but {count} ({inner[0]}), "
            "which are not read within another: unpack it, and name the folder."
        )
    if data:
        raise AutoencodeError(
            f"{path} holds no picture but {data[0]}: unpack it, and name that file or its folder."
        )
    return dataset


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(formats.HEAD_BYTES * 16)
