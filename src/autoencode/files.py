"""Files that are whole or absent, and locks that end with their owner. Knows nothing else of the project."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

# What a compressed file may unpack to: so many bytes, or so many times its size. Blank pictures reach 1,000 times.
MOST_UNPACKED, MOST_TIMES = 2**26, 100


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to: it takes that name when all went well, and is gone when not.

    The temporary name keeps the suffix, which some writers look at. Raises what the writing raises, and `OSError`.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.txt")
    >>> with replacing(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # its folder may be gone; what was raised before says more
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on the file `path`, made where there is none; the system lets go when the process ends, however it does.

    Raises `BlockingIOError` where another holds it, and `OSError` where there can be none.
    """
    with path.open("ab") as file:
        _lock(file)
        try:
            if not _is_still(file, path):
                raise BlockingIOError("another process removed it meanwhile")
            yield
        finally:
            _unlock(file)


def _is_still(file: BinaryIO, path: Path) -> bool:
    """Whether `path` names the open `file`, and not one made since: two processes could each lock one of them."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock on `path`; there need be no such file."""
    try:
        with path.open("rb") as file:
            _lock(file)
            _unlock(file)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _lock(file: BinaryIO) -> None:
    if os.name != "nt":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    file.seek(0)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except PermissionError as error:
        raise BlockingIOError(*error.args) from error


def _unlock(file: BinaryIO) -> None:
    if os.name != "nt":
        fcntl.flock(file, fcntl.LOCK_UN)
        return
    file.seek(0)
    msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)


def synchronise(path: Path) -> None:
    """Have the disk keep the content of the file `path`, whatever happens to the power."""
    with path.open("r+b") as file:  # Windows synchronises only what can be written
        os.fsync(file.fileno())


def synchronise_names(folder: Path) -> None:
    """Have the disk keep which files `folder` holds; Windows does so of its own accord."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems have no such thing
            raise
    finally:
        os.close(descriptor)


def check_unpacked(unpacked: int, packed: int, least: int = MOST_UNPACKED) -> None:
    """Raise `ValueError` where `unpacked` bytes, above `least`, out of `packed` ones are taken for a decompression bomb.

    >>> check_unpacked(2**20, 2**10)
    """
    if unpacked > max(least, MOST_TIMES * packed):
        raise ValueError(f"it unpacks {packed:,} bytes to {unpacked:,}, as a decompression bomb does")
