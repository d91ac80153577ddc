"""TensorFlow: all steps of a chunk in one compiled loop over uint8 images on the device."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from autoencode.engines import Reconstruction, TrainingGraph
from autoencode.engines.variables import VariableState


class Engine(VariableState):
    """The engine contract on TensorFlow.

    The state lies in the variables of the model and of the optimizer.
    """

    name = "tensorflow"

    def __init__(self, build: Callable[[], TrainingGraph]) -> None:
        super().__init__(build())
        accelerators = tf.config.list_logical_devices("GPU")
        self.device = (accelerators or tf.config.list_logical_devices("CPU"))[0].name
        xla = _xla(self.model)
        self._chunk = tf.function(self._steps, jit_compile=xla)
        self._reconstruct = tf.function(self._outputs, jit_compile=xla)

    def place(self, array: np.ndarray) -> tf.Tensor:
        return tf.convert_to_tensor(array)

    def compile(
        self, images: tf.Tensor, order: tf.Tensor, batch_size: int, evaluated: np.ndarray
    ) -> None:
        # No steps: only compiled.
        self.train(images, order, 0, 0, batch_size)
        self.reconstruct(evaluated)

    def train(
        self,
        images: tf.Tensor,
        order: tf.Tensor,
        first: int,
        steps: int,
        batch_size: int,
        total: float = 0.0,
    ) -> float:
        # Tensors: a Python number would be a constant of the program, compiled for every value.
        numbers = (tf.constant(first), tf.constant(steps), tf.constant(total, tf.float32))
        return float(self._chunk(images, order, *numbers, batch_size))

    def reconstruct(self, images: np.ndarray) -> Reconstruction:
        outputs = self._reconstruct(tf.convert_to_tensor(images))
        return Reconstruction(*(tensor.numpy() for tensor in outputs))

    def _steps(self, images, order, first, steps, total, batch_size):
        def step(index, total):
            # A slice at `first` would make it a constant of the program, compiled for every value.
            rows = tf.gather(order, first + index * batch_size + tf.range(batch_size))
            return index + 1, total + self._step(_to_float(tf.gather(images, rows))) * batch_size

        _, total = tf.while_loop(lambda index, _: index < steps, step, (tf.constant(0), total))
        return total

    def _step(self, targets):
        with tf.GradientTape() as tape:
            loss = self.objective(targets, training=True)
        weights = self.objective.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    def _outputs(self, images):
        targets = _to_float(images)
        codes, outputs = (
            tf.cast(tensor, tf.float32) for tensor in self._reconstructing(targets, training=False)
        )
        errors = tf.reduce_mean(tf.square(outputs - targets), axis=(1, 2, 3))
        pixels = tf.cast(tf.round(tf.clip_by_value(outputs, 0, 1) * 255), tf.uint8)
        return pixels, errors, codes, tf.reduce_min(outputs), tf.reduce_max(outputs)


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """See `engines.compiled`."""

    @tf.function(jit_compile=_xla(model))
    def run(batch):
        floats = _to_float(batch) if batch.dtype == tf.uint8 else batch
        return tf.cast(model(floats, training=False), tf.float32)

    return lambda batch: run(tf.convert_to_tensor(batch)).numpy()


def errors_and_gradients(
    decoder: keras.Model,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """See `engines.errors_and_gradients`."""

    @tf.function(jit_compile=_xla(decoder))
    def gradient(codes, images):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            outputs = tf.cast(decoder(codes, training=False), tf.float32)
            errors = tf.reduce_mean(tf.square(outputs - _to_float(images)), axis=(1, 2, 3))
        return errors, tape.gradient(errors, codes)

    def run(codes, images):
        errors, gradients = gradient(tf.convert_to_tensor(codes), tf.convert_to_tensor(images))
        return errors.numpy(), gradients.numpy()

    return run


def _xla(model: keras.Model) -> bool:
    # XLA fuses what is dense; on a CPU its convolutions take five times as long as oneDNN's in a
    # plain graph.
    return bool(tf.config.list_logical_devices("GPU")) or not _convolves(model)


def _convolves(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.Conv2D) or any(
        map(_convolves, getattr(layer, "layers", ()))
    )


def _to_float(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32) / 255
