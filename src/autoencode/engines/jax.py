"""JAX: all steps of a chunk in one compiled loop over images that stay on the device as uint8.

Convolutions on a CPU are the exception: XLA leaves its fast ones out of loops, where they take 7 to
13 times as long. Models that have them are trained by one compiled step after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax

from autoencode.engines import Reconstruction, TrainingGraph
from autoencode.engines.variables import reconstructing, variables

CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


def initialise(build: Callable[[], TrainingGraph]) -> TrainingGraph:
    """Return what `build` returns, every initial value computed in one compiled program.

    Keras computes them one by one, and JAX compiles a tiny program for each: 0.2 s more for the two
    layers of the original tutorial's model, and more for deeper ones.
    """
    built = []

    def initial_values() -> list[jax.Array]:
        built.append(build())
        return [variable.value for variable in variables(*built[0][1:])]

    # Unoptimised, since it runs once: compiled in 0.17 s and not 0.33.
    values = jax.jit(initial_values, compiler_options={"xla_backend_optimization_level": 0})()
    for variable, value in zip(variables(*built[0][1:]), values, strict=True):
        variable.assign(value)
    return built[0]


class Engine:
    """The engine contract on JAX.

    The state is a tuple of immutable arrays that goes into a chunk and comes out.
    """

    name = "jax"

    def __init__(self, build: Callable[[], TrainingGraph]) -> None:
        self.model, self.objective, self.optimizer = initialise(build)
        self.device = jax.devices()[0].device_kind
        self._variables = variables(self.objective, self.optimizer)
        self._state = self._split([variable.value for variable in self._variables])
        self._reconstructing = reconstructing(self.model)
        # Compiled for this engine alone: programs of a jitted method outlive the engine, and a
        # process that trains a hundred models runs out of memory maps.
        self._chunk = jax.jit(self._run_steps, static_argnames="batch_size")
        self._single = jax.jit(self._run_step, static_argnames="batch_size")
        self._is_looped = jax.default_backend() != "cpu" or not _convolves(self.objective)
        self._reconstruct = jax.jit(self._run_model)
        # Where the variables of the model are among those of the objective, which may have more.
        indices = {id(variable): index for index, variable in enumerate(self._variables)}
        model = self._reconstructing
        self._trained = [indices[id(variable)] for variable in model.trainable_variables]
        self._others = [indices[id(variable)] for variable in model.non_trainable_variables]

    def place(self, array: np.ndarray) -> jax.Array:
        # Rows of pixels: gathering and comparing them is 15 % faster than (H, W, C), and free to
        # reshape.
        return jax.device_put(array.reshape(len(array), -1) if array.ndim == 4 else array)

    def compile(
        self, images: jax.Array, order: jax.Array, batch_size: int, evaluated: np.ndarray
    ) -> None:
        nothing = np.float32(0)
        if self._is_looped:
            # No steps: only compiled.
            self._chunk(self._state, images, order, 0, 0, nothing, batch_size=batch_size)
        else:
            self._single(self._state, images, order, 0, nothing, batch_size=batch_size)
        self.reconstruct(evaluated)

    def train(
        self,
        images: jax.Array,
        order: jax.Array,
        first: int,
        steps: int,
        batch_size: int,
        total: float = 0.0,
    ) -> float:
        summed: Any = np.float32(total)
        if self._is_looped:
            self._state, summed = self._chunk(
                self._state, images, order, first, steps, summed, batch_size=batch_size
            )
        else:
            for start in range(first, first + steps * batch_size, batch_size):
                self._state, summed = self._single(
                    self._state, images, order, start, summed, batch_size=batch_size
                )
        return float(summed)

    def reconstruct(self, images: np.ndarray) -> Reconstruction:
        values = list(chain(*self._state))
        trained = [values[index] for index in self._trained]
        others = [values[index] for index in self._others]
        pixels, errors, codes, least, largest = map(
            np.asarray, self._reconstruct(trained, others, images)
        )
        return Reconstruction(pixels, errors, codes, float(least), float(largest))

    def update_model(self) -> None:
        for variable, value in zip(self._variables, chain(*self._state), strict=True):
            variable.assign(value)

    def read_model(self) -> None:
        self._state = self._split([variable.value for variable in self._variables])

    def state(self) -> list[np.ndarray]:
        return [np.asarray(value) for value in chain(*self._state)]

    def restore(self, state: list[np.ndarray]) -> None:
        self._state = self._split([jnp.asarray(value) for value in state])

    def scale_learning_rate(self, factor: float) -> None:
        factors = [variable is self.optimizer.rate_factor for variable in self._variables]
        index = factors.index(True)
        values = list(chain(*self._state))
        values[index] = values[index] * factor
        self._state = self._split(values)

    def _split(self, values: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        trainable = len(self.objective.trainable_variables)
        weights = trainable + len(self.objective.non_trainable_variables)
        return values[:trainable], values[trainable:weights], values[weights:]

    def _run_steps(self, state, images, order, first, steps, total, *, batch_size):
        def step(index, carry):
            state, total = carry
            start = first + index * batch_size
            return self._run_step(state, images, order, start, total, batch_size=batch_size)

        return lax.fori_loop(0, steps, step, (state, total))

    def _run_step(self, state, images, order, start, total, *, batch_size):
        # The images are an argument: a captured array would become a constant of the program.
        rows = lax.dynamic_slice_in_dim(order, start, batch_size)
        targets = _to_float(images[rows]).reshape(batch_size, *self.model.input_shape[1:])
        state, loss = self._step(state, targets)
        return state, total + loss * batch_size

    def _step(self, state, targets):
        trainable, non_trainable, optimizer = state
        gradient = jax.value_and_grad(self._loss, has_aux=True)
        (loss, non_trainable), gradients = gradient(trainable, non_trainable, targets)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        return (trainable, non_trainable, optimizer), loss

    def _loss(self, trainable, non_trainable, targets):
        return self.objective.stateless_call(trainable, non_trainable, targets, training=True)

    def _run_model(self, trainable, non_trainable, images):
        targets = _to_float(images)
        (codes, outputs), _ = self._reconstructing.stateless_call(
            trainable, non_trainable, targets, training=False
        )
        outputs = outputs.astype(jnp.float32)
        squares = jnp.square(outputs - targets).reshape(len(targets), -1)  # (N, H*W*C)
        # XLA sums a row on the CPU one number after the other; as a product it takes 14 ms and not
        # 37 for MNIST's test set.
        errors = squares @ jnp.full(squares.shape[1], 1 / squares.shape[1])
        pixels = jnp.round(jnp.clip(outputs, 0, 1) * 255).astype(jnp.uint8)
        return pixels, errors, codes.astype(jnp.float32), outputs.min(), outputs.max()


def _convolves(layer: keras.Layer) -> bool:
    if isinstance(layer, CONVOLUTIONS):
        return True
    return any(_convolves(part) for part in getattr(layer, "layers", ()))


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """See `engines.compiled`."""

    @jax.jit
    def run(trainable, others, batch):
        floats = _to_float(batch) if batch.dtype == jnp.uint8 else batch
        outputs, _ = model.stateless_call(trainable, others, floats, training=False)
        return outputs.astype(jnp.float32)

    return lambda batch: np.asarray(run(*_weights(model), batch))


def errors_and_gradients(
    decoder: keras.Model,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """See `engines.errors_and_gradients`."""

    def total(codes, trainable, others, images):
        outputs, _ = decoder.stateless_call(trainable, others, codes, training=False)
        errors = jnp.square(outputs.astype(jnp.float32) - _to_float(images)).mean((1, 2, 3))
        return errors.sum(), errors

    gradient = jax.jit(jax.grad(total, has_aux=True))

    def run(codes, images):
        gradients, errors = gradient(codes, *_weights(decoder), images)
        return np.asarray(errors), np.asarray(gradients)

    return run


def _weights(model: keras.Model) -> tuple[list[jax.Array], list[jax.Array]]:
    """The trainable weights and the others, as they are now.

    Read at each call: `predict` and `fit` of Keras delete the arrays that the variables held.
    """
    trainable = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    return trainable, others


def _to_float(images: jax.Array) -> jax.Array:
    return images.astype(jnp.float32) / 255
