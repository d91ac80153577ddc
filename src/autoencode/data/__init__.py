"""Room 1: a path, a name or an array becomes images. Knows files and pictures, no model and no framework."""

from typing import TYPE_CHECKING

from autoencode.data.open import NAMES, Source, as_rows, find, load, open_source, pack

if TYPE_CHECKING:
    from autoencode.data.loading import Progress

__all__ = ["NAMES", "Progress", "Source", "as_rows", "find", "load", "open_source", "pack"]
