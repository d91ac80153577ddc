"""Every setting of a training in one flat, frozen dataclass. Knows no framework and no image.

"auto" is filled in for the images at hand by `planning.plan`. The line under each field is its help text on the command line.
"""

import dataclasses
import math
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autoencode.errors import UsageError, unknown

MAX_SECONDS = 3.6e6  # 1,000 hours
MAX_EXAMPLES = 100  # a column of 180 pixels each; a GIF is at most 65,535 wide
PRECISIONS = ("float32", "bfloat16", "auto")
# Of each setting, a value of the right type, for the line that refuses one of another.
EXAMPLES = {
    "size": (64, 48), "fit": "pad", "colour": "grey", "range": "0:4095", "bands": "0,1,2", "frames": "all",
    "transpose": True, "include_masks": True, "validation": "join", "max_pixels": 2**28, "split_seed": 0, "strict": True,
    "model": "dense", "code": 16, "width": 2.0, "quantize": 8, "variational": 1.0, "warm_up": 2.0, "free_bits": 0.5,
    "sparsity": 0.01, "noise": "gaussian:0.3", "augment": "shift:2", "dropout": 0.1, "holdout": 0.1, "time": "60s", "loss": "mse", "engine": "jax", "epochs": 10,
    "batch_size": 256, "optimizer": "adam", "learning_rate": 0.001, "schedule": "cosine", "weight_decay": 0.01,
    "precision": "float32", "seed": 0, "examples": 10, "frame_seconds": 1.0,
}  # fmt: skip
SUMS = ("noise", "augment", "loss")
SHOWN_LETTERS = 80


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
        """Turn numbers of NumPy into Python's, and sizes, bands and ranges of numbers into text, and check every setting.

        A `size` of 32 is "32", and one of (64, 48), width and height, is "64x48"; a `range` of (0, 4095) is "0:4095".
        """
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _plain(getattr(self, field.name)))
        for name in WRITTEN:
            object.__setattr__(self, name, _joined(name, getattr(self, name)))

        for field in dataclasses.fields(self):
            if field.type is str or field.type is bool:
                self._check_type(field.name, field.type)
        self._check_whole("split_seed", 0, 2**32 - 1)
        self._check_whole("max_pixels", 1, 2**32 - 1)

    def _check_type(self, name: str, kind: type) -> None:
        value = getattr(self, name)
        if isinstance(value, kind):
            return
        if name == "size":
            expected = "text, a number of pixels, or (width, height)"
        else:
            expected = "text" if kind is str else "True or False"
        raise UsageError(
            f"`{name}` must be {expected}, received {_shown(value)}: {self._spelling(name, value)}."
        )

    def _check_whole(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if is_whole and least <= value <= most:
            return
        advice = "" if is_whole else f": {self._spelling(name, value)}"
        raise UsageError(
            f"`{name}` must be a whole number from {least} to {most}, received {_shown(value)}{advice}."
        )

    def _check_positive(self, name: str, most: float, *, zero: bool = False) -> None:
        value = getattr(self, name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and math.isfinite(value) and (0 < value <= most or (zero and value == 0)):
            return
        limit = "" if most == math.inf else f" and at most {most:g}"
        least = "0 or a number above it" if zero else "a number above 0"
        advice = "" if is_number else f": {self._spelling(name, value)}"
        raise UsageError(f"`{name}` must be {least}{limit}, received {_shown(value)}{advice}.")

    def _spelling(self, name: str, value: object) -> str:
        """What to write in place of a `value` that is of another type than the setting `name`."""
        if value is None:
            return f"leave it out for {getattr(type(self), name)!r}"
        right = _nearest(type(self).__dataclass_fields__[name].type, name, value)
        return (
            f"write {name}={EXAMPLES[name]!r}, for example"
            if right is None
            else f"write {name}={right!r}"
        )


@dataclass(frozen=True, kw_only=True)
class Config(DataConfig):
    """The settings of one training.

    Raises `UsageError` where a number is out of its range.

    >>> Config(epochs=3).options()
    ['--epochs', '3']
    """

    model: str = "auto"
    """Architecture: auto (chosen for the images), article, residual, dense, feedback, conv or patch."""

    code: int = 16
    """Numbers in the code, the layer between encoder and decoder."""

    width: float = 1.0
    """Factor on the sizes of the layers between image and code; the article's model has none."""

    quantize: int | None = None
    """Bits of each number of the code; without it they are floats."""

    variational: float | None = None
    """Weight of the Kullback-Leibler term, which makes the autoencoder variational; 1 with the bce loss is the evidence lower bound."""

    warm_up: float = 1.0
    """Epochs over which the variational weight grows from 0."""

    free_bits: float = 0.0
    """Nats below which no number of a variational code is pressed."""

    sparsity: float = 0.0
    """Weight of a term that wants few numbers of each code far from 0, the rest near it: mean absolute number by root mean square."""

    noise: str = "none"
    """Noise on the input alone, which the model learns to remove: gaussian:0.3, mask:0.5, salt:0.2, or a sum with +."""

    augment: str = "auto"
    """Random changes of every image: none, shift:2, rotate:10, scale:0.1, elastic:1, flip:0.5, mix:0.5, a sum with +, or auto."""

    dropout: float | Literal["auto"] = "auto"
    """Share of hidden units dropped in training, of the residual model alone; auto by the number of images."""

    holdout: float | Literal["auto"] = "auto"
    """Share of the training images that choose the best epoch; auto is 0.1 below 20,000 images, 0 for the original tutorial."""

    time: str = "auto"
    """Training time to choose the epochs by, such as 60s or 5m; auto takes a number of steps by the number of images."""

    loss: str = "mse"
    """What is made small: mse, mae, bce, ssim, or a weighted sum such as mse+0.1*ssim."""

    engine: str = "auto"
    """What computes: auto, jax, tensorflow or torch."""

    epochs: int | Literal["auto"] = "auto"
    """Passes over the training images; auto by their number, 10 for the original tutorial."""

    batch_size: int | Literal["auto"] = "auto"
    """Images in one optimizer step, the last one of an epoch may have fewer; auto by their number, 256 for the original tutorial."""

    optimizer: str = "auto"
    """How weights step: auto (the model's own), adam, adamw, sgd, rmsprop, lion or muon."""

    learning_rate: float | Literal["auto"] = "auto"
    """Step size of the optimizer; auto by model, batch size and optimizer, 0.001 for the original tutorial."""

    schedule: str = "auto"
    """How the step size changes: auto (the model's own), constant, cosine or linear."""

    weight_decay: float | Literal["auto"] = "auto"
    """Share of every weight taken off in a step of size 1; auto is 0 but for the residual model, by the number of images."""

    precision: str = "float32"
    """Numbers that products are computed in: float32, bfloat16, or auto (bfloat16 on an accelerator)."""

    seed: int = 0
    """Start of the initial weights and of the order of the images."""

    examples: int = 10
    """Test images redrawn in the picture of each epoch."""

    frame_seconds: float | Literal["auto"] = "auto"
    """Seconds that each epoch stays in the GIF; auto is 1, less where 20 epochs or more would take longer than 20 seconds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_whole("code", 1, 2**31 - 1)
        for name in ("epochs", "batch_size"):
            if not self.is_auto(name):
                self._check_whole(name, 1, 2**31 - 1)
        self._check_whole("examples", 1, MAX_EXAMPLES)
        self._check_whole("seed", 0, 2**32 - 1)
        if self.quantize is not None:
            self._check_whole("quantize", 1, 16)
        if not self.is_auto("learning_rate"):
            self._check_positive("learning_rate", math.inf)
        if not self.is_auto("dropout"):
            self._check_positive("dropout", 0.9, zero=True)
        if not self.is_auto("holdout"):
            self._check_positive("holdout", 0.5, zero=True)
        seconds(self.time)
        self._check_positive("width", 64)
        if self.variational is not None:
            self._check_positive("variational", math.inf)
        for name in ("warm_up", "free_bits", "sparsity", "weight_decay"):
            if not self.is_auto(name):
                self._check_positive(name, math.inf, zero=True)
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        if not self.is_auto("frame_seconds"):
            self._check_positive("frame_seconds", 600)  # a GIF holds at most 655 seconds a frame

    def is_auto(self, name: str) -> bool:
        """Return whether the setting `name` is left to be chosen."""
        return isinstance(getattr(self, name), str) and getattr(self, name) == "auto"

    def options(self) -> list[str]:
        """Return the command-line words that differ from the defaults."""
        words = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                words += (
                    [_option(field.name)] if value is True else [_option(field.name), str(value)]
                )
        return words

    def command(self, source: str) -> str:
        """Return the command that repeats this training on `source`."""
        return shlex.join(["autoencode", "train", source, *self.options()])


def seconds(time: str) -> float | None:
    """Return the seconds of a `time` such as "90s", "5m" or "1h"; None for "auto".

    Raises `UsageError` for anything else.

    >>> seconds("1.5m")
    90.0
    """
    if time == "auto":
        return None
    found = (
        re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(s|m|min|h)?", time) if isinstance(time, str) else None
    )
    value = float(found[1]) * {"h": 3600, "m": 60, "min": 60}.get(found[2], 1) if found else 0.0
    if not 1 <= value <= MAX_SECONDS:
        raise UsageError(
            "`time` must be auto or from 1s to 1000h, such as 90s, 5m or 1h, "
            f"received {_shown(time)}."
        )
    return value


def cache_folder() -> Path:
    """Return where this user's caches of autoencode lie; it need not exist."""
    local = (
        os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    )
    return Path(local) / "autoencode"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _plain(value: Any) -> Any:
    """Return a number of NumPy, or an array of a single one without an axis, as Python's own; all else as it is."""
    is_scalar = getattr(value, "ndim", None) == 0 and hasattr(value, "item")
    return value.item() if is_scalar else value


# How numbers from Python are written as one word, and of how many there may be.
WRITTEN = {"size": ("x", (1, 2)), "bands": (",", (1, 3)), "range": (":", (2,))}


def _joined(name: str, value: Any) -> Any:
    """Return the numbers of a setting in `WRITTEN` as one word, and any other value as it is.

    >>> _joined("size", 32), _joined("size", (64, 48)), _joined("range", (0, 4095))
    ('32', '64x48', '0:4095')
    """
    sign, counts = WRITTEN[name]
    kinds = (int,) if name != "range" else (int, float)
    parts = [value] if isinstance(value, int) else value
    if hasattr(parts, "tolist"):
        parts = parts.tolist()
    if not isinstance(parts, (tuple, list)) or len(parts) not in counts:
        return value
    numbers = [_plain(part) for part in parts]
    if not all(type(number) in kinds for number in numbers):
        return value
    return sign.join(map(_shortest, numbers))


def _shortest(number: float) -> str:
    """Return `number` with all its digits, and none after the point where it is whole."""
    if isinstance(number, int):
        return str(number)
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def _nearest(kind: Any, name: str, value: Any) -> Any:
    """Return what a `value` of a wrong type means as one of `kind`, or None where that is not plain."""
    if isinstance(value, (tuple, list)) and value and all(isinstance(part, str) for part in value):
        if name in SUMS:
            return "+".join(value)
        return value[0] if kind is str and len(value) == 1 else None
    if isinstance(value, bool) or not isinstance(value, (str, float)):
        return None
    if name == "size" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind in (str, bool):
        return None

    try:
        number = float(value)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if kind in (int, int | None, int | Literal["auto"]):
        return int(number) if number.is_integer() else None
    return number


def _shown(value: object) -> str:
    """Return `value` as Python writes it, on one line and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN_LETTERS else f"{text[: SHOWN_LETTERS - 1]}…"
