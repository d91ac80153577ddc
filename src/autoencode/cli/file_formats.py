"""Arrays, tables and figures in files, each whole or absent. Knows no model and no command.

Figures are marked as the program's own, see `marks`.
"""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from autoencode.cli.output_files import remove_files
from autoencode.errors import not_written
from autoencode.images import Skipped
from autoencode.inference.code_files import load_parquet
from autoencode.plots import charts, grids
from autoencode.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BYTES_IN_MEMORY = 2**26  # of images; more wait on the disk
SHEET_IMAGES = 100  # on a contact sheet
RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")  # at the beginning of a text
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


class Spool:
    """Images of one shape, uint8 (H, W, C), that come batch by batch; see `spooled`."""

    def __init__(self, file: IO[bytes], shape: tuple[int, int, int], folder: Path) -> None:
        self.shape = shape
        self.count = 0
        self._file = file
        self._folder = folder

    def add(self, images: np.ndarray) -> None:
        """Append images, uint8 (n, H, W, C)."""
        with _writing(self._folder):
            self._file.write(np.ascontiguousarray(images).data)
        self.count += len(images)

    def copy(self, file: IO[bytes]) -> None:
        """Write the pixels of all images to `file`."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, file, 2**20)


@contextmanager
def spooled(shape: tuple[int, int, int], folder: Path) -> Generator[Spool]:
    """Give a `Spool` for images of `shape` (H, W, C).

    They wait in memory, and beyond 64 MB in a nameless file of `folder`.

    >>> with spooled((2, 2, 1), Path()) as spool:
    ...     spool.add(np.ones((3, 2, 2, 1), "uint8"))
    ...     spool.count
    3
    """
    with tempfile.SpooledTemporaryFile(BYTES_IN_MEMORY, dir=str(folder)) as file:
        yield Spool(file, shape, folder)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray | Spool]) -> None:
    """Write `arrays` as .npz, or the first alone as .npy.

    Raises `AutoencodeError` where that fails.
    """
    with _written(path) as file:
        if path.suffix.lower() == ".npy":
            _write_array(file, next(iter(arrays.values())))
            return
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _write_array(member, array)


def _write_array(file: IO[bytes], array: np.ndarray | Spool) -> None:
    is_spool = isinstance(array, Spool)
    dtype = "|u1" if is_spool else array.dtype.str
    shape = (array.count, *array.shape) if is_spool else array.shape
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    if is_spool:
        array.copy(file)
    else:
        # NumPy's own writing overlooks a disk that is full at the last bytes.
        file.write(np.ascontiguousarray(array).tobytes())


def write_table(path: Path, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    """Write `columns` as .csv or .parquet, floats so that they are read back as they were.

    In a .csv, an apostrophe stands before a text that a spreadsheet would run as a formula, see
    `without_formula`.
    """
    if path.suffix.lower() == ".parquet":
        pyarrow = load_parquet()
        with _written(path) as file:
            pyarrow.parquet.write_table(pyarrow.table(dict(columns)), file)
        return
    with _written(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*map(_cells, columns.values()), strict=True))


def _cells(column: Sequence[Any] | np.ndarray) -> Iterator[Any]:
    if not isinstance(column, np.ndarray) or column.dtype.kind != "f":
        return map(without_formula, column)
    # So many digits tell every number from the next.
    digits = 17 if column.dtype == np.float64 else 9
    return (f"{value:.{digits}g}" for value in column.tolist())


def without_formula(value: Any) -> Any:
    """Return a text that a spreadsheet would run with an apostrophe before it, else `value`.

    That is a text that begins with =, +, -, @, a tab or a carriage return, and is no plain number.

    >>> without_formula("=1+2"), without_formula("-1.5"), without_formula("a=b")
    ("'=1+2", '-1.5', 'a=b')
    """
    if not isinstance(value, str) or not value.startswith(RUN_BY_SPREADSHEETS):
        return value
    return value if NUMBER.fullmatch(value) else f"'{value}"


def write_png(path: Path, picture: Image.Image) -> None:
    """Write a picture."""
    with _written(path) as file:
        grids.write_png(picture, file)


def write_gif(path: Path, frames: Sequence[bytes], seconds: float) -> None:
    """Write `frames`, PNG files, as a GIF that shows each for `seconds`."""
    with _written(path) as file:
        grids.write_gif(frames, file, seconds)


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure of Matplotlib's as PNG."""
    with _written(path) as file:
        charts.write_curve(figure, file)


def write_sheet(path: Path, images: np.ndarray) -> None:
    """Write a contact sheet of the first hundred images, uint8 (N, H, W, C), as wide as high."""
    shown = images[:SHEET_IMAGES]
    columns = int(np.ceil(np.sqrt(len(shown))))
    write_png(path, grids.draw_sheet(shown, columns=columns))


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    """Write which pictures were skipped and why, a line each.

    Without any, the list of an earlier call is removed.
    """
    if not skipped:
        remove_files([path])
        return
    with _written(path, "w", encoding="utf-8") as file:
        file.writelines(f"{picture}\n" for picture in skipped)


@contextmanager
def _written(
    path: Path, mode: str = "wb", *, encoding: str | None = None, newline: str | None = None
) -> Generator[Any]:
    with (
        _writing(path),
        replacing(path) as temporary,
        temporary.open(mode, encoding=encoding, newline=newline) as file,
    ):
        yield file


@contextmanager
def _writing(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise not_written(path, error, "`out`") from error
