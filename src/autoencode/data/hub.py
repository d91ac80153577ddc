"""A dataset of the Hugging Face Hub by name, through the library `datasets`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autoencode.data import layout
from autoencode.data.decode import Unreadable
from autoencode.data.pictures import PictureDataset
from autoencode.data.table_columns import (
    find_label_column,
    import_extra,
    make_entries,
    name_labels,
    read_row_names,
)
from autoencode.errors import AutoencodeError, reason


class HubDataset(PictureDataset):
    """A dataset of the Hugging Face Hub by name, OWNER/NAME, through the library `datasets`."""

    depth_by_probes = True

    def __init__(self, name: str) -> None:
        datasets = import_extra("datasets", "hf")
        super().__init__(name.split("/")[-1])
        try:
            found = datasets.load_dataset(name)
        # Network, unknown name, broken files: each with its own kind.
        except Exception as error:
            raise AutoencodeError(
                f"hf:{name} could not be loaded ({reason(error)}): expected hf:OWNER/NAME of a "
                "public set and a network."
            ) from error
        self._splits = []
        for split, rows in found.items():
            column = next(
                (key for key, kind in rows.features.items() if isinstance(kind, datasets.Image)),
                None,
            )
            if column is None:
                raise AutoencodeError(
                    f"hf:{name}: expected a column of pictures, it holds "
                    f"{', '.join(rows.features)}."
                )
            label = find_label_column(rows.features)
            labels = rows[label] if label else [None] * len(rows)
            classes = list(getattr(rows.features.get(label), "names", None) or [])
            names = read_row_names(rows.data, column)
            self._splits.append((rows.cast_column(column, datasets.Image(decode=False)), column))
            named = name_labels(labels, classes)
            self.entries += make_entries(
                split, layout.split_word(split), names, named, len(self.entries)
            )

    def read_files(self, numbers: Sequence[int]) -> Iterator[bytes | str | Unreadable]:
        """Give the pictures, as content or as the path that the library keeps them under."""
        start = 0
        ends = []
        for rows, column in self._splits:
            ends.append((start, start + len(rows), rows, column))
            start += len(rows)
        for number in numbers:
            first, _, rows, column = next(end for end in ends if number < end[1])
            found = rows[number - first][column] or {}
            yield found.get("bytes") or found.get("path") or Unreadable("the row holds no picture")

    def stamp(self) -> list:
        """The library's fingerprints of the splits."""
        return [rows._fingerprint for rows, _ in self._splits]
