"""The contract of an engine: what it is given, what it can do, what it gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import keras
    import numpy as np


class Reconstruction(NamedTuple):
    """What a model makes of a batch of images."""

    images: np.ndarray
    """Reconstructions, uint8 (N, H, W, C)."""
    errors: np.ndarray
    """Mean squared error of each, pixels in [0, 1], float32 (N,)."""
    codes: np.ndarray
    """Float32 (N, code)."""
    least: float
    """The smallest value of all outputs, before they were cut to [0, 1]."""
    largest: float
    """The largest."""


class TrainingGraph(NamedTuple):
    """What an engine trains.

    The model, the objective over its layers, and the optimizer of the objective's weights.
    """

    model: keras.Model
    objective: keras.Model
    optimizer: keras.Optimizer


class Engine(Protocol):
    """What every engine does.

    Images and orders are handed over once with `place`, and then trained on in chunks.
    """

    name: str
    device: str
    model: keras.Model
    """The Keras model. Its weights are those of the last `update_model`."""

    def place(self, array: np.ndarray) -> Any:
        """Return `array` where the compiled steps read it.

        That may be the memory of `array` itself: do not change it until they have run.
        """

    def compile(self, images: Any, order: Any, batch_size: int, evaluated: np.ndarray) -> None:
        """Compile what `train` at `batch_size` and `reconstruct` of `evaluated` run.

        Changes no state. Never needed, only faster: another thread may call it while `train` runs.
        """

    def train(
        self, images: Any, order: Any, first: int, steps: int, batch_size: int, total: float = 0.0
    ) -> float:
        """Take `steps` optimizer steps.

        Returns `total` plus their losses, each times the images of its batch. One loss is added
        after the other in float32, so that a sum does not depend on where chunks ended. Step i
        reads the images order[first + i * batch_size:][:batch_size]; `images` is a placed uint8
        (N, H, W, C), `order` a placed int32 (N,).
        """
        ...

    def reconstruct(self, images: np.ndarray) -> Reconstruction:
        """Return what the model makes of uint8 (N, H, W, C)."""
        ...

    def update_model(self) -> None:
        """Write the trained weights into `model`."""

    def read_model(self) -> None:
        """Take the weights of `model` into the state, after they were set from outside."""

    def state(self) -> list[np.ndarray]:
        """Return all that the next step depends on.

        Trainable weights, the others, the optimizer's variables.
        """
        ...

    def restore(self, state: list[np.ndarray]) -> None:
        """Take back what `state` gave."""

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate of all later steps by `factor`, a part of the state."""
