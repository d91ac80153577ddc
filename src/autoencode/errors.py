"""The errors a user can cause and mend. Owns their wording rules; knows nothing else of the project."""

import difflib
import unicodedata
from collections.abc import Iterable


class AutoencodeError(Exception):
    """A problem the user can mend: the command prints its one line, without a traceback.

    The line says what was expected, what was received and what to do.
    `exit_status` is what the command then exits with.
    """

    exit_status = 1

    def __init__(self, line: str) -> None:
        super().__init__(printable(line))


class UsageError(AutoencodeError):
    """The words of the call are off: an unknown name, a size below one. Exit status 2."""

    exit_status = 2


def unknown(kind: str, received: object, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not among `known`, nearest names first.

    >>> str(unknown("engine", "jaks", ["jax", "torch"]))
    "unknown engine 'jaks': did you mean 'jax'? Known: jax, torch."
    """
    names = list(known)
    near = difflib.get_close_matches(str(received), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(name) for name in near)}? " if near else ""
    return UsageError(f"unknown {kind} {received!r}: {hint}Known: {', '.join(names)}.")


def newer(path: object, written: str, version: str) -> AutoencodeError:
    """Return the error for a file or folder that a newer autoencode has `written`, in a `version` not known here.

    >>> str(newer("a.store", "packed", "version 2, known here: 1"))
    'a.store was packed by a newer autoencode (version 2, known here: 1): upgrade with: pip install --upgrade autoencode'
    """
    return AutoencodeError(
        f"{path} was {written} by a newer autoencode ({version}): upgrade with: pip install --upgrade autoencode"
    )


def printable(text: str) -> str:
    """Return `text` on one line of any screen: what would break the line or steer the terminal stands as an escape.

    >>> print(printable("a\\nb.png"))
    a\\nb.png
    """
    if text.isprintable():
        return text
    return "".join(repr(one)[1:-1] if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") else one for one in text)


def reason(error: BaseException) -> str:
    """Return why `error` happened, on one line: the system's words for an `OSError`."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(words.split()) or type(error).__name__


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, in Python's, JAX's, TensorFlow's or PyTorch's words.

    >>> out_of_memory(MemoryError())
    True
    """
    named = type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError")
    return isinstance(error, MemoryError) or named or "RESOURCE_EXHAUSTED" in str(error)
