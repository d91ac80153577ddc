"""Pictures in tables, as Hugging Face writes them: Parquet files with an image column, and sets by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from autoencode.data.archives import PARTS, Entry, shown, stamp_of
from autoencode.data.decode import Unreadable
from autoencode.errors import AutoencodeError, reason
from autoencode.files import check_unpacked

IMAGE_COLUMNS = ("image", "img", "picture", "jpg", "png")
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target")
MOST_ROWS, LEAST_ROW = 2**17, 16  # rows that any file may announce; bytes of a row in one with more
BATCH = 256  # rows in memory at a time


class Parquet:
    """The pictures in the image column of Parquet files, row by row; the files' names may tell train from test."""

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        self._parquet = _needed("pyarrow.parquet", "parquet")
        self.name, self.skipped, self._paths = name, [], sorted(paths)
        self.entries, self._counts = [], []
        for path in self._paths:
            self._list(path)

    def _list(self, path: Path) -> None:
        try:
            file = self._parquet.ParquetFile(path)
            column = _column(file.schema_arrow, path)
            _check_announced(file.metadata, path.stat().st_size)
            label = _label_column(file.schema_arrow.names)
            labels = file.read([label])[label].to_pylist() if label else [None] * file.metadata.num_rows
            names = _names(file.read([f"{column}.path"]), column)
        except AutoencodeError:
            raise
        except Exception as error:  # pyarrow has a dozen kinds for damaged files
            raise AutoencodeError(
                f"{path} cannot be read as Parquet ({reason(error)}): expected a whole file."
            ) from error
        part = next((PARTS[word] for word in re.split(r"[-_.]", path.stem.lower()) if word in PARTS), None)
        self._counts.append((len(labels), column))
        self.entries += _entries(shown(path.name), part, names, labels)

    def read(self, indices: Sequence[int]) -> Iterator[bytes | Unreadable]:
        """Give the contents of the image column."""
        wanted, start = set(indices), 0
        for path, (count, column) in zip(self._paths, self._counts, strict=True):
            if wanted.intersection(range(start, start + count)):
                yield from self._contents(path, column, start, wanted)
            start += count

    def _contents(self, path: Path, column: str, start: int, wanted: set[int]) -> Iterator[bytes | Unreadable]:
        position = start
        try:
            for batch in self._parquet.ParquetFile(path).iter_batches(BATCH, columns=[column]):
                for value in batch.column(0):
                    if position in wanted:
                        found = value.as_py()
                        content = found.get("bytes") if isinstance(found, dict) else found
                        yield content if isinstance(content, bytes) else Unreadable("the row holds no picture")
                    position += 1
        except Exception as error:
            raise AutoencodeError(f"{path} is damaged ({reason(error)}): expected a whole Parquet file.") from error

    def stamp(self) -> list:
        """Size and time of each file."""
        return [stamp_of(path) for path in self._paths]


def _check_announced(metadata: Any, size: int) -> None:
    """Raise `ValueError` where a file announces more than one of `size` bytes can hold, and would fill memory."""
    if metadata.num_rows > max(MOST_ROWS, size // LEAST_ROW):
        raise ValueError(f"it announces {metadata.num_rows:,} rows in {size:,} bytes")
    check_unpacked(sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)), size)


def _column(schema: Any, path: Path) -> str:
    held = {field.name: str(field.type) for field in schema}
    usable = [name for name, kind in held.items() if "binary" in kind]
    for name in (*IMAGE_COLUMNS, *usable):
        if name in usable:
            return name
    raise AutoencodeError(f"{path}: expected a column of pictures as bytes, it holds {', '.join(held) or 'none'}.")


def _names(table: Any, column: str) -> list[str | None]:
    """The names of the picture files that the rows were made of, where `column` has them in a field `path`."""
    import pyarrow.compute

    kind = table.schema.field(column).type if column in table.column_names else None
    if kind is None or not pyarrow.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return [None] * table.num_rows
    found = pyarrow.compute.struct_field(table[column], "path").to_pylist()
    return [shown(name) if isinstance(name, str) else None for name in found]


def _entries(where: str, part: str | None, names: Sequence[str | None], labels: Sequence[Any]) -> list[Entry]:
    """The rows of a table called `where`: a picture without a name is called by its row."""
    return [
        Entry(name or f"{where} row {row}", part, None if label is None else str(label))
        for row, (name, label) in enumerate(zip(names, labels, strict=True))
    ]


def _label_column(names: Collection[str]) -> str | None:
    return next((name for name in LABEL_COLUMNS if name in names), None)


class HuggingFace:
    """A set of the Hugging Face Hub by name, OWNER/NAME, through the library `datasets`."""

    def __init__(self, name: str) -> None:
        datasets = _needed("datasets", "hf")
        self.name, self.skipped = name.split("/")[-1], []
        try:
            found = datasets.load_dataset(name)
        except Exception as error:  # network, unknown name, broken files: each with its own kind
            raise AutoencodeError(
                f"hf:{name} could not be loaded ({reason(error)}): expected hf:OWNER/NAME of a public set and a network."
            ) from error
        self.entries, self._splits = [], []
        for split, rows in found.items():
            column = next((key for key, kind in rows.features.items() if isinstance(kind, datasets.Image)), None)
            if column is None:
                raise AutoencodeError(f"hf:{name}: expected a column of pictures, it holds {', '.join(rows.features)}.")
            label = _label_column(rows.features)
            labels = rows[label] if label else [None] * len(rows)
            names = _names(rows.data, column)
            self._splits.append((rows.cast_column(column, datasets.Image(decode=False)), column))
            self.entries += _entries(split, PARTS.get(split), names, labels)

    def read(self, indices: Sequence[int]) -> Iterator[bytes | str | Unreadable]:
        """Give the pictures, as content or as the path that the library keeps them under."""
        start, ends = 0, []
        for rows, column in self._splits:
            ends.append((start, start + len(rows), rows, column))
            start += len(rows)
        for index in indices:
            first, _, rows, column = next(end for end in ends if index < end[1])
            found = rows[index - first][column] or {}
            yield found.get("bytes") or found.get("path") or Unreadable("the row holds no picture")

    def stamp(self) -> list:
        """The library's fingerprints of the splits."""
        return [rows._fingerprint for rows, _ in self._splits]


def _needed(module: str, extra: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise AutoencodeError(
            f"this source needs {package}, which is not installed; install it with: pip install 'autoencode[{extra}]'"
        ) from error
