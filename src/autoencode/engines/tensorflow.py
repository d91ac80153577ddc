"""TensorFlow: all steps of a chunk in one XLA-compiled loop over images that stay on the device as uint8."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from autoencode.engines.variables import VariableState


class Engine(VariableState):
    """The engine contract on TensorFlow. The state lives in the variables of the model and the optimizer."""

    name = "tensorflow"

    def __init__(self, build: Callable[[], tuple[keras.Model, keras.Optimizer]]) -> None:
        super().__init__(*build())
        self.device = (tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))[0].name
        self._chunk = tf.function(self._steps, jit_compile=True)
        self._reconstruct = tf.function(self._outputs, jit_compile=True)

    def place(self, array: np.ndarray) -> tf.Tensor:
        return tf.convert_to_tensor(array)

    def compile(self, images: tf.Tensor, order: tf.Tensor, batch_size: int, evaluated: np.ndarray) -> None:
        self.train(images, order, 0, 0, batch_size)  # no steps: compiled, and nothing done
        self.reconstruct(evaluated)

    def train(self, images: tf.Tensor, order: tf.Tensor, first: int, steps: int, batch_size: int) -> float:
        # Tensors, since a Python number would be a constant of the program and compile another for every value.
        return float(self._chunk(images, order, tf.constant(first), tf.constant(steps), batch_size))

    def reconstruct(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reconstructions, errors = self._reconstruct(tf.convert_to_tensor(images))
        return reconstructions.numpy(), errors.numpy()

    def _steps(self, images, order, first, steps, batch_size):
        def step(index, total):
            # A slice at `first` would make it a constant of the program, which is then compiled anew for each value.
            rows = tf.gather(order, first + index * batch_size + tf.range(batch_size))
            return index + 1, total + self._step(_to_float(tf.gather(images, rows))) * batch_size

        _, total = tf.while_loop(lambda index, _: index < steps, step, (tf.constant(0), tf.constant(0.0)))
        return total

    def _step(self, targets):
        with tf.GradientTape() as tape:
            outputs = self.model(targets, training=True)
            loss = tf.reduce_mean(tf.square(outputs - targets)) + sum(self.model.losses)
        self.optimizer.apply(tape.gradient(loss, self.model.trainable_weights), self.model.trainable_weights)
        return loss

    def _outputs(self, images):
        targets = _to_float(images)
        outputs = self.model(targets, training=False)
        errors = tf.reduce_mean(tf.square(outputs - targets), axis=(1, 2, 3))
        return tf.cast(tf.round(tf.clip_by_value(outputs, 0, 1) * 255), tf.uint8), errors


def _to_float(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32) / 255
