"""Which folder a run gets, and that one process alone writes in it.

Knows names, folders and locks; no image.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from autoencode.errors import AutoencodeError
from autoencode.runs.schema import not_written
from autoencode.system import marks
from autoencode.system.files import lock_owner, locked

RECORD = "config.json"
LOCK = "lock"
# What an empty folder may hold.
OURS = {LOCK, marks.MARKER}


@contextmanager
def claim(folder: str | os.PathLike[str] | None, source: str) -> Generator[Path]:
    """Give a new, empty run folder that no other process has.

    It is `folder`, or else the first free runs/SOURCE-1, -2, ... It is marked as the program's own,
    see `marks`, and so is `runs` where it is made here. A folder that was made here and still holds
    nothing else at the end is removed again. Raises `AutoencodeError` where `folder` holds anything
    or cannot be written.
    """
    made = folder is None or not Path(folder).exists()
    path = _claim_numbered(Path("runs"), plain_name(source)) if folder is None else Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(path, error) from error
    # Before a lock is made in a folder that is not ours.
    _check_empty(path)
    with hold(path):
        try:
            # Another process may have been first.
            _check_empty(path)
            _mark(path)
            yield path
        finally:
            _remove_empty(path, made=made, numbered=folder is None)


def _mark(path: Path) -> None:
    try:
        marks.write_marker(path)
    except OSError as error:
        raise not_written(path / marks.MARKER, error) from error


def _remove_empty(path: Path, *, made: bool, numbered: bool) -> None:
    """Leave nothing of ours in a folder that holds nothing else, and none that was made for it."""
    # A folder that holds something stays.
    with suppress(OSError):
        if {one.name for one in path.iterdir()} <= OURS:
            (path / marks.MARKER).unlink(missing_ok=True)
            (path / LOCK).unlink()
            if made:
                path.rmdir()
            if numbered:
                marks.remove_empty(path.parent)


def _check_empty(path: Path) -> None:
    try:
        held = next((one for one in path.iterdir() if one.name not in OURS), None)
    except OSError as error:
        raise not_written(path, error) from error
    if (path / RECORD).exists():
        raise AutoencodeError(
            f"{path} already holds a run: choose another `run` folder, "
            f"go on with it by `resume={path}`, or see it with: autoencode show {path}"
        )
    if held is not None:
        raise AutoencodeError(
            f"{path} is not empty (it holds {held.name}): choose a new or empty `run` folder."
        )


@contextmanager
def hold(folder: Path) -> Generator[None]:
    """Keep every other process from writing in the run folder `folder`.

    Raises `AutoencodeError` where one does.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK))
        except BlockingIOError:
            owner = lock_owner(folder / LOCK)
            known = f" (process {owner})" if owner else ""
            raise AutoencodeError(
                f"{folder} is in use by another process{known}, which trains in it: "
                "wait for its end, or choose another folder."
            ) from None
        except OSError as error:
            raise not_written(folder, error) from error
        yield


def plain_name(source: str) -> str:
    """The last part of a path or name, of letters that any file system takes."""
    return re.sub(r"[^\w.-]+", "_", Path(source).resolve().name)[:80].lstrip(".") or "images"


def _make_marked(parent: Path) -> None:
    """Make and mark the folder `parent`; what is there already stays as it is."""
    try:
        parent.mkdir()
    except (FileExistsError, FileNotFoundError):
        # The caller looks what is there.
        return
    except OSError as error:
        raise not_written(parent, error) from error
    try:
        _mark(parent)
    except AutoencodeError:
        marks.remove_empty(parent)
        raise


def _claim_numbered(parent: Path, name: str) -> Path:
    matches = [re.fullmatch(r".*-(\d+)", path.name) for path in parent.glob(f"{name}-*")]
    number = max((int(match[1]) for match in matches if match), default=0) + 1
    _make_marked(parent)
    while True:
        path = parent / f"{name}-{number}"
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            if not parent.is_dir():
                raise AutoencodeError(
                    f"{parent} is a file; expected a folder: name one with `run`."
                ) from None
            # Another process was first.
            number += 1
        except OSError as error:
            raise not_written(path, error) from error
