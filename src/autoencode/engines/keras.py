"""Any other backend of Keras, PyTorch first: Keras's own `fit` over the gathered images of a chunk."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from autoencode.engines import Parts, Redrawn
from autoencode.engines.variables import VariableState
from autoencode.images import to_pixels


class Engine(VariableState):
    """The engine contract by `keras.Model.fit`. Images stay in host memory; a chunk is gathered and scaled there."""

    def __init__(self, build: Callable[[], Parts]) -> None:
        super().__init__(build())
        self.name = keras.config.backend()
        self.device = str(keras.ops.zeros(()).device)
        self.objective.compile(optimizer=self.optimizer, loss=lambda _, loss: loss)

    def place(self, array: np.ndarray) -> np.ndarray:
        return array

    def compile(self, images: np.ndarray, order: np.ndarray, batch_size: int, evaluated: np.ndarray) -> None:
        pass  # `fit` does so on its first batch

    def train(self, images: np.ndarray, order: np.ndarray, first: int, steps: int, batch_size: int) -> float:
        targets = _to_float(images[order[first : first + steps * batch_size]])
        history = self.objective.fit(targets, targets, batch_size=batch_size, shuffle=False, verbose=0)
        return history.history["loss"][0] * len(targets)

    def reconstruct(self, images: np.ndarray) -> Redrawn:
        targets = _to_float(images)
        codes, outputs = (array.astype(np.float32) for array in self._redrawing.predict_on_batch(targets))
        errors = np.square(outputs - targets).mean((1, 2, 3))
        return Redrawn(to_pixels(outputs), errors, codes, outputs.min(), outputs.max())


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """See `engines.compiled`."""

    def run(batch: np.ndarray) -> np.ndarray:
        return model.predict_on_batch(_to_float(batch) if batch.dtype == np.uint8 else batch).astype(np.float32)

    return run


def _to_float(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255
