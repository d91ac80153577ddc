"""A doctor: what is wrong with a training, why, and what to try. Knows settings and numbers.

`warn` looks at a training that has only begun, `diagnose` at one that has ended; what is wrong with
the images is found before, in `image_checks`.
"""

from __future__ import annotations

import numpy as np

from autoencode.training.findings import Finding
from autoencode.training.summary import TrainingSummary

# Times the lowest loss so far, from which on it has risen.
RISEN = 1.02
# Standard errors, by which a noisy loss must have risen as well.
NOISES = 3.0
# Epochs, from which on the noise of a loss is known.
MIN_NOISE_EPOCHS = 10
# Error on test images, as a multiple of that on training images.
GAP = 1.15
# The same, where the error on test images has risen.
SMALL_GAP = 1.05
# How far outputs may lie outside [0, 1].
OUTSIDE = 0.01
# Latent units that are named.
MAX_LISTED = 8
# Of a training that is worse than PCA: from which share of the mean image's error on nothing else
# is learned.
AS_MEAN = 0.95
# How little a loss falls that does not decrease.
STILL = 0.01
# Steps that are few for any set, as the defaults take 600 at least.
FEW_STEPS = 300
# The epoch after which `warn` is asked.
EARLY_EPOCH = 2


def diagnose(summary: TrainingSummary) -> list[Finding]:
    """Return what is wrong with a training that has ended; nothing where it is well.

    >>> from autoencode import Config
    >>> codes = np.eye(4)
    >>> diagnose(TrainingSummary(Config(), [0.05, 0.03], [0.04, 0.03], 0.03, 0.05, codes, 0.0, 1.0))
    []
    """
    checks = (
        _find_rollbacks,
        _find_dead_units,
        _find_worse_than_pca,
        _find_rising_loss,
        _find_overfitting,
        _find_outputs_outside,
    )
    findings = [check(summary) for check in checks]
    return [finding for finding in findings if finding is not None]


def warn(summary: TrainingSummary) -> list[Finding]:
    """Return what is wrong with a training that has only begun: why it learns too little.

    Nothing where it is better than PCA, or where its loss still grows by design.
    """
    if summary.warming_up >= len(summary.losses):
        return []
    finding = _find_little_learning(summary)
    return [] if finding is None else [finding]


def _find_rollbacks(summary: TrainingSummary) -> Finding | None:
    if not summary.setbacks:
        return None
    factor = 0.5 ** len(summary.setbacks)
    return Finding(
        "; ".join(summary.setbacks),
        "the steps were too large",
        f"the learning rate is now {factor:g} times the one given; try to begin with that",
    )


def _find_dead_units(summary: TrainingSummary) -> Finding | None:
    config = summary.config
    dead = np.flatnonzero(summary.dead_units)
    if not len(dead) or not summary.is_judged:
        return None

    names = ", ".join(map(str, dead[:MAX_LISTED]))
    if len(dead) > MAX_LISTED:
        names += ", ..."
    share = f"{len(dead)} of {len(summary.dead_units)} latent units"

    if config.variational is not None:
        advice = "try a lower `variational` or a longer `warm_up`"
        if config.free_bits < 0.1:
            advice = "try a lower `variational`, a longer `warm_up` or `free_bits=0.1`"
        what = f"{share} have collapsed ({names})"
        return Finding(what, "the variational term outweighs what they would add", advice)

    what = f"{share} are the same for every test image ({names})"
    if config.sparsity:
        return Finding(
            what,
            "the sparsity term outweighs what they would add",
            f"try a lower `sparsity` than {config.sparsity:g}",
        )
    advice = "try a lower `learning_rate`, another `seed`"
    if config.model == "article" and config.quantize is None:
        cause = "they are dead, as a ReLU unit that is never active"
        return Finding(what, cause, f"{advice}, or `model=dense`, whose code has no ReLU")
    return Finding(what, "they are dead", f"{advice}, or a smaller `code`")


def _find_worse_than_pca(summary: TrainingSummary) -> Finding | None:
    # Where it overfits, that finding says so, with other advice.
    if not summary.is_worse_than_pca or _find_overfitting(summary):
        return None
    finding = _find_little_learning(summary)
    if finding is not None:
        return finding

    error = summary.val_losses[-1]
    what = f"val_loss {error:.4f} is worse than PCA with as many components ({summary.pca:.4f})"
    cause = "the training is too short or the model too small"
    if not summary.traded:
        return Finding(what, cause, _remedy(summary))
    settings = ", ".join(f"`{name}`" for name in summary.traded)
    return Finding(
        what,
        f"{cause}, or {settings} costs too much of the error",
        f"try more `epochs`, or less of {settings}",
    )


def _find_little_learning(summary: TrainingSummary) -> Finding | None:
    """Find the plainest sign of a training that is worse than PCA, and the remedy for it."""
    if not summary.is_worse_than_pca or summary.dead_units.all():
        return None

    error = summary.val_losses[-1]
    mean = summary.mean
    errors = f"val_loss {error:.4f}, PCA {summary.pca:.4f}"
    has_few_steps = summary.steps is not None and summary.steps < FEW_STEPS
    steps = f"only {summary.steps} optimizer steps were made"

    if mean is not None and error >= AS_MEAN * mean:
        what = "it reconstructs the mean image for everything"
        if error > mean / AS_MEAN:
            what = "it is worse than the mean image"
        what += f" ({errors}, the mean image {mean:.4f})"
        cause = steps if has_few_steps else "the model has not learned to tell images apart"
        return Finding(what, cause, _remedy(summary))

    if has_few_steps:
        cause = "that is too few for any model to learn"
        return Finding(f"{steps} ({errors})", cause, _remedy(summary))

    first = summary.losses[0]
    last = summary.losses[-1]
    if len(summary.losses) > 1 and abs(first - last) <= STILL * first:
        epochs = f"{first:.4f} in the first epoch, {last:.4f} in the last"
        what = f"the loss does not decrease: {epochs} ({errors})"
        return Finding(what, "the optimizer finds no descent", _remedy(summary))
    return None


def _remedy(summary: TrainingSummary) -> str:
    """Return what to try where a training is worse than PCA: to start as PCA, or the defaults."""
    if summary.config.model == "residual":
        return (
            "try it without `learning_rate`, `batch_size` and `epochs`, "
            "which are then chosen for the images"
        )
    if summary.traded or summary.config.loss != "mse":
        return "try it without `batch_size`, and with more `epochs`"
    return "try `model=residual` without `batch_size` and `epochs`: it starts as PCA"


def _find_rising_loss(summary: TrainingSummary) -> Finding | None:
    losses = np.array(summary.losses[summary.warming_up :])
    if not len(losses):
        return None

    window = max(1, len(losses) // 5)
    means = np.convolve(losses, np.full(window, 1 / window), "valid")
    least = means.min()
    last = means[-1]
    standard_error = _noise(losses) / window**0.5
    if last <= RISEN * least or last - least <= NOISES * standard_error:
        return None

    advice = "try a lower `learning_rate`"
    if summary.config.schedule == "constant":
        advice += " or `schedule=cosine`"
    what = f"the loss has risen from {least:.4f} to {last:.4f}"
    return Finding(what, "the steps are too large", advice)


def _noise(losses: np.ndarray) -> float:
    """Return the standard deviation of late losses about their trend; 0 for a few.

    It is taken from the median of their second differences: of independent noise, these have 6
    times the variance, and the median deviation is 0.6745 of a normal distribution's.
    """
    if len(losses) < MIN_NOISE_EPOCHS:
        return 0.0
    differences = np.diff(losses[len(losses) // 2 :], 2)
    return float(np.median(np.abs(differences)) / (0.6745 * 6**0.5))


def _find_overfitting(summary: TrainingSummary) -> Finding | None:
    config = summary.config
    last = summary.val_losses[-1]
    best = min(summary.val_losses)
    # Without a code, nothing is learned of a single image.
    if not summary.is_judged or summary.dead_units.all():
        return None
    # Nor where the training images are still reconstructed badly.
    if summary.train_error >= summary.pca:
        return None

    has_risen = last > RISEN * best
    if not summary.is_worse_than_pca:
        # Held-out images have chosen the best epoch there is.
        if config.holdout:
            return None
        if config.model == "residual" and not has_risen:
            return None
    if last <= (SMALL_GAP if has_risen else GAP) * summary.train_error:
        return None

    what = f"val_loss {last:.4f} stands against {summary.train_error:.4f} on training images"
    if has_risen:
        what += f" and {best:.4f} in a better epoch"
    if summary.is_worse_than_pca:
        what += f", and is worse than PCA with as many components ({summary.pca:.4f})"
    advice = "try a stronger `augment`"
    if config.augment == "none":
        advice = "try `augment=shift:2+rotate:10`"
    smaller = "`code`" if config.model == "article" else "`width`"
    return Finding(
        what,
        "the model overfits: it learns single training images",
        f"{advice}, more images, or a smaller {smaller}",
    )


def _find_outputs_outside(summary: TrainingSummary) -> Finding | None:
    if summary.least >= -OUTSIDE and summary.largest <= 1 + OUTSIDE:
        return None
    values = f"values from {summary.least:.2f} to {summary.largest:.2f}"
    return Finding(
        f"the model outputs {values}, outside [0, 1]",
        "its last layer does not bound them",
        "end the decoder with a sigmoid",
    )
