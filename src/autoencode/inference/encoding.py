"""Codes in files: encode writes them, decode makes images of them. Knows streams and places; no screen."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, UsageError, reason
from autoencode.images import evenly, to_pixels
from autoencode.inference import outputs
from autoencode.inference.opening import Opened
from autoencode.inference.outputs import Place, spooled
from autoencode.inference.results import name_labels
from autoencode.plots import charts

LOOKED_AT = 20_000  # codes whose distribution is drawn


def encode(opened: Opened, stream: Stream, place: Place, *, refine: int = 0) -> dict[str, int]:
    """Write the codes of all images with their names, and a picture of the distribution of every number.

    An .npz file holds `codes`, float32 (N, K), `names` and, where there are any, `labels` and `classes`; .csv and .parquet
    have the columns `name`, `label` (the class's name) and `code0`, `code1`, ... Of a model with a code of b bits a number,
    .npz holds `levels` and `bits` in place of `codes`, see `quantized`. `refine` as for `Trained.encode`. Returns the number of
    `images`. Raises `UsageError` where codes of few values are to be refined.
    """
    opened.saved.check_refinable(refine)
    if place.format == ".parquet":
        outputs.parquet()  # before the work, not after
    codes = codes_of(opened, stream, refine)
    if place.format == ".npz":
        bits = opened.saved.bits
        numbers = {"codes": codes} if bits is None else quantized(codes, bits)
        outputs.write_arrays(place.file, numbers | stream.metadata())
    else:
        numbers = {f"code{number}": column for number, column in enumerate(codes.T)}
        outputs.write_table(place.file, columns(stream) | numbers)
    outputs.write_figure(
        place.beside(), charts.draw_codes(codes[evenly(len(codes), LOOKED_AT)], len(codes))
    )
    return {"images": len(codes)}


def codes_of(opened: Opened, stream: Stream, refine: int = 0) -> np.ndarray:
    """Return the codes, float32 (N, K), of all images of `stream` that can be read; `refine` as for `Trained.encode`."""
    codes, filled = np.empty((len(stream), opened.trained.code), np.float32), 0
    for images in stream.batches(opened.trained.batch_size):
        codes[filled : filled + len(images)] = opened.encode(images, refine)
        filled += len(images)
    return codes[:filled]


def quantized(codes: np.ndarray, bits: int) -> dict[str, np.ndarray]:
    """Return codes (N, K) in [-1, 1], of 2 ** `bits` values each, as `levels` from 0, (N, K), and `bits`, of 1 to 16.

    The levels are uint8 up to 8 bits, uint16 beyond: a number takes one byte or two, where a float takes four.

    >>> quantized(np.array([[-1.0, 1.0]]), 8)["levels"]
    array([[  0, 255]], dtype=uint8)
    """
    levels = np.round((codes + 1) / 2 * (2**bits - 1))
    return {"levels": levels.astype(np.uint8 if bits <= 8 else np.uint16), "bits": np.array(bits)}


def columns(stream: Stream) -> dict[str, list[str]]:
    """Return the columns `name` and, where there are any labels, `label` of images that were read.

    A label is the name of its class, and "unlabelled" for an image without one (below 0).
    """
    labels, classes = stream.labels()
    names = {"name": stream.names()}
    if labels is None:
        return names
    return names | {"label": name_labels(labels, classes)}


def decode(opened: Opened, codes: np.ndarray, place: Place) -> dict[str, int]:
    """Write the images of `codes`, float32 (N, K), and a contact sheet of the first hundred; return their number.

    The file holds `images`, uint8 (N, H, W, C).
    """
    shown = opened.decode(codes[: outputs.SHOWN])
    with spooled(opened.trained.shape, place.file.parent) as spool:
        for first in range(0, len(codes), size := opened.trained.batch_size):
            spool.add(to_pixels(opened.decode(codes[first : first + size])))
        outputs.write_arrays(place.file, {"images": spool})
    outputs.write_sheet(place.beside(), to_pixels(shown))
    return {"images": len(codes)}


def check_codes(path: Path) -> None:
    """Raise `UsageError` where `path` is no file that may hold codes."""
    if not path.exists():
        raise UsageError(
            f"there is nothing at {path}: expected a file of codes, as encode writes it."
        )
    if not path.is_file() or path.suffix.lower() not in READERS:
        raise UsageError(
            f"expected codes in a file that ends in {', '.join(READERS)}, received {path}."
        )


def read_codes(path: Path, size: int) -> np.ndarray:
    """Return the codes, float32 (N, size), in a file as `encode` writes it, or in an .npy file.

    Raises `AutoencodeError` where there are none, where one is no finite number, or where they are of another size.
    """
    check_codes(path)
    try:
        codes = READERS[path.suffix.lower()](path)
    except AutoencodeError:
        raise
    except Exception as error:  # damaged files: zipfile, NumPy and pyarrow have a dozen kinds
        raise AutoencodeError(
            f"{path} cannot be read ({reason(error)}): expected codes as encode writes them."
        ) from error
    if codes.ndim == 2 and not len(codes):
        raise _nothing(path)
    if codes.ndim != 2 or codes.dtype.kind not in "fiu" or codes.shape[1] != size:
        raise AutoencodeError(
            f"{path}: expected codes (N, {size}), as the model has them, received {codes.dtype} {codes.shape}."
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is told
        codes = codes.astype(np.float32)
    if not np.isfinite(codes).all():
        row = int(np.flatnonzero(~np.isfinite(codes).all(1))[0])
        raise AutoencodeError(
            f"{path}: expected finite numbers within float32, row {row} of the codes holds NaN, infinity or more."
        )
    return codes


def _nothing(path: Path) -> AutoencodeError:
    return AutoencodeError(f"{path} holds no codes: expected one at least, as encode writes them.")


def _arrays(path: Path) -> np.ndarray:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
        if {"levels", "bits"} <= set(found.files):
            return _of_levels(path, found["levels"], found["bits"])
        if "codes" not in found.files:
            raise AutoencodeError(
                f"{path}: expected an array named codes, it holds {', '.join(found.files) or 'nothing'}."
            )
        return found["codes"]


def _of_levels(path: Path, levels: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The codes that `quantized` was given."""
    whole = (
        bits.ndim == 0 and bits.dtype.kind in "iu" and 1 <= bits <= 16 and levels.dtype.kind in "iu"
    )
    if not whole or (levels.size and not 0 <= levels.min() <= levels.max() < 2 ** int(bits)):
        raise AutoencodeError(
            f"{path}: expected levels of 1 to 16 bits, as many as its array bits says, received {levels.dtype} and {bits}."
        )
    return (levels / (2 ** int(bits) - 1) * 2 - 1).astype(np.float32)


def _array(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _csv(path: Path) -> np.ndarray:
    with (
        path.open(encoding="utf-8-sig", newline="") as file,
        warnings.catch_warnings(action="ignore", category=UserWarning),
    ):
        head = next(csv.reader(file), None)
        if head is None:
            raise _nothing(path)
        wanted = _numbered(path, head)
        rows = _picked(csv.reader(file), len(head), list(wanted.values()))
        return np.loadtxt(rows, np.float32, delimiter=",", comments=None, ndmin=2)


def _picked(rows: Iterable[list[str]], size: int, places: list[int]) -> Iterator[str]:
    """What stands at `places` of each of the rows, which have `size` cells all."""
    for number, row in enumerate(rows, start=1):
        if row and len(row) != size:
            raise ValueError(f"row {number} has {len(row)} cells, and the head {size}")
        yield ",".join(row[place] for place in places) if row else ""


def _parquet(path: Path) -> np.ndarray:
    file = outputs.parquet().parquet.ParquetFile(path)
    wanted = _numbered(path, file.schema_arrow.names)
    table = file.read(list(wanted))
    return np.stack([table[name].to_numpy() for name in wanted], axis=1)


def _numbered(path: Path, names: list[str]) -> dict[str, int]:
    """The places of the columns code0, code1, ... in their order."""
    wanted = {}
    while (name := f"code{len(wanted)}") in names:
        if names.count(name) > 1:
            raise AutoencodeError(
                f"{path}: expected one column called {name}, it holds {names.count(name)}."
            )
        wanted[name] = names.index(name)
    if not wanted:
        raise AutoencodeError(
            f"{path}: expected columns code0, code1, ..., it holds {', '.join(names)[:200]}."
        )
    return wanted


READERS = {".npz": _arrays, ".npy": _array, ".csv": _csv, ".parquet": _parquet}
