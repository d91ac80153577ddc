"""Files that are whole or absent, and locks that end with their owner.

Knows nothing else of the project.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:
    # On Windows.
    import msvcrt

# What a compressed file may unpack to: so many bytes, or so many times its size. Blank pictures
# reach 1,000 times.
MAX_UNPACKED_BYTES = 2**26
MAX_UNPACKED_TIMES = 100

# Windows knows neither of the first two, and only Windows the last.
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
BINARY = getattr(os, "O_BINARY", 0)

# Letters of a file's name at the end of its temporary name, which has to fit into 255 bytes.
NAME_LETTERS = 40


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a temporary path beside `path` to write to.

    It takes that name when all went well, and is gone when not. The temporary file is there, empty,
    and nobody can have planted a link at its random name. It keeps the suffix, which some writers
    look at. Raises what the writing raises, and `OSError`.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.txt")
    >>> with replacing(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    name = f".{os.getpid()}.{secrets.token_hex(8)}.{path.name[-NAME_LETTERS:]}"
    temporary = path.with_name(name)
    try:
        os.close(create(temporary))
        yield temporary
        os.replace(temporary, path)
    finally:
        # Its folder may be gone; what was raised before says more.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def create(path: Path) -> int:
    """Make the file `path`, which must not be there, and return its descriptor, to read and write.

    A link at that name is not followed. Raises `OSError`, and `FileExistsError` where anything has
    that name.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW | BINARY, 0o666)


def is_temporary(name: str) -> bool:
    """Whether `replacing` names its files like `name`, as a process that was killed leaves them.

    >>> is_temporary(".123.a.png"), is_temporary(".hidden.png")
    (True, False)
    """
    return re.match(r"\.\d+\.", name) is not None


def open_own(path: Path) -> BinaryIO:
    """Open the file `path` to read and write it, without a buffer; where there is none, make it.

    Raises `OSError` where that fails, or where what is there is a link, no regular file, or another
    user's.

    >>> import tempfile
    >>> with open_own(Path(tempfile.mkdtemp(), "a.part")) as file:
    ...     file.write(b"begun")
    5
    """
    try:
        return open(create(path), "r+b", buffering=0)
    except FileExistsError:
        pass
    descriptor = _open_regular(path)
    try:
        status = os.fstat(descriptor)
        if status.st_nlink != 1:
            raise OSError(errno.EEXIST, "a file is there that has another name too", str(path))
        if os.name != "nt" and status.st_uid != os.geteuid():
            raise OSError(errno.EEXIST, "a file of another user is there", str(path))
        return open(descriptor, "r+b", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def _open_regular(path: Path, flags: int = 0) -> int:
    """Return a descriptor of the regular file `path`; raise `OSError` where it is none."""
    linked = OSError(errno.ELOOP, "a symbolic link is there, which is not followed", str(path))
    if path.is_symlink():
        raise linked
    try:
        # A pipe would wait for its other end.
        descriptor = os.open(path, os.O_RDWR | NO_FOLLOW | NO_WAIT | BINARY | flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise linked from error
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EEXIST, "something is there that is not a regular file", str(path))


@contextmanager
def locked(path: Path, *, remove: bool = False) -> Generator[None]:
    """Hold a lock on the file `path`, made where there is none.

    The system lets go when the process ends, however it does. The file holds the number of the
    process meanwhile, see `lock_owner`. With `remove` it is gone at the end. Raises
    `BlockingIOError` where another holds the lock, and `OSError` where there can be none or a file
    of other content is there.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "lock")
    >>> with locked(path):
    ...     lock_owner(path) == os.getpid()
    True
    """
    with open(_open_regular(path, os.O_CREAT), "r+b", buffering=0) as file:
        _lock(file)
        try:
            if not _is_still(file, path):
                raise BlockingIOError("another process removed it meanwhile")
            _sign(file, path)
            try:
                yield
            finally:
                _clear(file, path, remove=remove)
        finally:
            _unlock(file)


def _sign(file: BinaryIO, path: Path) -> None:
    """Write the number of this process to the lock; raise `OSError` where the file is no lock."""
    content = file.read(32)
    if content and not re.fullmatch(rb"\d+\n", content):
        raise OSError(errno.EEXIST, "a file of other content is there", str(path))
    if os.fstat(file.fileno()).st_nlink != 1:
        raise OSError(errno.EEXIST, "a file is there that has another name too", str(path))
    # On a full disk, the lock holds all the same.
    with suppress(OSError):
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n".encode())


def _clear(file: BinaryIO, path: Path, *, remove: bool) -> None:
    """Leave no number of a process that holds the lock no more."""
    with suppress(OSError):
        if remove and _is_still(file, path):
            path.unlink()
        else:
            file.truncate(0)


def lock_owner(path: Path) -> int | None:
    """Return the number of the process that holds the lock on `path`, as far as it is known."""
    try:
        with path.open("rb") as file:
            content = file.read(32)
    except OSError:
        return None
    return int(content) if re.fullmatch(rb"\d+\n", content) else None


def _is_still(file: BinaryIO, path: Path) -> bool:
    """Whether `path` names the open `file`, and not one made since.

    Two processes could each lock one of them.
    """
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
    # Windows synchronises only what can be written.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def synchronise_names(folder: Path) -> None:
    """Have the disk keep which files `folder` holds; Windows does so of its own accord."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems have no such thing.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def check_unpacked(unpacked: int, packed: int, least: int = MAX_UNPACKED_BYTES) -> None:
    """Raise `ValueError` where `unpacked` bytes out of `packed` ones are a decompression bomb.

    Up to `least` bytes are not.

    >>> check_unpacked(2**20, 2**10)
    """
    if unpacked > max(least, MAX_UNPACKED_TIMES * packed):
        raise ValueError(
            f"it unpacks {packed:,} bytes to {unpacked:,}, as a decompression bomb does"
        )
