"""Where a verb writes, and how: arrays, tables and pictures, each whole or absent. Knows no model and no source.

One rule for all verbs. `--out` names a folder, or a file in one by its ending; without it the folder is VERB-MODEL in the
current one. The pictures lie beside the file and share its name. What is there already stays, unless `--overwrite` is said.
Folders and pictures that are made here are marked as the program's own, see `marks`.
"""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from autoencode.errors import AutoencodeError, UsageError, not_written
from autoencode.images import Skipped
from autoencode.plots import charts, grids
from autoencode.system import marks
from autoencode.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARRAYS, TABLES = (".npz", ".npy"), (".npz", ".csv", ".parquet")
IN_MEMORY = 2**26  # bytes of images; more wait on the disk
SHOWN = 100  # images on a contact sheet
RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")  # at the beginning of a text
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Kind:
    """What a verb writes: a file called `stem` with one of `suffixes`, the first by itself, and pictures beside it."""

    stem: str
    suffixes: tuple[str, ...]
    pictures: tuple[str, ...] = (".png",)


KINDS = {
    "reconstruct": Kind("reconstructions", ARRAYS),
    "encode": Kind("codes", TABLES),
    "decode": Kind("images", ARRAYS),
    "denoise": Kind("denoised", ARRAYS),
    "sample": Kind("samples", ARRAYS),
    "interpolate": Kind("interpolation", (".gif",)),
    "map": Kind("map", (".csv",), (".png", "-grid.png")),
    "anomalies": Kind("anomalies", (".csv", ".parquet"), (".png", "-scores.png")),
    "look": Kind("contact-sheet", (".png",), ()),
}


@dataclass(frozen=True)
class Place:
    """The files that a verb writes: `file`, and others that share its name up to their own ending, one of `pictures`."""

    file: Path
    pictures: tuple[str, ...] = (".png",)

    @property
    def format(self) -> str:
        """The ending of `file`, in lower case."""
        return self.file.suffix.lower()

    @property
    def paths(self) -> list[Path]:
        """All of them, whether they are there or not."""
        return [self.file, *map(self.beside, self.pictures)]

    def beside(self, ending: str = ".png") -> Path:
        """Return the path of a picture.

        >>> Place(Path("out/map.csv")).beside("-grid.png").name
        'map-grid.png'
        """
        return self.file.with_name(self.file.stem + ending)

    def written(self) -> list[str]:
        """Return the names of those that are there by now."""
        return [path.name for path in self.paths if path.exists()]

    @property
    def skipped(self) -> Path:
        """The list of pictures that were left out, where any were."""
        return self.beside("-skipped.txt")


@contextmanager
def claim(
    verb: str, model: str, out: Path | None = None, *, overwrite: bool = False
) -> Iterator[Place]:
    """Give the place that `verb` writes to for the model called `model`, by the rule above.

    Half a set, which would stand in the way of the next call, is removed again, and so are folders
    that were made here and hold nothing but a marker at the end. Raises `UsageError` where a file
    is there already, `AutoencodeError` where the folder cannot be made.
    """
    place = find_place(verb, model, out, overwrite=overwrite)
    folder = place.file.parent
    before = _present(place)
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if folder in missing:
                marks.write_marker(folder)
        yield place
    except BaseException:
        if len(place.written()) < len(
            place.paths
        ):  # all of them stay: then it was but the telling that failed
            _remove(path for path in place.paths if path not in before)
        raise
    finally:
        for one in missing:
            marks.remove_empty(one)  # one that holds something stays


def find_place(verb: str, model: str, out: Path | None = None, *, overwrite: bool = False) -> Place:
    """Return the place that `claim` gives, without making it. Raises `UsageError` as `claim` does.

    >>> find_place("map", "digits-1").file.as_posix()
    'map-digits-1/map.csv'
    """
    kind = KINDS[verb]
    if out is None:
        file = Path(f"{verb}-{model}", f"{kind.stem}{kind.suffixes[0]}")
    else:
        file = _file(kind, out)
    place = Place(file, kind.pictures)
    before = _present(place)
    if before and not overwrite:
        raise UsageError(
            f"{before[0]} is there already: choose another `out`, or replace it with `overwrite`."
        )
    folder = file.parent
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, expected a folder: choose another `out`.")
    return place


def _present(place: Place) -> list[Path]:
    return [path for path in (*place.paths, place.skipped) if path.exists()]


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _file(kind: Kind, out: Path) -> Path:
    if out.is_dir() or not out.suffix[1:2].isalpha():  # v1.2 is a folder
        return out / f"{kind.stem}{kind.suffixes[0]}"
    if out.suffix.lower() not in kind.suffixes:
        raise UsageError(
            f"`out` takes a folder or a file that ends in {' or '.join(kind.suffixes)}, received {out}."
        )
    return out


class Spool:
    """Images of one shape, uint8 (H, W, C), that come batch by batch; see `spooled`."""

    def __init__(self, file: BinaryIO, shape: tuple[int, int, int], folder: Path) -> None:
        self.shape, self.count = shape, 0
        self._file, self._folder = file, folder

    def add(self, images: np.ndarray) -> None:
        """Append images, uint8 (n, H, W, C)."""
        with _told(self._folder):
            self._file.write(np.ascontiguousarray(images).data)
        self.count += len(images)

    def copy(self, file: BinaryIO) -> None:
        """Write the pixels of all images to `file`."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, file, 2**20)


@contextmanager
def spooled(shape: tuple[int, int, int], folder: Path) -> Iterator[Spool]:
    """Give a place for images of `shape` (H, W, C) to wait: in memory, and beyond 64 MB in a nameless file of `folder`.

    >>> with spooled((2, 2, 1), Path()) as spool:
    ...     spool.add(np.ones((3, 2, 2, 1), "uint8"))
    ...     spool.count
    3
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=folder) as file:
        yield Spool(file, shape, folder)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray | Spool]) -> None:
    """Write `arrays` as .npz, or the first alone as .npy; raise `AutoencodeError` where that fails."""
    with _written(path) as file:
        if path.suffix.lower() == ".npy":
            _write_array(file, next(iter(arrays.values())))
            return
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _write_array(member, array)


def _write_array(file: BinaryIO, array: np.ndarray | Spool) -> None:
    spooled = isinstance(array, Spool)
    kind, shape = (
        ("|u1", (array.count, *array.shape)) if spooled else (array.dtype.str, array.shape)
    )
    told = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, told)
    # NumPy's own writing overlooks a disk that is full at the last bytes.
    array.copy(file) if spooled else file.write(np.ascontiguousarray(array).tobytes())


def write_table(path: Path, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    """Write `columns` as .csv or .parquet, floats so that they are read back as they were.

    In a .csv, an apostrophe stands before a text that a spreadsheet would run as a formula, see
    `without_formula`.
    """
    if path.suffix.lower() == ".parquet":
        pyarrow = parquet()
        with _written(path) as file:
            pyarrow.parquet.write_table(pyarrow.table(dict(columns)), file)
        return
    with _written(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*map(_words, columns.values()), strict=True))


def _words(column: Sequence[Any] | np.ndarray) -> Iterator[Any]:
    if not isinstance(column, np.ndarray) or column.dtype.kind != "f":
        return map(without_formula, column)
    digits = 17 if column.dtype == np.float64 else 9  # so many tell every number from the next
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


def parquet() -> ModuleType:
    """Return pyarrow with its Parquet module; raise `AutoencodeError` with the install command where it is missing."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise AutoencodeError(
            "Parquet files need pyarrow; install it with: pip install 'autoencode[parquet]'"
        ) from error
    return pyarrow


def write_png(path: Path, picture: Image.Image) -> None:
    """Write a picture."""
    with _written(path) as file:
        grids.write_png(picture, file)


def write_gif(path: Path, frames: Sequence[bytes], seconds: float) -> None:
    """Write `frames`, PNG files, as a GIF that shows each for `seconds`."""
    with _written(path) as file:
        grids.write_gif(frames, file, seconds)


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure of matplotlib's as PNG."""
    with _written(path) as file:
        charts.write_curve(figure, file)


def write_sheet(path: Path, images: np.ndarray) -> None:
    """Write a contact sheet of the first hundred images, uint8 (N, H, W, C), about as wide as high."""
    shown = images[:SHOWN]
    write_png(path, grids.draw_sheet(shown, columns=int(np.ceil(np.sqrt(len(shown))))))


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    """Write which pictures were left out and why, a line each; without any, remove the list of a call before."""
    if not skipped:
        _remove([path])
        return
    with _written(path, "w", encoding="utf-8") as file:
        file.writelines(f"{one}\n" for one in skipped)


@contextmanager
def _written(path: Path, mode: str = "wb", **words: str) -> Iterator[Any]:
    with _told(path), replacing(path) as temporary, temporary.open(mode, **words) as file:
        yield file


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_written(path, error, "`out`") from error
