"""Pictures in Parquet files with an image column, as Hugging Face writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autoencode.data import layout
from autoencode.data.decode import MAX_BYTES, Unreadable
from autoencode.data.members import show_name, stamp_of
from autoencode.data.pictures import PictureDataset
from autoencode.data.table_columns import (
    find_label_column,
    import_extra,
    make_entries,
    name_labels,
    read_class_names,
    read_row_names,
)
from autoencode.errors import AutoencodeError, reason
from autoencode.system.files import check_unpacked

IMAGE_COLUMNS = ("image", "img", "picture", "jpg", "png")
# Rows that a file of any size may announce.
MAX_ROWS = 2**17
# Bytes of a row in a file with more rows.
MIN_ROW_BYTES = 16
# Rows in memory at a time.
BATCH = 256
# Bytes in memory at a time, by what the file announces.
BATCH_BYTES = 2**24
# Bytes of a file that are read at a time.
READ_BYTES = 2**20


class ParquetDataset(PictureDataset):
    """The pictures in the image column of Parquet files, row by row.

    The files' names, or those of their folders below `top`, may distinguish train, validation and
    test.
    """

    depth_by_probes = True

    def __init__(self, name: str, paths: Sequence[Path], top: Path | None = None) -> None:
        super().__init__(name)
        self._parquet = import_extra("pyarrow.parquet", "parquet")
        self._paths = sorted(paths)
        self._counts: list[tuple[int, str]] = []
        splits = _splits_of(self._paths, top)
        for path, split in zip(self._paths, splits, strict=True):
            self._list(path, split)

    def _list(self, path: Path, split: str | None) -> None:
        try:
            file = self._parquet.ParquetFile(path)
            column = find_image_column(file.schema_arrow)
            if column is None:
                held = (
                    ", ".join(f"{field.name} ({field.type})" for field in file.schema_arrow)
                    or "nothing"
                )
                raise AutoencodeError(
                    f"{path}: expected a column of pictures as bytes, it holds {held}."
                )
            _check_announced(file.metadata, path.stat().st_size)
            label = find_label_column(file.schema_arrow.names)
            count = file.metadata.num_rows
            labels = file.read([label])[label].to_pylist() if label else [None] * count
            names = read_row_names(file.read([f"{column}.path"]), column)
            classes = read_class_names(file.schema_arrow.metadata, label)
        except AutoencodeError:
            raise
        # pyarrow has a dozen kinds for damaged files.
        except Exception as error:
            raise AutoencodeError(
                f"{path} cannot be read as Parquet ({reason(error)}): expected a whole file."
            ) from error
        others = [name for name in _picture_columns(file.schema_arrow) if name != column]
        note = f"pictures taken from the column {column}; not used: {', '.join(others)}"
        if others and note not in self.notes:
            self.notes.append(note)
        first = len(self.entries)
        self._counts.append((count, column))
        self.entries += make_entries(
            show_name(path.name), split, names, name_labels(labels, classes), first
        )

    def read_files(self, numbers: Sequence[int]) -> Iterator[bytes | Unreadable]:
        """Give the contents of the image column."""
        wanted = set(numbers)
        start = 0
        for path, (count, column) in zip(self._paths, self._counts, strict=True):
            own = {number - start for number in wanted if start <= number < start + count}
            if own:
                yield from self._contents(path, column, own)
            start += count

    def _contents(self, path: Path, column: str, wanted: set[int]) -> Iterator[bytes | Unreadable]:
        """The pictures in the `wanted` rows of a file.

        A value that many rows share is read once.
        """
        position = 0
        try:
            schema = self._parquet.ParquetFile(path).schema_arrow
            leaf = f"{column}.bytes" if "struct" in str(schema.field(column).type) else column
            file = self._parquet.ParquetFile(path, read_dictionary=[leaf], buffer_size=READ_BYTES)
            for group in range(file.metadata.num_row_groups):
                announced = file.metadata.row_group(group)
                rows = max(
                    1,
                    min(
                        BATCH, BATCH_BYTES * announced.num_rows // max(1, announced.total_byte_size)
                    ),
                )
                for batch in file.iter_batches(rows, row_groups=[group], columns=[leaf]):
                    values = batch.column(0)
                    values = values.field("bytes") if leaf != column else values
                    for row in range(len(values)):
                        if position in wanted:
                            yield _content(values[row])
                        position += 1
        except Exception as error:
            raise AutoencodeError(
                f"{path} is damaged ({reason(error)}): expected a whole Parquet file."
            ) from error

    def stamp(self) -> list:
        """Size and time of each file."""
        return [stamp_of(path) for path in self._paths]


def _content(value: Any) -> bytes | Unreadable:
    # Of a dictionary, the value that it stands for.
    value = getattr(value, "value", value)
    if value is None or not value.is_valid or not hasattr(value, "as_buffer"):
        return Unreadable("the row holds no picture")
    size = value.as_buffer().size
    if size > MAX_BYTES:
        return Unreadable(f"it holds {size:,} bytes, more than {MAX_BYTES:,}")
    return value.as_py()


def _splits_of(paths: Sequence[Path], top: Path | None) -> list[str | None]:
    """What the names of the files, or else of the folders they lie in, say of train, validation and
    test.
    """
    by_name = [layout.split_word(path.stem) for path in paths]
    if any(by_name) or top is None:
        return by_name
    path_labels = layout.read_path_labels([path.relative_to(top).parts for path in paths])
    return [labels.split for labels in path_labels]


def _check_announced(metadata: Any, size: int) -> None:
    """Raise `ValueError` where a file announces more than one of `size` bytes can hold, and would
    fill memory.
    """
    if metadata.num_rows > max(MAX_ROWS, size // MIN_ROW_BYTES):
        raise ValueError(f"it announces {metadata.num_rows:,} rows in {size:,} bytes")
    check_unpacked(
        sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)),
        size,
    )


def find_image_column(schema: Any) -> str | None:
    """Return the column of a table that holds pictures as bytes, if there is one."""
    usable = _picture_columns(schema)
    return next((name for name in (*IMAGE_COLUMNS, *usable) if name in usable), None)


def _picture_columns(schema: Any) -> list[str]:
    """The columns of bytes, and of records with `bytes` among their fields.

    Columns of lists are not among them.
    """
    found = []
    for field in schema:
        kind = str(field.type)
        if kind.startswith("struct"):
            index = field.type.get_field_index("bytes")
            kind = str(field.type.field(index).type) if index >= 0 else ""
        if re.match(r"(large_|fixed_size_)?binary|dictionary<values=(large_)?binary", kind):
            found.append(field.name)
    return found


def count_pictures(paths: Sequence[Path]) -> tuple[list[Path], int]:
    """Return those of the Parquet files at `paths` that have an image column, and their rows in
    all; damaged ones too.
    """
    parquet = import_extra("pyarrow.parquet", "parquet")
    found = []
    rows = 0
    for path in paths:
        try:
            file = parquet.ParquetFile(path)
        # pyarrow has a dozen kinds; the error comes when the file is opened to be read.
        except Exception:
            found.append(path)
            continue
        if find_image_column(file.schema_arrow) is not None:
            found.append(path)
            rows += file.metadata.num_rows
    return found, rows
