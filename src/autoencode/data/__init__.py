"""A path, a name or an array becomes images.

Knows files and pictures, no model and no framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autoencode.data.open import (
    NAMES,
    Location,
    Source,
    as_dataset,
    find,
    load,
    locate,
    open_dataset,
)

if TYPE_CHECKING:
    from autoencode.data.dataset import Dataset, Progress
    from autoencode.data.packing import pack

# Imported when first used: a built-in dataset needs none of it.
_LAZY_IMPORTS = {"Dataset": "dataset", "Progress": "dataset", "pack": "packing"}
__all__ = [
    "NAMES",
    "Dataset",
    "Location",
    "Progress",
    "Source",
    "as_dataset",
    "find",
    "load",
    "locate",
    "open_dataset",
    "pack",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    if name not in _LAZY_IMPORTS:
        raise AttributeError(f"module 'autoencode.data' has no attribute {name!r}")
    return getattr(import_module(f"autoencode.data.{_LAZY_IMPORTS[name]}"), name)
