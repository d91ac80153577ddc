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
        _check_alone("optimizer", settings, ("weight_decay",))
        settings["weight_decay"] = float(optimizer.weight_decay or 0.0)
        if "learning_rate" in settings:
            schedule = "constant"
        settings.setdefault("learning_rate", rate)
        settings.setdefault("schedule", schedule)
    rate = settings.get("learning_rate")
    if callable(rate):
        schedule, first = objectives.adopt_schedule(rate)
        if isinstance(optimizer, str):
            _check_alone("learning_rate", settings, ("schedule",))
        settings |= {"schedule": schedule, "learning_rate": first}
    return dataclasses.replace(config, **settings)


def _check_alone(part: str, settings: dict[str, Any], others: tuple[str, ...]) -> None:
    """Raise `UsageError` where a Keras object and a setting that it holds are both given."""
    for other in others:
        if other in settings:
            raise UsageError(
                f"`{part}` is a Keras object, which has its own {other.replace('_', ' ')}, "
                f"and `{other}` was given too: give one of the two."
            )


def register_again(config: Config, run: object, given: dict[str, Any]) -> None:
    """Register own parts that are `given` to resume the run folder `run` with settings `config`.

    Raises `UsageError` where one is not the run's own.
    """
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, (str, int, float)):
            raise UsageError(
                f"`{name}` takes an own part of {run}, whose settings stay as they are, "
                f"received {value!r}: do without it."
            )
    model = given.pop("model", None)
    if model is not None and config.model in models.ARCHITECTURES:
        raise UsageError(f"{run} was trained with the model {config.model!r}: do without `model`.")
    if model is not None:
        models.register_model(config.model, model)
    adopted = complete_config(**given)
    names = {"loss": "loss", "optimizer": "optimizer", "learning_rate": "schedule"}
    for part in given:
        expected = getattr(config, names[part])
        received = getattr(adopted, names[part])
        is_same = received in expected if part == "loss" else received == expected
        if not is_same:
            raise UsageError(
                f"{run} was trained with {names[part]} {expected!r}, received {received!r}: "
                f"give the same `{part}` again."
            )


def describe_command(config: Config, source: str) -> str:
    """Return the command that repeats a training of `config` on `source`.

    A comment names the own parts that a command cannot hand over.
    """
    parts: list[str] = []
    if config.model not in ("auto", *models.ARCHITECTURES) and ".py:" not in config.model:
        parts.append("model")
    parts += objectives.find_own(config)
    comment = f"  # in Python alone: own {', '.join(parts)}" if parts else ""
    return config.command(source) + comment


def check_own_parts(config: Config, run: object) -> None:
    """Raise `UsageError` where `config`, of the folder `run`, names own parts not known here."""
    try:
        models.find(planning.choose_model(config, tutorial=True))
        objectives.check(config)
    except UsageError as error:
        part = error.parameter or "model"
        value = getattr(config, part, "")
        keyword = "learning_rate" if part == "schedule" else part
        where = "" if part == "model" else f" in Python, autoencode.resume(..., {keyword}=...)"
        raise UsageError(
            f"{run} was trained with {part} {value!r}, which is not known here: "
            f"give your own `{keyword}` again{where}.",
            parameter=keyword,
        ) from error
