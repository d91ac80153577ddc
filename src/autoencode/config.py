"""Every setting of a training in one flat, frozen dataclass. Knows no framework and no image.

The defaults are the article's. The line under each field is its help text on the command line.
"""

import dataclasses
import math
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from autoencode.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one training.

    Raises `UsageError` where a number is out of its range.

    >>> Config(epochs=3).options()
    ['--epochs', '3']
    """

    model: str = "article"
    """Architecture by name: article."""

    code: int = 16
    """Numbers in the code, the layer between encoder and decoder."""

    size: str = "auto"
    """Size of the images: auto, a number for squares, or WIDTHxHEIGHT in pixels."""

    fit: str = "pad"
    """How a picture of other proportions fills that size: pad, crop or stretch."""

    colour: str = "auto"
    """Colour of the images: auto, grey or rgb."""

    strict: bool = False
    """Stop at a picture that cannot be read, where it would be left out."""

    engine: str = "auto"
    """What computes: auto, jax, tensorflow or torch."""

    epochs: int = 10
    """Passes over the training images."""

    batch_size: int = 256
    """Images in one optimizer step; the last, smaller batch of an epoch counts too."""

    learning_rate: float = 1e-3
    """Step size of Adam."""

    seed: int = 0
    """Start of the initial weights, of the order of the images, and of the draw of test images."""

    examples: int = 10
    """Test images redrawn in the picture of each epoch."""

    frame_seconds: float = 1.0
    """Seconds that each epoch stays in the GIF."""

    def __post_init__(self) -> None:
        for name in ("code", "epochs", "batch_size", "examples"):
            self._check_whole(name, 1, 2**31 - 1)
        self._check_whole("seed", 0, 2**32 - 1)
        self._check_positive("learning_rate", math.inf)
        self._check_positive("frame_seconds", 600)  # a GIF holds at most 655 seconds a frame

    def _check_whole(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise UsageError(f"{_option(name)} must be a whole number from {least} to {most}, received {value!r}.")

    def _check_positive(self, name: str, most: float) -> None:
        value = getattr(self, name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not 0 < value <= most:
            limit = "" if most == math.inf else f" and at most {most:g}"
            raise UsageError(f"{_option(name)} must be a number above 0{limit}, received {value!r}.")

    def options(self) -> list[str]:
        """Return the command-line words that differ from the defaults."""
        words = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                words += [_option(field.name)] if value is True else [_option(field.name), str(value)]
        return words

    def command(self, source: str) -> str:
        """Return the command that repeats this training on `source`."""
        return shlex.join(["autoencode", "train", source, *self.options()])


def cache_folder() -> Path:
    """Return where this user's caches of autoencode lie; it need not exist."""
    local = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(local) / "autoencode"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
