"""Own losses, optimizers and learning rate schedules, by name. Knows no Keras until one is used."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autoencode.config import Config
from autoencode.errors import UsageError
from autoencode.system.names import name_of

if TYPE_CHECKING:
    import keras

BUILT_IN_LOSSES = ("mse", "mae", "bce", "ssim")
LOSSES: dict[str, Callable[..., Any]] = {}  # registered in this process
OPTIMIZERS: dict[str, Any] = {}
SCHEDULES: dict[str, Any] = {}


def register_loss(name: str, loss: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Make a loss of your own known by `name`, alone or in a sum such as "mse+0.1*edges".

    `loss(targets, outputs)` takes images (N, H, W, C), float32 in [0, 1], and returns a scalar, or
    values of which the mean is taken. It is made of Keras operations (`keras.ops`). Raises
    `UsageError` for the name of a built-in loss.

    >>> @register_loss("huber")
    ... def huber(targets, outputs):
    ...     return keras.losses.huber(targets, outputs)
    """
    if loss is None:
        return lambda decorated: register_loss(name, decorated)
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise UsageError(f"a loss is registered by a name of letters, received {name!r}.")
    if name in BUILT_IN_LOSSES:
        raise UsageError(f"{name!r} is a built-in loss: register yours by another name.")
    if not callable(loss):
        raise UsageError(
            f"`loss` takes a name, a sum of names, or a function of (targets, outputs), "
            f"received {type(loss).__name__}."
        )
    LOSSES[name] = loss
    return loss


def adopt_loss(loss: Any) -> str:
    """Register the function `loss` under its own name, and return that; a text stays as it is."""
    if isinstance(loss, str):
        return loss
    name = name_of(loss)
    if name in BUILT_IN_LOSSES:
        name = f"own_{name}"
    register_loss(name, loss)
    return name


def adopt_schedule(schedule: object) -> tuple[str, float]:
    """Register a Keras schedule of the learning rate, and return its name and its first rate.

    Raises `UsageError` for anything else.
    """
    if isinstance(schedule, type) or not (callable(schedule) and hasattr(schedule, "get_config")):
        received = getattr(schedule, "__name__", type(schedule).__name__)
        raise UsageError(
            f"`learning_rate` takes a number, auto or a Keras schedule, received {received}: "
            "write keras.optimizers.schedules.CosineDecay(1e-3, 1000), say."
        )
    name = type(schedule).__name__
    SCHEDULES[name] = schedule
    return name, _shortest(schedule(0))


def _shortest(rate: Any) -> float:
    """Return a float32 as the number that it was made of: 0.003, not 0.003000000026."""
    return float(f"{float(rate):.7g}")


def adopt_optimizer(optimizer: Any) -> tuple[str, float, str]:
    """Register a Keras optimizer, and return its name, its learning rate and schedule.

    Raises `UsageError` for anything else. Every training uses a copy of it.
    """
    required = ("get_config", "from_config", "apply_gradients", "add_variable")
    if isinstance(optimizer, type) or not all(hasattr(optimizer, name) for name in required):
        received = getattr(optimizer, "__name__", type(optimizer).__name__)
        raise UsageError(
            f"`optimizer` takes a name or a Keras optimizer, received {received}: "
            "write keras.optimizers.Adam(1e-3), say."
        )
    name = type(optimizer).__name__
    OPTIMIZERS[name] = optimizer
    rate = optimizer._learning_rate  # `learning_rate` is the rate of the step at hand
    if callable(rate):
        schedule, first = adopt_schedule(rate)
        return name, first, schedule
    return name, _shortest(optimizer.learning_rate), "constant"


def copy_optimizer(name: str, rate: keras.optimizers.schedules.LearningRateSchedule) -> Any:
    """Return a copy of the own optimizer called `name`, at the learning rate `rate`."""
    optimizer = OPTIMIZERS[name]
    return type(optimizer).from_config(optimizer.get_config() | {"learning_rate": rate})


def find_own(config: Config) -> list[str]:
    """Return which of loss, optimizer and schedule are own parts in `config`."""
    is_own = {
        "loss": any(term.rpartition("*")[2] in LOSSES for term in config.loss.split("+")),
        "optimizer": config.optimizer in OPTIMIZERS,
        "schedule": config.schedule in SCHEDULES,
    }
    return [name for name, own in is_own.items() if own]
