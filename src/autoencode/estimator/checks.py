"""The errors that the estimator raises, and the check of whole numbers."""

from __future__ import annotations

import numbers
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from autoencode.errors import AutoencodeError, reason

# Endings of messages that speak of a run folder, which the estimator does not write.
OF_RUN_FOLDERS = (" Earlier epochs are kept.", " What was written before is intact.")


class InvalidError(AutoencodeError, ValueError):
    """Data or a parameter is invalid; a `ValueError` too, as scikit-learn expects."""


@contextmanager
def raising_invalid() -> Generator[None]:
    """Raise every `AutoencodeError` and `ValueError` of the block as an `InvalidError`."""
    try:
        yield
    except InvalidError:
        raise
    except AutoencodeError as error:
        line = str(error)
        for ending in OF_RUN_FOLDERS:
            line = line.removesuffix(ending)
        raise InvalidError(line) from error
    except ValueError as error:
        # scikit-learn's checks compare these several lines word for word.
        if str(error).startswith("The feature names"):
            raise
        raise InvalidError(reason(error)) from error


def check_whole(name: str, value: Any, least: int, largest: int) -> None:
    """Raise `InvalidError` unless `value` is a whole number from `least` to `largest`."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or not least <= int(value) <= largest:
        raise InvalidError(
            f"{name} must be a whole number from {least} to {largest}, received {value!r}."
        )


def check_verbose(verbose: Any) -> None:
    """Raise `InvalidError` unless `verbose` is 0, 1, False or True."""
    is_whole = isinstance(verbose, (numbers.Integral, np.bool_))
    if not is_whole or verbose not in (0, 1):
        raise InvalidError(f"verbose must be 0 or 1, received {verbose!r}.")
