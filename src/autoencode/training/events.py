"""What a training yields: where it stands, epochs, and how they were judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoencode.errors import AutoencodeError

if TYPE_CHECKING:
    import keras

# How often the learning rate is halved before a training fails.
HALVINGS = 3


@dataclass(frozen=True)
class Position:
    """Where a training stands: with an engine's state, all that decides how it goes on.

    `step` steps of epoch `number` are done in `seconds`; `total` is the sum of their losses, each
    times the images of its batch, `first` the loss of the very first step. `losses` are those of
    the epochs before, `setbacks` what made the learning rate be halved.
    """

    number: int = 1
    step: int = 0
    total: float = 0.0
    seconds: float = 0.0
    first: float = 0.0
    losses: tuple[float, ...] = ()
    setbacks: tuple[str, ...] = ()
    best: Best | None = None


@dataclass(frozen=True)
class Best:
    """The epoch with the lowest error on the held-out images so far, and that error.

    Epoch 0 is the untrained model, where it starts as PCA; `start` is its error, None where it does
    not.
    """

    epoch: int
    error: float
    start: float | None = None


@dataclass(frozen=True)
class Chunk:
    """A part of an epoch: `step` of `steps` are done in `seconds`.

    `loss` is the mean since the epoch began. `position` is where to resume from, here and in the
    other events.
    """

    number: int
    step: int
    steps: int
    seconds: float
    loss: float
    position: Position


@dataclass(frozen=True)
class Rollback:
    """The loss became NaN or infinite, or diverged, and the training was rolled back.

    The engine is at the end of the last good epoch, at half the learning rate.
    """

    what: str
    position: Position

    def __str__(self) -> str:
        number = self.position.number
        halvings = len(self.position.setbacks)
        where = f"the end of epoch {number - 1}" if number > 1 else "the start"
        return f"{self.what}; back to {where}, at half the learning rate ({halvings} of {HALVINGS})"


class Diverged(AutoencodeError):
    """The loss became NaN or infinite, or diverged, once more after `HALVINGS` rollbacks.

    The engine's state is the last good one.
    """


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of a set of images.

    `examples` are the reconstructions of the first few, uint8 (E, H, W, C), `errors` the mean
    squared errors of all, float32 (N,), `codes` float32 (N, code), `least` and `largest` the
    extremes of the outputs before they were cut to [0, 1].
    """

    examples: np.ndarray
    errors: np.ndarray
    codes: np.ndarray
    least: float
    largest: float

    @property
    def error(self) -> float:
        """The mean squared error over all images."""
        return float(self.errors.mean(dtype=np.float64))


@dataclass(frozen=True, repr=False)
class Epoch:
    """One pass over the training images, and what the model makes of the test images after it.

    `number` counts from 1. `loss` is the objective's mean over the training images while they were
    trained on, `val_loss` the mean squared error over all test images, pixels in [0, 1],
    `holdout_loss` that over the held-out training images, if any. `seconds` holds training and
    evaluation, `step_seconds` one optimizer step; `evaluation` says more of the test images.
    `originals` and `reconstructions` are uint8 (E, H, W, C), the first E test images. `model` is
    the Keras model with the weights of this epoch, until the next epoch is asked for.
    """

    number: int
    steps: int
    seconds: float
    step_seconds: float
    images_per_second: float
    loss: float
    val_loss: float
    originals: np.ndarray
    reconstructions: np.ndarray
    evaluation: Evaluation
    model: keras.Model
    position: Position
    holdout_loss: float | None = None

    def __repr__(self) -> str:
        """Return the number, the losses and the seconds; no pixels."""
        losses = f"loss={self.loss:.4f}, val_loss={self.val_loss:.4f}"
        return f"Epoch({self.number}, {losses}, {self.seconds:.2f} s)"

    def _repr_html_(self) -> str:
        """The losses above originals and reconstructions, for notebooks."""
        from autoencode.plots import html

        facts = [
            ("loss", f"{self.loss:.4f}"),
            ("val_loss", f"{self.val_loss:.4f}"),
            ("seconds", f"{self.seconds:.2f}"),
        ]
        pairs = html.pairs_element(self.originals, self.reconstructions)
        return html.card_element(f"epoch {self.number}", facts, pairs)


@dataclass(frozen=True)
class BestEpoch:
    """The end of a training with held-out images: the engine has the weights of the best epoch.

    `epoch` is 0 where no epoch was clearly better than PCA, and the model is PCA, fitted on all
    training images. `loss` is that epoch's, None for epoch 0; `holdout_loss` the mean squared error
    over the held-out images, `evaluation` what the model makes of the test images.
    """

    epoch: int
    loss: float | None
    holdout_loss: float
    evaluation: Evaluation
    position: Position

    def __str__(self) -> str:
        if self.epoch == 0:
            return (
                "no epoch is clearly better than PCA on the held-out images: the model is PCA, "
                f"fitted on all training images, val_loss {self.evaluation.error:.4f}"
            )
        return (
            f"the weights of epoch {self.epoch} are kept: lowest error on the held-out images "
            f"({self.holdout_loss:.4f}), val_loss {self.evaluation.error:.4f}"
        )
