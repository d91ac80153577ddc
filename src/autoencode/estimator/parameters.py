"""The parameters of the estimator: those of `Config`, and two of its own."""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any

import numpy as np

from autoencode.config import Config
from autoencode.estimator.checks import InvalidError
from autoencode.estimator.scikit_learn import BaseEstimator


class Parameters(BaseEstimator):
    """The parameters, stored as they are given; `fit` checks them, as scikit-learn asks."""

    def __init__(
        self,
        code: int = Config.code,
        *,
        model: str = Config.model,
        width: float = Config.width,
        quantize: int | None = Config.quantize,
        variational: float | None = Config.variational,
        warm_up: float = Config.warm_up,
        free_bits: float = Config.free_bits,
        sparsity: float = Config.sparsity,
        noise: str = Config.noise,
        augment: str = Config.augment,
        loss: str = Config.loss,
        engine: str = Config.engine,
        dropout: float | str = Config.dropout,
        holdout: float | str = Config.holdout,
        time: str = Config.time,
        epochs: int | str = Config.epochs,
        batch_size: int | str = Config.batch_size,
        optimizer: str = Config.optimizer,
        learning_rate: float | str = Config.learning_rate,
        schedule: str = Config.schedule,
        weight_decay: float | str = Config.weight_decay,
        precision: str = Config.precision,
        seed: int = Config.seed,
        image_shape: tuple[int, ...] | None = None,
        contamination: float = 0.1,
    ) -> None:
        self.code = code
        self.model = model
        self.width = width
        self.quantize = quantize
        self.variational = variational
        self.warm_up = warm_up
        self.free_bits = free_bits
        self.sparsity = sparsity
        self.noise = noise
        self.augment = augment
        self.loss = loss
        self.engine = engine
        self.dropout = dropout
        self.holdout = holdout
        self.time = time
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.precision = precision
        self.seed = seed
        self.image_shape = image_shape
        self.contamination = contamination

    def _plain_parameters(self) -> dict[str, Any]:
        """All parameters, as JSON takes them."""
        return {name: to_plain(value) for name, value in self.get_params().items()}

    def _config(self) -> Config:
        """The parameters of `Config`; raise `UsageError` where one is invalid."""
        names = {field.name for field in dataclasses.fields(Config)}
        parameters = self._plain_parameters()
        return Config(**{name: parameters[name] for name in names & parameters.keys()})

    def _check_own_parameters(self) -> None:
        """Raise `InvalidError` where a parameter that `Config` lacks is invalid."""
        check_contamination(self.contamination)
        check_image_shape(self.image_shape)


def check_contamination(share: Any) -> None:
    """Raise `InvalidError` unless `share` is a number above 0 and at most 0.5."""
    is_number = isinstance(share, numbers.Real) and not isinstance(share, bool)
    # The type of `numbers.Real` lacks half of the comparisons that such numbers have.
    if not is_number or not 0 < share <= 0.5:  # pyright: ignore[reportOperatorIssue]
        raise InvalidError(f"contamination must be above 0 and at most 0.5, received {share!r}.")


def check_image_shape(shape: Any) -> None:
    """Raise `InvalidError` unless `shape` is None, (H, W), or (H, W, C) with C 1 or 3."""
    if shape is None:
        return
    sizes = to_plain(shape)
    is_whole = isinstance(sizes, list) and all(type(size) is int and size > 0 for size in sizes)
    if not is_whole or len(sizes) not in (2, 3) or sizes[2:] not in ([], [1], [3]):
        raise InvalidError(
            "image_shape must be (H, W) or (H, W, C), whole numbers above 0 and C 1 or 3, "
            f"received {shape!r}{_channels_first_advice(sizes)}."
        )


def _channels_first_advice(sizes: Any) -> str:
    """What to type where `image_shape` is (C, H, W), else nothing."""
    if not isinstance(sizes, list) or len(sizes) != 3 or sizes[0] not in (1, 3):
        return ""
    if not all(type(size) is int and size > 0 for size in sizes):
        return ""
    shape = ", ".join(map(str, sizes))
    return f": pass X.reshape(-1, {shape}).transpose(0, 2, 3, 1) as X and remove image_shape"


def to_plain(value: Any) -> Any:
    """Return numbers and arrays of NumPy, and tuples, as Python's numbers and lists, as in JSON.

    >>> to_plain(np.int64(2)), to_plain((np.int32(8), 8)), to_plain("auto")
    (2, [8, 8], 'auto')
    """
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (tuple, list)):
        return [to_plain(part) for part in value]
    return value
