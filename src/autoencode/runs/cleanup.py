"""What is removed from a run folder: epochs after the last checkpoint, and a failed beginning."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from autoencode.runs.files import name_unwritten, remove_file
from autoencode.runs.run import ARRAYS, CHECKPOINT, SKIPPED, STATE
from autoencode.system.files import is_temporary


def remove_later_epochs(folder: Path, epochs: int) -> None:
    """Remove image files and arrays of epochs after the first `epochs`, and unfinished files.

    Raises `AutoencodeError` where one cannot be removed.
    """
    with name_unwritten(folder):
        drawn = [*folder.glob("example*.png")]
        arrays = [*folder.glob(f"{ARRAYS}/reconstructions*.npy")]
        hidden = [*folder.rglob(".*")]

    for path in (*drawn, *arrays):
        number = re.search(r"(\d+)\.\w+$", path.name)
        if number and int(number[1]) >= epochs:
            remove_file(path)
    # What a killed process had begun to write.
    for path in hidden:
        if is_temporary(path.name):
            remove_file(path)


def remove_beginning(folder: Path) -> None:
    """Remove what was written of a run that could not begin, as far as possible."""
    for name in (STATE, SKIPPED, ARRAYS, CHECKPOINT):
        path = folder / name
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
