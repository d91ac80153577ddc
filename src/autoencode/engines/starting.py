"""An engine, its model and objective, built from a random seed; models compiled for use."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from autoencode.engines.base import Engine, TrainingGraph
from autoencode.engines.loading import load
from autoencode.engines.selection import accelerated

if TYPE_CHECKING:
    import keras
    import numpy as np


def start(
    name: str, build: Callable[[], TrainingGraph], *, seed: int, precision: str = "float32"
) -> Engine:
    """Return the engine `name`, ready to train what `build` returns.

    The same random `seed` gives the same weights. `precision`, the compute dtype, is float32,
    bfloat16, or auto: bfloat16 where JAX has an accelerator, whose products it doubles in speed.
    """
    engine = load(name).Engine
    import keras  # not before: the first import chooses the backend

    def build_all() -> TrainingGraph:
        graph = build()
        graph.optimizer.build(graph.objective.trainable_variables)
        return graph

    is_narrow = precision == "bfloat16" or (precision == "auto" and accelerated())
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if is_narrow else "float32")
    try:
        with _seeded(seed):
            return engine(build_all)
    finally:
        keras.config.set_dtype_policy(before)


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return `model` as a compiled function of one batch, on the backend that Keras runs on.

    It takes NumPy arrays and returns float32. uint8 is taken for pixels and scaled to [0, 1] on the
    device. Later changes of the weights may not be seen.
    """
    import keras

    return load(keras.config.backend()).compiled(model)


def errors_and_gradients(
    decoder: keras.Model,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return a compiled function of codes, float32 (N, K), and uint8 images (N, H, W, C).

    It runs on the backend of Keras, and gives the mean squared error of the image that `decoder`
    makes of each code, pixels in [0, 1], float32 (N,), and the gradient of that error by the code,
    float32 (N, K). Later changes of the weights may not be seen.
    """
    import keras

    return load(keras.config.backend()).errors_and_gradients(decoder)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` what Keras draws from Python's `random`, the seeds of its layers.

    The caller's state of `random` is restored. (keras.utils.set_random_seed would import TensorFlow
    wherever it is installed: 2 s and 450 MB.)
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
