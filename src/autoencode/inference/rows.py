"""What is known of the images of a result: names and labels, shown as a line or a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode.images import Skipped
from autoencode.plots import html
from autoencode.plots.maps import UNLABELLED
from autoencode.system.optional import import_pandas

if TYPE_CHECKING:
    import pandas

    from autoencode.data.streaming import Stream

Columns = dict[str, Sequence[Any] | np.ndarray]
SHOWN_NAMES = 2  # in the one line that a result prints as


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Rows:
    """What is known of the images of a result: a name each, and a label where the source has any.

    `labels` are int32 (N,), indices into `classes`, below 0 for unlabelled images, or None.
    `skipped` are the images that could not be read, which have no row.
    """

    names: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        shown = [repr(name) for name in self.names[:SHOWN_NAMES]]
        if len(self.names) > SHOWN_NAMES:
            shown.append("...")
        parts = [self._describe(), ", ".join(shown)]
        if self.labels is not None:
            parts.append(f"{len(self.classes):,} classes")
        if self.skipped:
            parts.append(f"{len(self.skipped):,} skipped")
        return f"{type(self).__name__}({'; '.join(part for part in parts if part)})"

    def _repr_html_(self) -> str:
        """A table of the first rows, for notebooks."""
        columns = self.table()
        rows = zip(*map(_as_text, columns.values()), strict=True)
        return html.table_element(list(columns), rows, len(self))

    @property
    def label_names(self) -> list[str] | None:
        """The name of each image's class, None where the source has no labels."""
        if self.labels is None:
            return None
        return name_labels(self.labels, self.classes)

    def table(self) -> Columns:
        """Return the columns of `to_pandas`, by name, each of one value an image."""
        columns: Columns = {"name": list(self.names)}
        label_names = self.label_names
        if label_names is not None:
            columns["label"] = label_names
        return columns

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table of one row an image. Raises `AutoencodeError` where pandas is missing."""
        return import_pandas().DataFrame(self.table())

    def _describe(self) -> str:
        return f"{len(self):,} images"


def name_labels(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return the name of the class of each of `labels`, integers (N,); "unlabelled" below 0.

    >>> name_labels(np.array([1, -1]), ["cat", "dog"])
    ['dog', 'unlabelled']
    """
    numbers: list[int] = labels.tolist()
    return [classes[number] if number >= 0 else UNLABELLED for number in numbers]


def read_rows(stream: Stream) -> Rows:
    """Return what is known of the images that were read from `stream`."""
    return Rows(**row_fields(stream))


def row_fields(stream: Stream) -> dict[str, Any]:
    """Return the fields of `Rows` for the images that were read from `stream`."""
    labels, classes = stream.labels()
    return {
        "names": tuple(stream.names()),
        "labels": labels,
        "classes": tuple(classes),
        "skipped": tuple(stream.skipped),
    }


def describe_shape(array: np.ndarray) -> str:
    """Return the shape of an array as text: "300 x 16"."""
    return " x ".join(f"{size:,}" for size in array.shape)


def _as_text(column: Sequence[Any] | np.ndarray) -> list[str]:
    """The first values of a column, floats with four digits."""
    shown = column[: html.MAX_ROWS]
    is_float = isinstance(column, np.ndarray) and column.dtype.kind == "f"
    return [f"{value:.4g}" if is_float else str(value) for value in shown]
