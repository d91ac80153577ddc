"""Own models, losses, optimizers and schedules among the settings of a training, by name."""

from __future__ import annotations

import dataclasses
from typing import Any

from autoencode import models, objectives
from autoencode.config import Config
from autoencode.errors import UsageError, unknown
from autoencode.training import planning


def complete_config(config: Config | None = None, **settings: Any) -> Config:
    """Return the settings of a training from keywords, which go before those of `config`.

    Besides what `Config` takes, `model` may be a function build(shape, code, width), a pair
    (encoder, decoder) or a Keras model, `loss` a function of (targets, outputs), `optimizer` a
    Keras optimizer and `learning_rate` a Keras schedule: each is registered under its own name,
    which stands in the settings. Raises `UsageError` for an unknown keyword, with the nearest ones.

    >>> complete_config(epochs=3, loss="mse").epochs
    3
    """
    config = config or Config()
    names = [field.name for field in dataclasses.fields(Config)]
    for name in settings:
        if name not in names:
            raise unknown("setting", name, names)

    if not isinstance(settings.get("model", ""), str):
        settings["model"], code = models.adopt_model(settings["model"])
        asked = settings.setdefault("code", code or config.code)
        if code not in (None, asked):
            raise UsageError(f"`code={asked}` was given, and the codes of `model` have {code}.")
    if "loss" in settings:
        settings["loss"] = objectives.adopt_loss(settings["loss"])
    optimizer = settings.get("optimizer", "")
    if not isinstance(optimizer, str):
        settings["optimizer"], rate, schedule = objectives.adopt_optimizer(optimizer)
        settings.setdefault("learning_rate", rate)
        settings.setdefault("schedule", schedule)
    rate = settings.get("learning_rate")
    if callable(rate):
        settings["schedule"], settings["learning_rate"] = objectives.adopt_schedule(rate)
    return dataclasses.replace(config, **settings)


def check_own_parts(config: Config, run: object) -> None:
    """Raise `UsageError` where `config`, of the folder `run`, names own parts not known here."""
    try:
        models.find(planning.choose_model(config, tutorial=True))
        objectives.check(config)
    except UsageError as error:
        part = error.parameter or "model"
        value = getattr(config, part, "")
        raise UsageError(
            f"{run} was trained with {part} {value!r}, which is not known here: "
            f"give your own `{part}` again.",
            parameter=part,
        ) from error
