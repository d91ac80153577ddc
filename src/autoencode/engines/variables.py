"""What the engines share: the variables that are the state, and the half of the contract for which they hold it."""

import keras
import numpy as np

from autoencode.engines import Parts


class VariableState:
    """A model and an optimizer whose variables are the state, so that the model is always up to date."""

    def __init__(self, parts: Parts) -> None:
        self.model, self.objective, self.optimizer = parts
        self._redrawing = redrawing(self.model)

    def update_model(self) -> None:
        pass

    def read_model(self) -> None:
        """The model's variables are the state."""

    def state(self) -> list[np.ndarray]:
        # Copies: on some backends the array shares the memory that the next step writes to.
        return [
            np.array(keras.ops.convert_to_numpy(variable.value)) for variable in self._variables()
        ]

    def restore(self, state: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)

    def scale_learning_rate(self, factor: float) -> None:
        self.optimizer.rate_factor.assign(self.optimizer.rate_factor * factor)

    def _variables(self) -> list[keras.Variable]:
        return variables(self.objective, self.optimizer)


def variables(objective: keras.Model, optimizer: keras.Optimizer) -> list[keras.Variable]:
    """Return all that the next step depends on: trainable weights, the others (seeds and counts too), the optimizer's."""
    return [
        *objective.trainable_variables,
        *objective.non_trainable_variables,
        *optimizer.variables,
    ]


def redrawing(model: keras.Model) -> keras.Model:
    """Return a model over the layers of `model` from images to their codes and reconstructions."""
    images = keras.Input(model.input_shape[1:])
    codes = model.get_layer("encoder")(images)
    return keras.Model(images, [codes, model.get_layer("decoder")(codes)])
