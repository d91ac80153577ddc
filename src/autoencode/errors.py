"""The errors that a user can cause and fix.

    Exception
    └── AutoencodeError    what was expected, what was received, what to do (exit status 1)
        └── UsageError     a setting or an argument is invalid (status 2)

A message names settings as Python spells them, in backticks: `batch_size`, `range=0:4095`. The
command prints them as its options: --batch-size, --range 0:4095.
"""

import difflib
import errno
import os
import re
import unicodedata
from collections.abc import Iterable

# What turns the direction of the text that follows, so that a line on the screen reads as another.
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
ESCAPED = ("Cc", "Cs", "Zl", "Zp")  # categories of characters
SETTING = re.compile(r"`([a-z]\w*)(?:=([^`]*))?`")  # in a message

# What to do about an error of the system. Each is followed by "or choose another ...".
_ADVICE_BY_NAME = {
    "ENOSPC": "make room",
    "EDQUOT": "make room (the quota of this user is used up)",
    "EFBIG": "allow larger files (ulimit -f)",
    "EACCES": "ask for the permission to write there",
    "EPERM": "ask for the permission to write there",
    "EROFS": "have the disk mounted so that it can be written",
    "ENOENT": "make the folder again, which is gone",
    "ENOTDIR": "move away the file that stands where a folder is expected",
    "EISDIR": "move away the folder of that name",
    "ENOTEMPTY": "move away the folder of that name",
    "EEXIST": "move away what is there",
    "ELOOP": "move away the symbolic link",
    "ENAMETOOLONG": "shorten the name",
    "EMFILE": "close other files (ulimit -n)",
    "ENOLCK": "use a disk that has locks",
    "ENOTSUP": "use a disk that can do this",
    "EOPNOTSUPP": "use a disk that can do this",
    "EIO": "check the disk",
    "ESTALE": "check the connection to the disk",
}
ADVICE = {
    getattr(errno, name): advice for name, advice in _ADVICE_BY_NAME.items() if hasattr(errno, name)
}


class AutoencodeError(Exception):
    """A problem the user can mend: the command prints its one line, without a traceback.

    The line says what was expected, what was received and what to do.
    `exit_status` is what the command then exits with.
    """

    exit_status = 1

    def __init__(self, line: str) -> None:
        super().__init__(printable(line))


class UsageError(AutoencodeError):
    """A setting or an argument is invalid: an unknown name, a size below one. Exit status 2.

    `parameter` is the setting that the message is about, as Python spells it: unless it is given,
    the first one that the message names; None where it names none.

    >>> UsageError("`batch_size` must be at least 1, received 0.").parameter
    'batch_size'
    """

    exit_status = 2

    def __init__(self, line: str, parameter: str | None = None) -> None:
        super().__init__(line)
        named = SETTING.search(line)
        self.parameter = parameter or (named[1] if named else None)


def unknown(kind: str, received: object, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not among `known`, nearest names first.

    >>> str(unknown("engine", "jaks", ["jax", "torch"]))
    "unknown engine 'jaks': did you mean 'jax'? Known: jax, torch."
    """
    names = list(known)
    near = difflib.get_close_matches(str(received), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(name) for name in near)}? " if near else ""
    line = f"unknown {kind} {received!r}: {hint}Known: {', '.join(names)}."
    return UsageError(line, parameter=kind if kind.isidentifier() else None)


def newer(path: object, written: str, version: str) -> AutoencodeError:
    """Return the error for a file or folder that a newer autoencode has `written`.

    `version` says which format it has, and which is known here.

    >>> str(newer("a.store", "packed", "version 2, known here: 1"))
    'a.store was packed by a newer autoencode (version 2, known here: 1): upgrade with: ...'
    """
    return AutoencodeError(
        f"{path} was {written} by a newer autoencode ({version}): upgrade with: "
        "pip install --upgrade autoencode"
    )


def printable(text: str) -> str:
    r"""Return `text` on one line: what would break it or steer the terminal is escaped.

    So does what turns the direction of text, which lets a name look like another.

    >>> print(printable("a\\nb.png"), printable("a\\u202egnp.exe"))
    a\\nb.png a\\u202egnp.exe
    """
    if text.isprintable():
        return text
    return "".join(map(_escape, text))


def _escape(character: str) -> str:
    if unicodedata.category(character) in ESCAPED or character in DIRECTIONS:
        return repr(character)[1:-1]
    return character


def reason(error: BaseException) -> str:
    """Return why `error` happened, on one line: the system's words for an `OSError`."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(words.split()) or type(error).__name__


def not_written(
    path: str | os.PathLike[str],
    error: OSError,
    elsewhere: str,
    kept: str = "",
    *,
    action: str = "write",
) -> AutoencodeError:
    """Return the error for `path`, which could not be written: the cause, and advice that fits it.

    `elsewhere` is what to choose another of, `kept` says what is safe all the same, and `action`
    what was tried.

    >>> print(not_written("a.csv", OSError(errno.ENOSPC, "No space left on device"), "`out`"))
    could not write a.csv (No space left on device): make room or choose another `out`.
    >>> print(not_written("a", OSError(errno.EIO, "I/O error"), "file", "the rest is kept"))
    could not write a (I/O error): check the disk or choose another file; the rest is kept.
    """
    advice = ADVICE.get(error.errno or 0)
    if error.errno == errno.ENOENT and os.path.isdir(os.path.dirname(path) or "."):
        advice = "try again (a file was removed meanwhile)"
    choice = f"choose another {elsewhere}"
    todo = f"{advice} or {choice}" if advice else choice
    ending = f"; {kept}" if kept else ""
    return AutoencodeError(f"could not {action} {path} ({reason(error)}): {todo}{ending}.")


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out: Python's, JAX's, TensorFlow's or PyTorch's.

    >>> out_of_memory(MemoryError())
    True
    """
    named = type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError")
    return isinstance(error, MemoryError) or named or "RESOURCE_EXHAUSTED" in str(error)
