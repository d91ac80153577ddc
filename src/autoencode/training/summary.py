"""What the doctor looks at of a training: settings, losses by epoch, and the last evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoencode.config import Plan

# Range of a latent unit over all test images, below which it is dead.
DEAD = 1e-6
# Variance below which a latent unit of a variational model is inactive
# (Burda, Grosse and Salakhutdinov, arXiv:1509.00519, section 4.2).
COLLAPSED = 0.01
# Error of PCA that leaves nothing to reconstruct: identical images, a code as large as they are.
NOTHING = 1e-6
# Test images, below which neither a dead latent unit nor a val_loss that rises is reported.
MIN_TEST_IMAGES = 20


@dataclass(frozen=True)
class TrainingSummary:
    """What the doctor looks at: settings, losses by epoch, PCA's error, and the last evaluation.

    `config` has every "auto" filled in. `train_error` is the mean squared error of training images
    once the model is trained, which can be compared with `val_losses` whatever `losses` measure.
    `codes` are float32 (N, code), of the test images; `least` and `largest` the extremes of the
    outputs. `setbacks` are the rollbacks, each of which halved the learning rate, `warming_up` the
    epochs over which the loss grows by design, `traded` the settings that give up some of the error
    for something else. `mean` is the error of the mean training image, `steps` how many optimizer
    steps were made; both are ignored where they are None.
    """

    config: Plan
    losses: Sequence[float]
    val_losses: Sequence[float]
    train_error: float
    pca: float
    codes: np.ndarray
    least: float
    largest: float
    setbacks: Sequence[str] = ()
    warming_up: int = 0
    traded: Sequence[str] = ()
    mean: float | None = None
    steps: int | None = None

    @property
    def is_judged(self) -> bool:
        """Whether there are enough test images, with anything in them to reconstruct."""
        return len(self.codes) >= MIN_TEST_IMAGES and self.pca >= NOTHING

    @property
    def dead_units(self) -> np.ndarray:
        """Which latent units are dead or, in a variational model, inactive; booleans (code,)."""
        if self.config.variational is not None:
            return self.codes.var(0) < COLLAPSED
        return np.ptp(self.codes, axis=0) < DEAD

    @property
    def is_worse_than_pca(self) -> bool:
        """Whether PCA with as many components reconstructs the test images better."""
        return self.pca >= NOTHING and self.val_losses[-1] > self.pca
