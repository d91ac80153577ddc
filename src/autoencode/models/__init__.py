"""Room 2: an image shape becomes a plain Keras model, by name. Knows no images and no engine.

Each architecture is a file beside this one with a function `build(shape, code)` that returns the encoder and the decoder.
Those files import Keras, so they are imported only after an engine has been chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from autoencode.errors import unknown

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """What is known of an architecture before Keras is loaded."""

    module: str
    convolutional: bool = False


ARCHITECTURES = {"article": Architecture("autoencode.models.article")}


def find(name: str) -> Architecture:
    """Return the architecture called `name`; raise `UsageError` with the nearest names where there is none."""
    if name not in ARCHITECTURES:
        raise unknown("model", name, ARCHITECTURES)
    return ARCHITECTURES[name]


def build(name: str, shape: tuple[int, int, int], code: int) -> keras.Model:
    """Return the autoencoder `name` for images of `shape` (H, W, C) and a code of `code` numbers.

    A functional Keras model from (N, H, W, C) to (N, H, W, C), floats in [0, 1], in which the layers `encoder`,
    (N, H, W, C) to (N, code), and `decoder`, (N, code) to (N, H, W, C), are models themselves.
    Raises `UsageError` for an unknown name.

    >>> build("article", (28, 28, 1), 16).count_params()
    25888
    """
    module = import_module(find(name).module)
    import keras

    encoder, decoder = module.build(shape, code)
    images = keras.Input(shape, name="images")
    return keras.Model(images, decoder(encoder(images)), name="autoencoder")
