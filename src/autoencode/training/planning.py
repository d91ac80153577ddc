"""From settings and the number of images to a training plan: every "auto" is filled in here, once.

Knows settings, models by name and numbers; no image, no framework. The figures behind the rules
are in docs/performance.md, "Defaults".
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import NamedTuple

from autoencode import models, objectives
from autoencode.config import Config, Plan
from autoencode.errors import UsageError

TUTORIAL_MODEL = "article"
TUTORIAL_EPOCHS = 10
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
# Of the original tutorial, whose epochs are given instead of steps.
TUTORIAL = Recipe(math.inf, 256, 0, 0.0, "none", 0.0, holds_out=False)


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


def resolve(config: Config, count: int | None = None) -> Plan:
    """Return the plan of a training: `config` with every "auto" filled in for `count` images.

    `count` is that of the training images. Without it, the settings are those of the original
    tutorial and of the records on MNIST: 10 epochs, batches of 256, all images trained on. Raises
    `UsageError` where both a time and epochs are given.

    >>> resolve(Config()).model, resolve(Config(), 3000).epochs
    ('article', 35)
    """
    if config.time != "auto" and not config.is_auto("epochs"):
        raise UsageError(
            "`time` chooses the epochs, and `epochs` was given too: leave out one of the two."
        )
    name = choose_model(config, tutorial=count is None)
    if count is None or name == TUTORIAL_MODEL:
        sizes = _tutorial_sizes(config)
        recipe = TUTORIAL
    else:
        recipe = next(one for one in RECIPES if count < one.count)
        sizes = _recipe_sizes(config, recipe, count)
    architecture = models.find(name)
    optimizer = architecture.optimizer if config.optimizer == "auto" else config.optimizer
    rate = _learning_rate(config, architecture, optimizer)
    if recipe is not TUTORIAL and (architecture.starts_as_pca or config.is_auto("batch_size")):
        rate *= min(1.0, sizes.batch_size / FULL_RATE_BATCH)

    is_residual = architecture.starts_as_pca
    # Chosen for the rates of AdamW: at the rate of sgd, 3, a step would turn weights round.
    has_decay = is_residual and optimizer == architecture.optimizer
    return Plan.resolved(
        config,
        model=name,
        optimizer=optimizer,
        learning_rate=rate,
        schedule=architecture.schedule,
        augment=recipe.augment if is_residual else "none",
        dropout=recipe.dropout if is_residual else 0.0,
        weight_decay=recipe.weight_decay if has_decay else 0.0,
        holdout=sizes.holdout,
        epochs=sizes.epochs,
        batch_size=sizes.batch_size,
        frame_seconds=min(1.0, GIF_SECONDS / sizes.epochs),
    )


class _Sizes(NamedTuple):
    """How many images a step takes, how many passes there are, and the share held out."""

    batch_size: int
    epochs: int
    holdout: float


def _tutorial_sizes(config: Config) -> _Sizes:
    return _Sizes(
        TUTORIAL.batch_size if config.batch_size == "auto" else config.batch_size,
        TUTORIAL_EPOCHS if config.epochs == "auto" else config.epochs,
        0.0 if config.holdout == "auto" else config.holdout,
    )


def _recipe_sizes(config: Config, recipe: Recipe, count: int) -> _Sizes:
    """Return the sizes of `recipe` for `count` training images, where `config` has none."""
    batch_size = config.batch_size
    if batch_size == "auto":
        batch_size = min(recipe.batch_size, count)

    holdout = config.holdout
    if holdout == "auto":
        holdout = HOLDOUT_SHARE if recipe.holds_out and count >= MIN_HOLDOUT_SET else 0.0

    epochs = config.epochs
    if epochs == "auto":
        steps_an_epoch = math.ceil((count - held_out(count, holdout)) / batch_size)
        epochs = min(max(MIN_EPOCHS, math.ceil(recipe.steps / steps_an_epoch)), MAX_EPOCHS)
    return _Sizes(batch_size, epochs, holdout)


def _learning_rate(config: Config, architecture: models.Architecture, optimizer: str) -> float:
    """Return the rate of an architecture that is trained with `optimizer`."""
    if optimizer != architecture.optimizer and optimizer in objectives.RATES:
        return objectives.RATES[optimizer]
    if config.quantize is not None and architecture.quantized_rate:
        return architecture.quantized_rate
    return architecture.learning_rate


def held_out(count: int, share: float) -> int:
    """Return how many of `count` training images are held out: `share` of them, one at least.

    >>> held_out(300, 0.1), held_out(300, 0.0)
    (30, 0)
    """
    return max(1, round(count * share)) if share and count > 1 else 0


def describe(given: Config, chosen: Plan, count: int, shape: tuple[int, int, int]) -> list[str]:
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


def fit_batches(plan: Plan, count: int, *, given: bool = True) -> tuple[Plan, list[str]]:
    """Return `plan` with a batch size that suits `count` training images, and notes of changes.

    A size that was `given` is never changed: raises `UsageError` where it does not suit, as
    does a lone image where the model normalises over a batch.
    """
    size = plan.batch_size
    notes = []
    if given and size > count:
        raise UsageError(
            f"`batch_size={size}` is larger than the {count} training images: "
            f"choose at most {count}."
        )
    if size > count:
        size = count
        notes = [f"a batch holds all {count} training images"]
    if plan.quantize is not None or models.find(plan.model).batch_normalised:
        what = f"`model={plan.model}`" if plan.quantize is None else "`quantize`"
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
    return dataclasses.replace(plan, batch_size=size), notes
