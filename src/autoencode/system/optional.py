"""Packages that autoencode does without, and how they are installed."""

from importlib import import_module
from types import ModuleType

from autoencode.errors import AutoencodeError


def import_pandas() -> ModuleType:
    """Return pandas; raise `AutoencodeError` with the install command where it is missing."""
    try:
        return import_module("pandas")
    except ImportError:
        raise AutoencodeError(
            "to_pandas needs pandas; install it with: pip install pandas"
        ) from None
