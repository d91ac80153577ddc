"""How a file of a run folder is written: under a temporary name, renamed when it is whole.

So a folder holds good files at any moment, whatever ends the process. An error of the system
becomes one line that names the file.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from autoencode.runs.schema import not_written
from autoencode.system.files import replacing


@contextmanager
def name_unwritten(path: Path) -> Generator[None]:
    """Turn an `OSError` in the block into the `AutoencodeError` of an unwritten `path`."""
    try:
        yield
    except OSError as error:
        raise not_written(path, error) from error


@contextmanager
def replace_path(path: Path) -> Generator[Path]:
    """Give a temporary path that takes the name `path` at the end, and is gone after an error.

    Raises `AutoencodeError` where it cannot be written.
    """
    with name_unwritten(path), replacing(path) as temporary:
        yield temporary


@contextmanager
def replace_file(path: Path) -> Generator[BinaryIO]:
    """Give a file, open to write bytes, that takes the name `path` once it is whole.

    Raises `AutoencodeError` where it cannot be written.
    """
    with replace_path(path) as temporary, temporary.open("wb") as file:
        yield file


def remove_file(path: Path) -> None:
    """Remove the file `path`; raise `AutoencodeError` where that fails."""
    try:
        path.unlink()
    except OSError as error:
        raise not_written(path, error, action="remove") from error
