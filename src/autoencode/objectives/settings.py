"""Losses, noises, augmentations and optimizers by name, checked without Keras."""

from __future__ import annotations

import math
from collections.abc import Mapping

from autoencode.config import Config
from autoencode.errors import UsageError, unknown
from autoencode.objectives import own

LOSSES = own.BUILT_IN_LOSSES
# Strength by default, and at most.
NOISES = {
    "gaussian": (0.3, 10.0),
    "mask": (0.5, 0.99),
    "salt": (0.2, 0.99),
}
# Pixels, degrees, share of the size, pixels, probability, share of another image.
AUGMENTATIONS = {
    "shift": (2.0, 64.0),
    "rotate": (10.0, 45.0),
    "scale": (0.1, 0.5),
    "elastic": (1.0, 16.0),
    "flip": (0.5, 1.0),
    "mix": (0.5, 1.0),
}
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "lion", "muon")
# Learning rates of an optimizer that is not the model's own. At Adam's, after 4 epochs of 6,000
# MNIST images, the article's model has a val_loss of 0.0985 with muon, here 0.0288; with sgd 0.204
# even at 0.1, and 0.0665 and 0.0436 at 1 and 10.
RATES = {"sgd": 3.0, "muon": 0.02, "lion": 1e-3, "rmsprop": 1e-3}
SCHEDULES = ("constant", "cosine", "linear")


def check(config: Config) -> None:
    """Raise `UsageError` where a setting of `config` is unknown, out of range or without effect."""
    losses(config.loss)
    noises(config.noise)
    if not config.is_auto("augment"):
        augmentations(config.augment)
    known = {
        "optimizer": ("auto", *OPTIMIZERS, *own.OPTIMIZERS),
        "schedule": ("auto", *SCHEDULES, *own.SCHEDULES),
    }
    for name, values in known.items():
        if getattr(config, name) not in values:
            raise unknown(name, getattr(config, name), values)
    for name in ("warm_up", "free_bits"):
        if config.variational is None and getattr(config, name) != getattr(Config, name):
            raise UsageError(
                f"`{name}` takes a variational model, received none: add `variational=1`, "
                "or leave it out."
            )


def is_plain(config: Config) -> bool:
    """Whether the loss is what test images are measured by: the MSE of undisturbed images."""
    disturbed = config.noise != "none" or config.augment != "none" or config.variational is not None
    return losses(config.loss) == {"mse": 1.0} and not disturbed and not config.sparsity


def traded(config: Config) -> list[str]:
    """Return the settings of `config` that give up some of the squared error for something else.

    >>> traded(Config(variational=1.0))
    ['variational']
    """
    chosen = {
        "variational": config.variational is not None,
        "noise": config.noise != "none",
        "augment": config.augment != "none",
        "quantize": config.quantize is not None,
        "sparsity": config.sparsity > 0,
        "loss": losses(config.loss).keys() != {"mse"},
    }
    return [option for option, given in chosen.items() if given]


def losses(words: str) -> dict[str, float]:
    """Return the weights of the losses in a sum such as "mse+0.5*ssim".

    >>> losses("mse+0.5*ssim")
    {'mse': 1.0, 'ssim': 0.5}
    """
    weights = {}
    for term in words.split("+"):
        weight, _, name = term.rpartition("*")
        if name not in (*LOSSES, *own.LOSSES):
            raise unknown("loss", name, (*LOSSES, *own.LOSSES))
        weights[name] = weights.get(name, 0.0) + _number("loss", weight or "1", 1e6, words)
    return weights


def noises(words: str) -> dict[str, float]:
    """Return the strengths of the noises in "gaussian:0.3" or a sum of several.

    >>> noises("gaussian+salt:0.1")
    {'gaussian': 0.3, 'salt': 0.1}
    """
    return _strengths("noise", words, NOISES)


def augmentations(words: str) -> dict[str, float]:
    """Return the strengths of the augmentations in "shift:2+rotate:10" or a sum of several.

    >>> augmentations("none")
    {}
    """
    return _strengths("augment", words, AUGMENTATIONS)


def _strengths(
    option: str, words: str, known: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    strengths = {}
    for term in words.split("+") if words != "none" else ():
        name, colon, strength = term.partition(":")
        if name == "none":
            raise UsageError(
                f"`{option}=none` stands alone, received {words!r}: leave out none, or all else."
            )
        if name not in known:
            raise unknown(
                option, name, ("none", *known, *(["auto"] if option == "augment" else []))
            )
        if name in strengths:
            raise UsageError(
                f"`{option}` takes each kind once, received {name!r} again in {words!r}."
            )
        usual, most = known[name]
        strengths[name] = _number(option, strength, most, words) if colon else usual
    return strengths


def _number(option: str, word: str, most: float, words: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not 0 < number <= most:
        raise UsageError(
            f"`{option}` takes numbers above 0 and at most {most:g}, "
            f"received {word!r} in {words!r}."
        )
    return number
