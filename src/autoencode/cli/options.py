"""Settings in messages of the library as options: --batch-size 256 for `batch_size=256`."""

from __future__ import annotations

import dataclasses
import re

from autoencode.config import Config
from autoencode.errors import SETTING

# Parameters of commands that are no fields of `Config`.
ARGUMENTS = (
    "codes",
    "false_alarms",
    "folder",
    "folds",
    "method",
    "models",
    "normal",
    "out",
    "overwrite",
    "refine",
    "resume",
    "run",
    "seeds",
    "source",
    "spherical",
)
KNOWN = frozenset((*ARGUMENTS, *(field.name for field in dataclasses.fields(Config))))


def option(name: str) -> str:
    """Return the option of a setting.

    >>> option("batch_size")
    '--batch-size'
    """
    return "--" + name.replace("_", "-")


def with_options(line: str) -> str:
    """Return a message of the library with options in place of settings.

    >>> with_options("`batch_size=512` is larger than the 300 images; `x` is no setting")
    '--batch-size 512 is larger than the 300 images; `x` is no setting'
    """
    return SETTING.sub(_as_option, line)


def _as_option(setting: re.Match[str]) -> str:
    name, value = setting.groups()
    if name not in KNOWN:
        return setting[0]
    return option(name) if value is None else f"{option(name)} {value}"
