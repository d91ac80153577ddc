"""Every setting of a training in one flat, frozen dataclass. Knows no framework and no image.

The defaults are the article's. The line under each field is its help text on the command line.
"""

import dataclasses
import math
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from autoencode.errors import UsageError, unknown

MOST_EXAMPLES = 100  # a column of 180 pixels each; a GIF is at most 65,535 wide
PRECISIONS = ("float32", "bfloat16", "auto")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The settings by which a source becomes images.

    Raises `UsageError` where one is invalid.

    >>> DataConfig(size="32", range="0:4095").range
    '0:4095'
    """

    size: str = "auto"
    """Size of the images: auto, a number for squares, or WIDTHxHEIGHT in pixels."""

    fit: str = "pad"
    """How a picture of other proportions fills that size: pad, crop or stretch."""

    colour: str = "auto"
    """Colour of the images: auto, grey or rgb."""

    range: str = "auto"
    """Stored values that become black and white: auto, full (all that the type holds), MIN:MAX or percentile:LOW:HIGH."""

    bands: str = "all"
    """Channels to take, counted from 0: all, one for grey (3) or three for RGB (2,1,0)."""

    frames: str = "auto"
    """Pages and frames of a file: first, all, or auto (all pages of a TIFF stack, the first frame of an animation)."""

    transpose: bool = False
    """Swap rows and columns, as EMNIST's files need."""

    include_masks: bool = False
    """Take masks of other pictures too: ground_truth/, masks/ and NAME_mask beside NAME."""

    validation: str = "join"
    """Validation images where there are test images too: join (to the training images), test (to those) or drop."""

    max_pixels: int = 2**26
    """Pixels of one picture, above which it is skipped; a JPEG of any size is decoded straight to a smaller one."""

    split_seed: int = 0
    """Random seed for drawing test images, where a source has none of its own."""

    strict: bool = False
    """Stop at a picture that cannot be read, instead of skipping it."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.type is str or field.type is bool:
                self._check_type(field.name, field.type)
        self._check_whole("split_seed", 0, 2**32 - 1)
        self._check_whole("max_pixels", 1, 2**32 - 1)

    def _check_type(self, name: str, kind: type) -> None:
        value = getattr(self, name)
        if not isinstance(value, kind):
            raise UsageError(f"{_option(name)} must be {'text' if kind is str else 'yes or no'}, received {value!r}.")

    def _check_whole(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise UsageError(f"{_option(name)} must be a whole number from {least} to {most}, received {value!r}.")

    def _check_positive(self, name: str, most: float, *, zero: bool = False) -> None:
        value = getattr(self, name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not (0 < value <= most or (zero and value == 0)):
            limit = "" if most == math.inf else f" and at most {most:g}"
            least = "0 or a number above it" if zero else "a number above 0"
            raise UsageError(f"{_option(name)} must be {least}{limit}, received {value!r}.")


@dataclass(frozen=True, kw_only=True)
class Config(DataConfig):
    """The settings of one training.

    Raises `UsageError` where a number is out of its range.

    >>> Config(epochs=3).options()
    ['--epochs', '3']
    """

    model: str = "article"
    """Architecture by name: article, dense, feedback, conv or patch."""

    code: int = 16
    """Numbers in the code, the layer between encoder and decoder."""

    width: float = 1.0
    """Factor on the sizes of the layers between image and code; the article's model has none."""

    quantize: int | None = None
    """Bits of each number of the code; without it they are floats."""

    variational: float | None = None
    """Weight of the Kullback-Leibler term, which makes the autoencoder variational; 1 with --loss bce is the evidence lower bound."""

    warm_up: float = 1.0
    """Epochs over which the variational weight grows from 0."""

    free_bits: float = 0.0
    """Nats below which no number of a variational code is pressed."""

    sparsity: float = 0.0
    """Weight of a term that wants few numbers of each code far from 0, the rest near it: mean absolute number by root mean square."""

    noise: str = "none"
    """Noise on the input alone, which the model learns to remove: gaussian:0.3, mask:0.5, salt:0.2, or a sum with +."""

    augment: str = "none"
    """Random changes of every image: shift:2, rotate:10, scale:0.1, elastic:1, flip:0.5, or a sum with +."""

    loss: str = "mse"
    """What is made small: mse, mae, bce, ssim, or a weighted sum such as mse+0.1*ssim."""

    engine: str = "auto"
    """What computes: auto, jax, tensorflow or torch."""

    epochs: int = 10
    """Passes over the training images."""

    batch_size: int = 256
    """Images in one optimizer step; the last, smaller batch of an epoch counts too. This many at most, if left alone."""

    optimizer: str = "auto"
    """How weights step: auto (the model's own), adam, adamw, sgd, rmsprop, lion or muon."""

    learning_rate: float | Literal["auto"] = "auto"
    """Step size of the optimizer; auto is the model's own, 0.001 for the article's, or that of another --optimizer."""

    schedule: str = "auto"
    """How the step size changes: auto (the model's own), constant, cosine or linear."""

    weight_decay: float = 0.0
    """Share of every weight taken off in a step of size 1."""

    precision: str = "float32"
    """Numbers that products are computed in: float32, bfloat16, or auto (bfloat16 on an accelerator)."""

    seed: int = 0
    """Start of the initial weights and of the order of the images."""

    examples: int = 10
    """Test images redrawn in the picture of each epoch."""

    frame_seconds: float = 1.0
    """Seconds that each epoch stays in the GIF."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("code", "epochs", "batch_size"):
            self._check_whole(name, 1, 2**31 - 1)
        self._check_whole("examples", 1, MOST_EXAMPLES)
        self._check_whole("seed", 0, 2**32 - 1)
        if self.quantize is not None:
            self._check_whole("quantize", 1, 16)
        if self.learning_rate != "auto":
            self._check_positive("learning_rate", math.inf)
        self._check_positive("width", 64)
        if self.variational is not None:
            self._check_positive("variational", math.inf)
        for name in ("warm_up", "free_bits", "sparsity", "weight_decay"):
            self._check_positive(name, math.inf, zero=True)
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        self._check_positive("frame_seconds", 600)  # a GIF holds at most 655 seconds a frame

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
