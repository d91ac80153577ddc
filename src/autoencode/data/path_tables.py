"""Picture files named one by one: a list of paths, or a CSV file with a column of them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoencode.config import DataConfig
from autoencode.data.dataset import Dataset
from autoencode.data.folders import Paths
from autoencode.data.items import name_labels
from autoencode.data.layout import split_word
from autoencode.data.members import show_name
from autoencode.data.picture_files import FileDataset
from autoencode.errors import AutoencodeError, UsageError, reason
from autoencode.images import Skipped

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
# Of a table: the one that its header holds most often.
DELIMITERS = ",;\t"
SPLIT_COLUMNS = ("split", "set", "subset", "partition")


def open_paths(
    name: str, paths: Sequence[Any], labels: Sequence[Any] | None, options: DataConfig
) -> FileDataset:
    """Return the dataset of picture files that were named one by one.

    Raises `UsageError` where one is not there.
    """
    files = [Path(path).expanduser() for path in paths]
    missing = next((file for file in files if not os.path.exists(file)), None)
    if missing is not None:
        raise UsageError(
            f"{name}: there is nothing at {missing}: expected the paths of picture files."
        )
    words, notes = name_labels(name, labels, len(files))
    known = None if labels is None else words
    dataset = FileDataset(Paths(name, files), frames=options.frames, masks=True, labels=known)
    dataset.notes += notes
    return dataset


def open_table_of_paths(path: Path, options: DataConfig) -> Dataset:
    """Return the dataset of a CSV file with a column of paths, and perhaps one of labels and one of
    splits.

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
            f"{path} cannot be read as a table of pictures ({reason(error)}): expected a column "
            "path, and perhaps label."
        ) from error
    columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
    column = next((columns[name] for name in PATH_COLUMNS if name in columns), None)
    if column is None:
        held = ", ".join(list(columns)[:8]) or "nothing"
        raise AutoencodeError(
            f"{path}: expected a column of paths called {', '.join(PATH_COLUMNS[:4])} or image, it "
            f"holds {held}."
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
    """The rows whose file is there, and the others.

    Where there are none, all, so that the first is the error.
    """
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
    name = text or ""
    path = folder / Path(name).expanduser()
    if "\\" in name and not os.path.exists(path):
        return folder / Path(name.replace("\\", "/"))
    return path
