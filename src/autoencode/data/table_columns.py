"""What the columns of a table say of its rows: names, labels and class names."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from autoencode.data.members import show_name
from autoencode.data.pictures import Entry
from autoencode.errors import AutoencodeError

LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target")


def read_row_names(table: Any, column: str) -> list[str | None]:
    """Return the names of the picture files that the rows were made of, or None by row.

    They stand in the field `path` of `column`, where it has one.
    """
    import pyarrow.compute

    kind = table.schema.field(column).type if column in table.column_names else None
    if kind is None or not pyarrow.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return [None] * table.num_rows
    found = pyarrow.compute.struct_field(table[column], "path").to_pylist()
    return [show_name(name) if isinstance(name, str) else None for name in found]


def read_class_names(metadata: Any, label: str | None) -> list[str]:
    """Return the names of the classes that Hugging Face keeps in the schema of a table."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if is_list else []


def name_labels(labels: Sequence[Any], classes: Sequence[str]) -> list[str | None]:
    """Return the class of each row as text: its name where numbers have names.

    -1 is Hugging Face's word for none.
    """
    found: list[str | None] = []
    for label in labels:
        if label is None or (classes and label == -1):
            found.append(None)
        elif isinstance(label, int) and 0 <= label < len(classes):
            found.append(show_name(classes[label]))
        else:
            found.append(show_name(str(label)))
    return found


def make_entries(
    where: str,
    split: str | None,
    names: Sequence[str | None],
    labels: Sequence[str | None],
    first: int,
) -> list[Entry]:
    """Return an entry for each row of a table called `where`.

    A picture without a name is called by its row.
    """
    return [
        Entry(name or f"{where} row {row}", split, label, first + row)
        for row, (name, label) in enumerate(zip(names, labels, strict=True))
    ]


def find_label_column(names: Collection[str]) -> str | None:
    """Return the first of `LABEL_COLUMNS` that is among `names`, if any."""
    return next((name for name in LABEL_COLUMNS if name in names), None)


def import_extra(module: str, extra: str) -> ModuleType:
    """Return a module of the package's `extra`; raise `AutoencodeError` where it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise AutoencodeError(
            f"this source needs {package}, which is not installed; install it with: pip install "
            f"'autoencode[{extra}]'"
        ) from error
