"""Codes out of a file, as the command `encode` writes them: .npz, .npy, .csv or .parquet.

An .npz file of a quantized model holds levels and their bits in place of codes.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from autoencode.errors import AutoencodeError, UsageError, reason


def check_codes_path(path: Path) -> None:
    """Raise `UsageError` where `path` is not a file that may hold codes."""
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

    Raises `AutoencodeError` where there are none, where a number is not finite, or where codes
    have another size.
    """
    check_codes_path(path)
    try:
        codes = READERS[path.suffix.lower()](path)
    except AutoencodeError:
        raise
    # Of damaged files, zipfile, NumPy and pyarrow have a dozen kinds.
    except Exception as error:
        raise AutoencodeError(
            f"{path} cannot be read ({reason(error)}): expected codes as encode writes them."
        ) from error
    if codes.ndim == 2 and not len(codes):
        raise _no_codes(path)
    if codes.ndim != 2 or codes.dtype.kind not in "fiu" or codes.shape[1] != size:
        raise AutoencodeError(
            f"{path}: expected codes (N, {size}), as the model has them, "
            f"received {codes.dtype} {codes.shape}."
        )

    # What float32 cannot hold becomes infinite, and is refused.
    with np.errstate(over="ignore"):
        codes = codes.astype(np.float32)
    is_finite = np.isfinite(codes).all(1)
    if not is_finite.all():
        row = int(np.flatnonzero(~is_finite)[0])
        raise AutoencodeError(
            f"{path}: expected finite numbers within float32, row {row} of the codes holds NaN, "
            "infinity or more."
        )
    return codes


def codes_to_levels(codes: np.ndarray, bits: int) -> dict[str, np.ndarray]:
    """Return quantized codes as the arrays `levels` and `bits`.

    `codes` (N, K) lie in [-1, 1] and have 2 ** `bits` values each.

    The levels, (N, K), count from 0. They are uint8 up to 8 bits, and uint16 up to 16: a latent
    dimension takes one byte or two, where a float takes four.

    >>> codes_to_levels(np.array([[-1.0, 1.0]]), 8)["levels"]
    array([[  0, 255]], dtype=uint8)
    """
    most: int = 2**bits - 1
    levels = np.round((codes + 1) / 2 * most)
    dtype = np.uint8 if bits <= 8 else np.uint16
    return {"levels": levels.astype(dtype), "bits": np.array(bits)}


def load_parquet() -> ModuleType:
    """Return pyarrow with its Parquet module.

    Raises `AutoencodeError` with the install command where it is missing.
    """
    try:
        import_module("pyarrow.parquet")
    except ImportError as error:
        raise AutoencodeError(
            "Parquet files need pyarrow; install it with: pip install 'autoencode[parquet]'"
        ) from error
    return import_module("pyarrow")


def _no_codes(path: Path) -> AutoencodeError:
    return AutoencodeError(
        f"{path} holds no codes: expected at least one row, as encode writes them."
    )


def _read_npz(path: Path) -> np.ndarray:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        if {"levels", "bits"} <= set(arrays.files):
            return _levels_to_codes(path, arrays["levels"], arrays["bits"])
        if "codes" not in arrays.files:
            raise AutoencodeError(
                f"{path}: expected an array named codes, "
                f"it holds {', '.join(arrays.files) or 'nothing'}."
            )
        return arrays["codes"]


def _levels_to_codes(path: Path, levels: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The codes that `codes_to_levels` was given."""
    are_integers = bits.dtype.kind in "iu" and levels.dtype.kind in "iu"
    is_valid = are_integers and bits.ndim == 0 and 1 <= bits <= 16
    if not is_valid or (levels.size and not 0 <= levels.min() <= levels.max() < 2 ** int(bits)):
        raise AutoencodeError(
            f"{path}: expected levels of 1 to 16 bits, as many as its array bits says, "
            f"received {levels.dtype} and {bits}."
        )
    return (levels / (2 ** int(bits) - 1) * 2 - 1).astype(np.float32)


def _read_npy(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read_csv(path: Path) -> np.ndarray:
    with (
        path.open(encoding="utf-8-sig", newline="") as file,
        warnings.catch_warnings(action="ignore", category=UserWarning),
    ):
        head = next(csv.reader(file), None)
        if head is None:
            raise _no_codes(path)
        indices = list(_find_code_columns(path, head).values())
        rows = _select_cells(csv.reader(file), len(head), indices)
        return np.loadtxt(rows, np.float32, delimiter=",", comments=None, ndmin=2)


def _select_cells(rows: Iterable[list[str]], size: int, indices: list[int]) -> Iterator[str]:
    """The cells at `indices` of each row, with commas between; every row must have `size` cells."""
    for number, row in enumerate(rows, start=1):
        if row and len(row) != size:
            raise ValueError(f"row {number} has {len(row)} cells, and the head {size}")
        yield ",".join(row[index] for index in indices) if row else ""


def _read_parquet(path: Path) -> np.ndarray:
    file = load_parquet().parquet.ParquetFile(path)
    names = list(_find_code_columns(path, file.schema_arrow.names))
    table = file.read(names)
    return np.stack([table[name].to_numpy() for name in names], axis=1)


def _find_code_columns(path: Path, names: list[str]) -> dict[str, int]:
    """The columns code0, code1, ... in their order, and the index of each among `names`."""
    indices: dict[str, int] = {}
    name = "code0"
    while name in names:
        if names.count(name) > 1:
            raise AutoencodeError(
                f"{path}: expected one column called {name}, it holds {names.count(name)}."
            )
        indices[name] = names.index(name)
        name = f"code{len(indices)}"
    if not indices:
        raise AutoencodeError(
            f"{path}: expected columns code0, code1, ..., it holds {', '.join(names)[:200]}."
        )
    return indices


READERS = {".npz": _read_npz, ".npy": _read_npy, ".csv": _read_csv, ".parquet": _read_parquet}
