"""The half of the contract that every engine shares whose state lives in Keras variables."""

import keras
import numpy as np


class VariableState:
    """A model and an optimizer whose variables are the state, so that the model is always up to date."""

    def __init__(self, model: keras.Model, optimizer: keras.Optimizer) -> None:
        self.model, self.optimizer = model, optimizer

    def update_model(self) -> None:
        pass

    def state(self) -> list[np.ndarray]:
        return [keras.ops.convert_to_numpy(variable.value) for variable in self._variables()]

    def restore(self, state: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)

    def _variables(self) -> list[keras.Variable]:
        model = self.model
        return [*model.trainable_variables, *model.non_trainable_variables, *self.optimizer.variables]
