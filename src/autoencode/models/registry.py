"""Architectures by name, and what is known of each before Keras is loaded.

What makes the pixels, and what moves them after that, computes in float32 whatever the rest does (Keras's guide "Mixed
precision"): in bfloat16 a sigmoid of 6 rounds to 1, where no gradient passes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoencode.errors import unknown

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class Architecture:
    """What is known of an architecture before Keras is loaded: what it is, and how it is best trained.

    `batch_normalised` tells whether layers normalise over a batch; `quantized_rate` is the learning rate where the code is
    quantized, if it is another; `starts_as_pca` tells that the model is PCA before it is trained, see `initialise`.
    """

    summary: str
    optimizer: str
    learning_rate: float
    schedule: str
    batch_normalised: bool = False
    quantized_rate: float | None = None
    starts_as_pca: bool = False


ARCHITECTURES = {
    # Codes within [-1, 1] and no normalisation after them ask for larger weights: 8 bits end at 0.0211 and not 0.0278.
    "article": Architecture(
        "one dense layer down to the code, one back", "adam", 1e-3, "constant", quantized_rate=1e-2
    ),
    "dense": Architecture(
        "dense layers, each normalised by its root mean square", "adamw", 4e-3, "cosine"
    ),
    "conv": Architecture(
        "convolutions that halve the image, then dense layers",
        "adamw",
        2e-3,
        "cosine",
        batch_normalised=True,
    ),
    "feedback": Architecture(
        "dense layers that redraw a first code, see what is left over, and correct the code",
        "adamw",
        4e-3,
        "cosine",
    ),
    "residual": Architecture(
        "PCA, and dense layers that learn what a linear code cannot",
        "adamw",
        4e-3,
        "cosine",
        starts_as_pca=True,
    ),
    "patch": Architecture("patches mixed by dense layers (MLP-Mixer)", "adamw", 2e-3, "cosine"),
}


def measured(name: str) -> dict[str, Any]:
    """Return `parameters`, mean `mse` over seeds (None where it is not measured yet) and `recipe` of `name`.

    They are those on MNIST, at a code of 16 numbers.
    """
    return json.loads(Path(__file__).with_name("measured.json").read_text("utf-8"))[name]


def find(name: str) -> Architecture:
    """Return the architecture called `name`; raise `UsageError` with the nearest names where there is none."""
    if name not in ARCHITECTURES:
        raise unknown("model", name, ARCHITECTURES)
    return ARCHITECTURES[name]


def build(
    name: str,
    shape: tuple[int, int, int],
    code: int,
    *,
    width: float = 1.0,
    linear_code: bool = False,
    quantize: int | None = None,
    dropout: float = 0.0,
) -> keras.Model:
    """Return the autoencoder `name` for images of `shape` (H, W, C) and a code of `code` numbers.

    A functional Keras model from (N, H, W, C) to (N, H, W, C), floats in [0, 1], in which the layers `encoder`,
    (N, H, W, C) to (N, code), and `decoder`, (N, code) to (N, H, W, C), are models themselves. `width` multiplies the
    sizes of the layers between; the article's has none. `linear_code` takes the activation off the code. `quantize`
    rounds every number of the code to one of 2 ** quantize values in [-1, 1]. `dropout` is the
    share of hidden units that are dropped in training, of `residual` alone.
    Raises `UsageError` for an unknown name.

    >>> build("article", (28, 28, 1), 16).count_params()
    25888
    """
    find(name)
    module = import_module(f"autoencode.models.{name}")
    import keras

    with _channels_last():
        options = {"dropout": dropout} if dropout else {}
        encoder, decoder = module.build(shape, code, width, **options)
    if linear_code or quantize is not None:
        from autoencode.models import codes

        encoder = codes.linear(encoder)
        encoder = encoder if quantize is None else codes.quantized(encoder, quantize)
    images = keras.Input(shape, name="images")
    return keras.Model(images, decoder(encoder(images)), name="autoencoder")


def initialise(name: str, model: keras.Model, images: np.ndarray) -> None:
    """Set the initial weights of `model`, built as `name`, that depend on uint8 images (N, H, W, C).

    Only those of an architecture that `starts_as_pca` do; any other model stays as it is.
    """
    if find(name).starts_as_pca:
        import_module(f"autoencode.models.{name}").initialise(model, images)


@contextmanager
def _channels_last() -> Iterator[None]:
    """Have layers take images (N, H, W, C), whatever Keras is set to; they remember it."""
    import keras

    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


def unshared(model: keras.Model) -> keras.Model:
    """Return `model`, or a copy of it with the same weights, in a form that can be saved and opened by plain Keras."""
    from autoencode.models import codes

    return codes.unshared(model)


def save(model: keras.Model, path: Path) -> None:
    """Write `model` as a .keras file.

    A warning on the way is never an error, whatever the user's settings make of it: the model took
    long to train.

    >>> save(build("article", (28, 28, 1), 16), Path("article.keras"))  # doctest: +SKIP
    """
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save(path)
