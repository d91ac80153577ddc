"""An engine, its model and objective, built from a random seed; models compiled for use."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np
from autoencode.engines.base import Engine, Parts
from autoencode.engines.loading import load
from autoencode.engines.selection import accelerated


def start(
    name: str, build: Callable[[], Parts], *, seed: int, precision: str = "float32"
) -> Engine:
    """Return the engine `name`, ready to train what `build` returns; the same `seed`, the same weights.

    `precision` is float32, bfloat16, or auto: bfloat16 where JAX has an accelerator, whose products it doubles in speed.
    """
    engine = load(name).Engine
    import keras  # not before: the first import chooses the backend

    def build_all() -> Parts:
        parts = build()
        parts.optimizer.build(parts.objective.trainable_variables)
        return parts

    narrow = precision == "bfloat16" or (precision == "auto" and accelerated())
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if narrow else "float32")
    try:
        with _seeded(seed):
            return engine(build_all)
    finally:
        keras.config.set_dtype_policy(before)


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return `model` as a compiled function of one batch: NumPy in, float32 out, on the backend that Keras runs on.

    uint8 is taken for pixels and scaled to [0, 1] on the device. Later changes of the weights may not be seen.
    """
    import keras

    return load(keras.config.backend()).compiled(model)


def slopes(
    decoder: keras.Model,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return a compiled function of codes, float32 (N, K), and uint8 images (N, H, W, C) on the backend that Keras runs on.

    It gives the mean squared error of each image as `decoder` redraws it from its code, pixels in [0, 1], float32 (N,), and
    the gradient of that error by the code, float32 (N, K). Later changes of the weights may not be seen.
    """
    import keras

    return load(keras.config.backend()).slopes(decoder)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` what Keras draws from Python's `random`, the seeds of its layers; leave the caller's state alone.

    (keras.utils.set_random_seed would import TensorFlow wherever it is installed: 2 s and 450 MB.)
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
