"""A doctor for a training that has ended: what is wrong with it, why, and which option to try. Knows numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DEAD = 1e-6  # spread of a number of the code over all test images, below which it says nothing
# Variance below which a number of a variational code is unused (Burda, Grosse and Salakhutdinov, arXiv:1509.00519, 4.2).
COLLAPSED = 0.01
RISEN = 1.02  # times the least so far
GAP = 1.15  # error on test images, as a multiple of that on training images
NOTHING = 1e-6  # error of PCA that leaves nothing to redraw: images that are all alike, a code as large as they are
LEAST = 20  # test images, below which neither a dead number of the code nor a val_loss that rises is told
OUTSIDE = 0.01  # beyond [0, 1]
NAMED = 8  # numbers of the code that are listed


@dataclass(frozen=True)
class Finding:
    """What is wrong, the cause, and what to try; one line each."""

    what: str
    cause: str
    advice: str

    def __str__(self) -> str:
        return f"{self.what}; {self.cause}: {self.advice}"


@dataclass(frozen=True)
class Patient:
    """What the doctor looks at: the losses by epoch, PCA's error, and the last evaluation.

    `codes` are float32 (N, code), of the test images; `least` and `largest` the extremes of the outputs. `comparable`
    tells whether `losses` measure the same as `val_losses`: the mean squared error of undisturbed images. `setbacks` are
    what made the learning rate be halved, `warming_up` the epochs over which the loss grows by design, `model` its name,
    `traded` the options that give up some of the error for something else.
    """

    losses: Sequence[float]
    val_losses: Sequence[float]
    pca: float
    codes: np.ndarray
    least: float
    largest: float
    comparable: bool
    variational: bool
    setbacks: Sequence[str] = ()
    warming_up: int = 0
    model: str = "article"
    traded: Sequence[str] = ()


def diagnose(patient: Patient) -> list[Finding]:
    """Return what is wrong with a training; nothing where it is well.

    >>> well = Patient([0.05, 0.03], [0.04, 0.03], 0.05, np.eye(4), 0.0, 1.0, comparable=True, variational=False)
    >>> diagnose(well)
    []
    """
    checks = (_setbacks, _codes, _worse_than_pca, _loss_rises, _overfitting, _outside)
    return [finding for check in checks if (finding := check(patient)) is not None]


def _setbacks(patient: Patient) -> Finding | None:
    if not patient.setbacks:
        return None
    return Finding(
        "; ".join(patient.setbacks),
        "the steps were too large",
        f"the learning rate is now {0.5 ** len(patient.setbacks):g} times what was asked for; try to begin with that",
    )


def _codes(patient: Patient) -> Finding | None:
    codes = patient.codes
    unused = codes.var(0) < COLLAPSED if patient.variational else np.ptp(codes, axis=0) < DEAD
    if not unused.any() or len(codes) < LEAST or patient.pca < NOTHING:
        return None
    numbers = np.flatnonzero(unused)
    named = ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")
    share = f"{len(numbers)} of {codes.shape[1]} numbers of the code"
    if patient.variational:
        return Finding(
            f"{share} have collapsed ({named})",
            "the variational term outweighs what they would add",
            "try a lower --variational, a longer --warm-up or --free-bits 0.1",
        )
    same = f"{share} are the same for every test image ({named})"
    if patient.model == "article" and "--quantize" not in patient.traded:
        cause = "their units are dead, as those of a ReLU that never opens"
        return Finding(
            same, cause, "try a lower --learning-rate, another --seed, or --model dense, whose code has no ReLU"
        )
    return Finding(same, "their units are dead", "try a lower --learning-rate, another --seed, or a smaller --code")


def _worse_than_pca(patient: Patient) -> Finding | None:
    if patient.val_losses[-1] <= patient.pca or patient.pca < NOTHING:
        return None
    what = f"val_loss {patient.val_losses[-1]:.4f} is worse than PCA with as many components ({patient.pca:.4f})"
    cause, advice = "the training is too short or the model too small", "try more --epochs"
    dead = not patient.variational and _codes(patient) is not None
    if not (dead or patient.setbacks or _loss_rises(patient)):  # whose advice is a lower one
        advice += ", a higher --learning-rate"
    if patient.traded:
        options = ", ".join(patient.traded)
        return Finding(what, f"{cause}, or {options} costs too much of the error", f"{advice}, or less of {options}")
    return Finding(
        what, cause, f"{advice}, or " + ("--model dense" if patient.model == "article" else "a larger --width")
    )


def _loss_rises(patient: Patient) -> Finding | None:
    losses = patient.losses[patient.warming_up :]
    if not losses or losses[-1] <= RISEN * min(losses):
        return None
    return Finding(
        f"the loss has risen from {min(losses):.4f} to {patient.losses[-1]:.4f}",
        "the steps are too large",
        "try a lower --learning-rate or --schedule cosine",
    )


def _overfitting(patient: Patient) -> Finding | None:
    last, best = patient.val_losses[-1], min(patient.val_losses)
    if len(patient.codes) < LEAST:
        return None
    gap = patient.comparable and last > GAP * patient.losses[-1]
    # Of two losses that cannot be compared, only their ways tell: by heart is what still falls, while val_loss has risen.
    falling = len(patient.losses) > patient.warming_up and _loss_rises(patient) is None
    if not gap and (last <= RISEN * best or not (patient.comparable or falling)):
        return None
    told = f"{patient.losses[-1]:.4f} on training images" if gap else f"{best:.4f} in a better epoch"
    return Finding(
        f"val_loss {last:.4f} stands against {told}",
        "the model learns single training images by heart",
        "try --augment shift:2+rotate:10, more images, or a smaller --width",
    )


def _outside(patient: Patient) -> Finding | None:
    if -OUTSIDE <= patient.least and patient.largest <= 1 + OUTSIDE:
        return None
    return Finding(
        f"the model draws values from {patient.least:.2f} to {patient.largest:.2f}, outside [0, 1]",
        "its last layer does not bound them",
        "end the decoder with a sigmoid",
    )
