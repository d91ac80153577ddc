"""What the engines share: the variables that are the state, and what is done with them."""

import keras
import numpy as np

from autoencode.engines import TrainingGraph


class VariableState:
    """A model and an optimizer whose variables are the state: the model is always up to date."""

    def __init__(self, graph: TrainingGraph) -> None:
        self.model, self.objective, self.optimizer = graph
        self._reconstructing = reconstructing(self.model)

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
    """Return all that the next step depends on.

    Trainable weights, the others (seeds and counts too), and the optimizer's variables.
    """
    return [
        *objective.trainable_variables,
        *objective.non_trainable_variables,
        *optimizer.variables,
    ]


def reconstructing(model: keras.Model) -> keras.Model:
    """Return a model over the layers of `model` from images to their codes and reconstructions."""
    images = keras.Input(model.input_shape[1:])
    codes = model.get_layer("encoder")(images)
    return keras.Model(images, [codes, model.get_layer("decoder")(codes)])
