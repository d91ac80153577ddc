"""Any other backend of Keras, PyTorch first: Keras's own training step on each batch."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from autoencode.engines import Reconstruction, TrainingGraph
from autoencode.engines.variables import VariableState
from autoencode.images import to_pixels


class Engine(VariableState):
    """The engine contract by `keras.Model.train_on_batch`.

    Images stay in host memory; a batch is gathered and scaled there.
    """

    def __init__(self, build: Callable[[], TrainingGraph]) -> None:
        super().__init__(build())
        self.name = keras.config.backend()
        self.device = str(keras.ops.zeros(()).device)
        self.objective.compile(optimizer=self.optimizer, loss=lambda _, loss: loss)

    def place(self, array: np.ndarray) -> np.ndarray:
        return array

    def compile(
        self, images: np.ndarray, order: np.ndarray, batch_size: int, evaluated: np.ndarray
    ) -> None:
        # Keras compiles on the first batch.
        pass

    def train(
        self,
        images: np.ndarray,
        order: np.ndarray,
        first: int,
        steps: int,
        batch_size: int,
        total: float = 0.0,
    ) -> float:
        for start in range(first, first + steps * batch_size, batch_size):
            targets = _to_float(images[order[start : start + batch_size]])
            # Else Keras returns a mean over this batch and those before.
            self.objective.reset_metrics()
            loss = np.float32(self.objective.train_on_batch(targets, targets))
            total = float(np.float32(total) + loss * np.float32(len(targets)))
        return total

    def reconstruct(self, images: np.ndarray) -> Reconstruction:
        targets = _to_float(images)
        codes, outputs = (
            array.astype(np.float32) for array in self._reconstructing.predict_on_batch(targets)
        )
        errors = np.square(outputs - targets).mean((1, 2, 3))
        return Reconstruction(to_pixels(outputs), errors, codes, outputs.min(), outputs.max())


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """See `engines.compiled`."""

    def run(batch: np.ndarray) -> np.ndarray:
        floats = _to_float(batch) if batch.dtype == np.uint8 else batch
        return model.predict_on_batch(floats).astype(np.float32)

    return run


def errors_and_gradients(
    decoder: keras.Model,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """See `engines.errors_and_gradients`; the gradient is PyTorch's."""
    import torch

    def run(codes: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wanted = keras.ops.convert_to_tensor(codes).requires_grad_()
        with torch.enable_grad():
            outputs = keras.ops.cast(decoder(wanted, training=False), "float32")
            targets = keras.ops.convert_to_tensor(_to_float(images))
            errors = keras.ops.mean(keras.ops.square(outputs - targets), axis=(1, 2, 3))
            (gradients,) = torch.autograd.grad(errors.sum(), wanted)
        return keras.ops.convert_to_numpy(errors), keras.ops.convert_to_numpy(gradients)

    return run


def _to_float(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255
