"""From settings and the number of images to a training plan: every "auto" is filled in here, once.

Knows settings, models by name and numbers; no image, no framework. The figures behind the rules
are in docs/performance.md, "Defaults".
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from autoencode import models, objectives
from autoencode.config import Config
from autoencode.errors import UsageError

TUTORIAL_MODEL = "article"
TUTORIAL_EPOCHS = 10
TUTORIAL_BATCH = 256
# Training images, below which none is held out.
MIN_HOLDOUT_SET = 20
HOLDOUT_SHARE = 0.1
MAX_EPOCHS = 120
MIN_EPOCHS = 3
# Epochs at most, where a time was given.
MAX_TIMED_EPOCHS = 300
# Images in a batch, below which the learning rate falls with their number.
FULL_RATE_BATCH = 128
GIF_SECONDS = 20.0


@dataclass(frozen=True)
class Recipe:
    """How a model is trained on fewer than `count` images.

    `batch_size` images a step and `steps` steps in all. `dropout`, `augment` and `weight_decay`
    keep the residual model from overfitting. `holds_out` says whether a tenth of the images
    chooses the best epoch.
    """

    count: float
    batch_size: int
    steps: int
    dropout: float
    augment: str
    weight_decay: float
    holds_out: bool


RECIPES = (
    Recipe(250, 16, 600, 0.5, "mix:0.5", 0.0, holds_out=True),
    Recipe(1000, 32, 1000, 0.5, "mix:0.5", 0.0, holds_out=True),
    Recipe(2000, 64, 1000, 0.5, "mix:0.5", 0.0, holds_out=True),
    Recipe(5000, 64, 1500, 0.5, "none", 0.0, holds_out=True),
    Recipe(20_000, 64, 1500, 0.1, "none", 1.5, holds_out=True),
    Recipe(math.inf, 128, 3000, 0.0, "none", 0.5, holds_out=False),
)


def choose_model(config: Config, *, tutorial: bool) -> str:
    """Return the name of the model, chosen where `config` leaves it open.

    The original tutorial's for its own set; else `residual`, and `dense` where the start from PCA
    would be lost: to a variational or quantized code, or to cross-entropy, which has no gradient
    where a value is clipped to 0 or 1.

    >>> choose_model(Config(), tutorial=False), choose_model(Config(loss="bce"), tutorial=False)
    ('residual', 'dense')
    """
    if config.model != "auto":
        return config.model
    if tutorial:
        return TUTORIAL_MODEL
    is_changed = config.variational is not None or config.quantize is not None
    return "dense" if is_changed or "bce" in objectives.losses(config.loss) else "residual"


def complete(config: Config, count: int | None = None, *, tutorial: bool = True) -> Config:
    """Return `config` with every "auto" filled in, for `count` training images.

    With `tutorial`, the settings are those of the original tutorial and of the records on MNIST:
    10 epochs, batches of 256, all training images trained on. `count` is not needed then.

    >>> complete(Config()).model, complete(Config(), 3000, tutorial=False).epochs
    ('article', 35)
    """
    if config.time != "auto" and not config.is_auto("epochs"):
        raise UsageError(
            "`time` chooses the epochs, and `epochs` was given too: leave out one of the two."
        )
    name = choose_model(config, tutorial=tutorial)
    own = models.find(name)
    if name == TUTORIAL_MODEL:
        tutorial = True

    recipe = None if tutorial else next(one for one in RECIPES if count < one.count)
    is_residual = own.starts_as_pca and not tutorial
    batch_size = TUTORIAL_BATCH if tutorial else min(recipe.batch_size, count)
    batch_size = batch_size if config.is_auto("batch_size") else config.batch_size
    holdout = HOLDOUT_SHARE if recipe and recipe.holds_out and count >= MIN_HOLDOUT_SET else 0.0
    holdout = holdout if config.is_auto("holdout") else config.holdout
    epochs = TUTORIAL_EPOCHS
    if not tutorial:
        steps_an_epoch = math.ceil((count - held_out(count, holdout)) / batch_size)
        epochs = min(max(MIN_EPOCHS, math.ceil(recipe.steps / steps_an_epoch)), MAX_EPOCHS)
    epochs = epochs if config.is_auto("epochs") else config.epochs

    optimizer = own.optimizer if config.optimizer == "auto" else config.optimizer
    rate = own.learning_rate if config.quantize is None else own.quantized_rate or own.learning_rate
    if optimizer != own.optimizer:
        rate = objectives.RATES.get(optimizer, rate)
    if not tutorial and (own.starts_as_pca or config.is_auto("batch_size")):
        rate *= min(1.0, batch_size / FULL_RATE_BATCH)

    chosen = {
        "model": name,
        "optimizer": optimizer,
        "learning_rate": rate,
        "schedule": own.schedule,
        "augment": recipe.augment if is_residual else "none",
        "dropout": recipe.dropout if is_residual else 0.0,
        # Chosen for the rates of AdamW: at the rate of sgd, 3, a step would turn weights round.
        "weight_decay": recipe.weight_decay if is_residual and optimizer == own.optimizer else 0.0,
        "holdout": holdout,
        "epochs": epochs,
        "batch_size": batch_size,
        "frame_seconds": min(1.0, GIF_SECONDS / epochs),
    }
    open_ones = {key: value for key, value in chosen.items() if config.is_auto(key)}
    return dataclasses.replace(config, **open_ones)


def held_out(count: int, share: float) -> int:
    """Return how many of `count` training images are held out: `share` of them, one at least.

    >>> held_out(300, 0.1), held_out(300, 0.0)
    (30, 0)
    """
    return max(1, round(count * share)) if share and count > 1 else 0


def describe(given: Config, chosen: Config, count: int, shape: tuple[int, int, int]) -> list[str]:
    """Return a line that says what was chosen, and why; none where `given` left nothing open.

    Where a time was given, the epochs are reported once they are known.
    `count` images of `shape` (H, W, C) are trained on, those held out not counted.
    """
    steps = math.ceil(count / chosen.batch_size) * chosen.epochs
    phrases = {
        "model": f"model {chosen.model}"
        + (" (starts as PCA)" if models.find(chosen.model).starts_as_pca else ""),
        "batch_size": f"batches of {chosen.batch_size}",
        "epochs": f"{chosen.epochs} epochs ({steps:,} steps)",
        "learning_rate": f"learning rate {chosen.learning_rate:g}",
    }
    if chosen.dropout:
        phrases["dropout"] = f"dropout {chosen.dropout:g}"
    if chosen.augment != "none":
        phrases["augment"] = f"augment {chosen.augment}"
    if chosen.weight_decay:
        phrases["weight_decay"] = f"weight decay {chosen.weight_decay:g}"
    if given.time != "auto":
        del phrases["epochs"]
    open_phrases = [phrase for name, phrase in phrases.items() if given.is_auto(name)]
    if not open_phrases:
        return []
    height, width, channels = shape
    kind = "grey" if channels == 1 else "RGB"
    return [f"chosen for {count:,} images of {width}x{height} {kind}: {', '.join(open_phrases)}"]


def fit_batches(config: Config, count: int, *, given: bool = True) -> tuple[Config, list[str]]:
    """Return `config` with a batch size that suits `count` training images, and notes of changes.

    A size that was `given` is never changed: raises `UsageError` where it does not suit, as
    does a lone image where the model normalises over a batch.
    """
    size = config.batch_size
    notes = []
    if given and size > count:
        raise UsageError(
            f"`batch_size={size}` is larger than the {count} training images: "
            f"choose at most {count}."
        )
    if size > count:
        size = count
        notes = [f"a batch holds all {count} training images"]
    if config.quantize is not None or models.find(config.model).batch_normalised:
        what = f"`model={config.model}`" if config.quantize is None else "`quantize`"
        if count == 1:
            raise UsageError(
                f"{what} normalises over the images of a batch: "
                "expected 2 training images at least, received 1."
            )
        if size == 1:
            raise UsageError(
                f"{what} normalises over the images of a batch: "
                "expected a `batch_size` of 2 or more, received 1."
            )
        if count % size == 1:
            sizes = (*range(size - 1, 1, -1), *range(size + 1, count + 1))
            near = next(one for one in sizes if count % one != 1)
            if given:
                raise UsageError(
                    f"{what} normalises over the images of a batch, and "
                    f"`batch_size={size}` leaves one of {count} alone: "
                    f"choose {near}."
                )
            size = near
            notes.append(
                f"a batch holds {near} images, so that none of {count} is left alone in the last"
            )
    return dataclasses.replace(config, batch_size=size), notes
