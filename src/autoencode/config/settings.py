"""Every setting of a training in one flat, frozen dataclass. Knows no framework and no image.

"auto" is filled in for the images at hand by `training.planning.resolve`. The text under each
field is its help on the command line and in `help(Config)`.
"""

import dataclasses
import shlex
from dataclasses import dataclass
from typing import Literal

from autoencode.config.checks import check_field, check_positive, check_whole
from autoencode.config.duration import parse_duration
from autoencode.config.fields import list_fields
from autoencode.config.spelling import JOINED, join_numbers, to_plain

# A column of 180 pixels each; a GIF is at most 65,535 wide.
MAX_EXAMPLES = 100
# A GIF holds at most 655 seconds a frame.
MAX_FRAME_SECONDS = 600


@dataclass(frozen=True, kw_only=True, repr=False)
class DataConfig:
    """The settings by which a source becomes images.

    Raises `UsageError` where one is invalid.

    >>> DataConfig(size="32", range="0:4095").range
    '0:4095'
    """

    size: str = "auto"
    """Size of the images: auto, a number for squares, or WIDTHxHEIGHT in pixels."""

    fit: Literal["pad", "crop", "stretch"] = "pad"
    """How an image of other proportions fills that size: pad, crop or stretch."""

    colour: Literal["auto", "grey", "rgb"] = "auto"
    """Colour of the images: auto, grey or rgb."""

    range: str = "auto"
    """Stored values of black and white: auto, full (those of the type), MIN:MAX or
    percentile:LOW:HIGH."""

    bands: str = "all"
    """Channels to take, counted from 0: all, one for grey (3) or three for RGB (2,1,0)."""

    frames: Literal["auto", "first", "all"] = "auto"
    """Pages or frames of a file: first, all, or auto (all of a TIFF, the first of an animation)."""

    transpose: bool = False
    """Swap rows and columns, as EMNIST's files need."""

    include_masks: bool = False
    """Take masks of other images too: ground_truth/, masks/ and NAME_mask beside NAME."""

    validation: Literal["join", "test", "drop"] = "join"
    """Validation images beside test images: join (the training images), test (those) or drop."""

    max_pixels: int = 2**26
    """Pixels of an image file, above which it is skipped; a JPEG of any size is decoded smaller."""

    split_seed: int = 0
    """Random seed for drawing test images, where a source has none of its own."""

    strict: bool = False
    """Stop at an image file that cannot be read, instead of skipping it."""

    def __post_init__(self) -> None:
        """Turn numbers of NumPy into Python's, pairs and lists of numbers into text, and check.

        A `size` of 32 is "32", and one of (64, 48), width and height, is "64x48"; a `range` of
        (0, 4095) is "0:4095".
        """
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, to_plain(getattr(self, field.name)))
        for name in JOINED:
            object.__setattr__(self, name, join_numbers(name, getattr(self, name)))

        for field in dataclasses.fields(self):
            check_field(self, field.name)
        check_whole(self, "split_seed", 0, 2**32 - 1)
        check_whole(self, "max_pixels", 1, 2**32 - 1)

    def __repr__(self) -> str:
        """Return the settings that differ from the defaults."""
        changed = [f"{name}={value!r}" for name, value in self.changed().items()]
        return f"{type(self).__name__}({', '.join(changed)})"

    def changed(self) -> dict[str, object]:
        """Return the settings that differ from the defaults, by name.

        >>> DataConfig(size=32).changed()
        {'size': '32'}
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value != defaults[name]}


@dataclass(frozen=True, kw_only=True, repr=False)
class Config(DataConfig):
    """The settings of one training.

    Raises `UsageError` where a number is out of its range.

    >>> Config(epochs=3)
    Config(epochs=3)
    >>> Config(epochs=3).options()
    ['--epochs', '3']
    """

    model: str = "auto"
    """Architecture: auto (for the images), article, residual, dense, feedback, conv or patch."""

    code: int = 16
    """Size of the latent code, the layer between encoder and decoder."""

    width: float = 1.0
    """Factor on the sizes of the hidden layers; the original tutorial's model has none."""

    quantize: int | None = None
    """Bits of each latent dimension; without it they are floats."""

    variational: float | None = None
    """Weight of the KL divergence, which makes a variational autoencoder (VAE); 1 with the bce loss
    is the evidence lower bound (ELBO)."""

    warm_up: float = 1.0
    """Epochs over which the variational weight grows from 0."""

    free_bits: float = 0.0
    """Free bits: minimum KL divergence per latent dimension, in nats."""

    sparsity: float = 0.0
    """Weight of a sparsity penalty: mean absolute value of a code by its root mean square."""

    noise: str = "none"
    """Noise on the input alone, which the model learns to remove: gaussian:0.3, mask:0.5, salt:0.2,
    or a sum with +."""

    augment: str = "auto"
    """Augmentation of every image: none, shift:2, rotate:10, scale:0.1, elastic:1, flip:0.5,
    mix:0.5, a sum with +, or auto."""

    dropout: float | Literal["auto"] = "auto"
    """Dropout: share of hidden units dropped in training, of the residual model alone; auto by the
    number of images."""

    holdout: float | Literal["auto"] = "auto"
    """Share of the training images held out to choose the best epoch; auto is 0.1 below 20,000
    images, 0 for the original tutorial."""

    time: str = "auto"
    """Training time to choose the epochs by, such as 60s or 5m; auto takes a number of steps by the
    number of images."""

    loss: str = "mse"
    """Training loss: mse, mae, bce, ssim, or a weighted sum such as mse+0.1*ssim."""

    engine: Literal["auto", "jax", "tensorflow", "torch"] = "auto"
    """Framework that trains: auto, jax, tensorflow or torch."""

    epochs: int | Literal["auto"] = "auto"
    """Passes over the training images; auto by their number, 10 for the original tutorial."""

    batch_size: int | Literal["auto"] = "auto"
    """Images in one optimizer step, the last one of an epoch may have fewer; auto by their number,
    256 for the original tutorial."""

    optimizer: str = "auto"
    """Optimizer: auto (the model's default), adam, adamw, sgd, rmsprop, lion or muon."""

    learning_rate: float | Literal["auto"] = "auto"
    """Learning rate; auto by model, batch size and optimizer, 0.001 for the original tutorial."""

    schedule: str = "auto"
    """Schedule of the learning rate: auto (the model's default), constant, cosine or linear."""

    weight_decay: float | Literal["auto"] = "auto"
    """Weight decay, decoupled: share of each weight taken off in a step of size 1; auto is 0, or by
    the number of images for the residual model."""

    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    """Compute dtype: float32, bfloat16, or auto (bfloat16 on accelerators)."""

    seed: int = 0
    """Random seed of the initial weights and of the order of the images."""

    examples: int = 10
    """Test images reconstructed in the image file of each epoch."""

    frame_seconds: float | Literal["auto"] = "auto"
    """Seconds that each epoch stays in the GIF; auto is 1, less where all of them would take longer
    than 20 seconds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "code", 1, 2**31 - 1)
        for name in ("epochs", "batch_size"):
            if not self.is_auto(name):
                check_whole(self, name, 1, 2**31 - 1)
        check_whole(self, "examples", 1, MAX_EXAMPLES)
        check_whole(self, "seed", 0, 2**32 - 1)
        if self.quantize is not None:
            check_whole(self, "quantize", 1, 16)

        if not self.is_auto("learning_rate"):
            check_positive(self, "learning_rate")
        if not self.is_auto("dropout"):
            check_positive(self, "dropout", 0.9, zero=True)
        if not self.is_auto("holdout"):
            check_positive(self, "holdout", 0.5, zero=True)
        parse_duration(self.time)
        check_positive(self, "width", 64)
        if self.variational is not None:
            check_positive(self, "variational")
        for name in ("warm_up", "free_bits", "sparsity", "weight_decay"):
            if not self.is_auto(name):
                check_positive(self, name, zero=True)
        if not self.is_auto("frame_seconds"):
            check_positive(self, "frame_seconds", MAX_FRAME_SECONDS)

    def is_auto(self, name: str) -> bool:
        """Return whether the setting `name` is left to be chosen."""
        value = getattr(self, name)
        return isinstance(value, str) and value == "auto"

    def options(self) -> list[str]:
        """Return the command-line words of the settings that differ from the defaults."""
        words = []
        for name, value in self.changed().items():
            words.append("--" + name.replace("_", "-"))
            if value is not True:
                words.append(str(value))
        return words

    def command(self, source: str) -> str:
        """Return the command that repeats this training on `source`."""
        return shlex.join(["autoencode", "train", source, *self.options()])


list_fields(__file__, DataConfig, Config)
