"""Keras's optimizers and schedules by name, with the settings that the field prefers."""

from typing import Any

import keras

from autoencode.config import Plan
from autoencode.errors import unknown
from autoencode.objectives import own
from autoencode.objectives.settings import OPTIMIZERS

schedules = keras.optimizers.schedules

WARM_UP = 0.05  # of all steps, in which the cosine schedule rises to its learning rate
# Second moments over 20 steps and not 1,000: a dense training of 6 epochs ends at 0.0077 and not
# 0.0086.
ADAMW_BETA_2 = 0.95


def build(plan: Plan, steps: int) -> keras.Optimizer:
    """Return the optimizer of `plan`, whose schedule ends after `steps`."""
    rate = Scaled(_rate(plan, steps))
    decay = plan.weight_decay or None
    if plan.optimizer in own.OPTIMIZERS:
        found = own.copy_optimizer(plan.optimizer, rate)
    elif plan.optimizer == "adam":
        found = keras.optimizers.Adam(rate, weight_decay=decay)
    elif plan.optimizer == "adamw":
        found = keras.optimizers.AdamW(rate, beta_2=ADAMW_BETA_2, weight_decay=plan.weight_decay)
    elif plan.optimizer == "sgd":
        found = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
    elif plan.optimizer == "rmsprop":
        found = keras.optimizers.RMSprop(rate, weight_decay=decay)
    elif plan.optimizer == "lion":
        found = keras.optimizers.Lion(rate, weight_decay=decay)
    elif plan.optimizer == "muon":
        found = keras.optimizers.Muon(
            rate, weight_decay=plan.weight_decay, adam_weight_decay=plan.weight_decay
        )
    else:
        raise unknown("optimizer", plan.optimizer, OPTIMIZERS)
    if plan.weight_decay and plan.optimizer not in own.OPTIMIZERS:
        found.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scale"])
    rate.factor = found.rate_factor = found.add_variable((), "ones", "float32", name="rate_factor")
    return found


class Scaled(schedules.LearningRateSchedule):
    """A learning rate or its schedule, times a factor that is a variable of the optimizer."""

    def __init__(self, rate: float | schedules.LearningRateSchedule) -> None:
        self.rate: Any = rate

    def __call__(self, step):
        """Return the learning rate of a step."""
        rate = (
            self.rate(step) if isinstance(self.rate, schedules.LearningRateSchedule) else self.rate
        )
        return rate * self.factor


def _rate(plan: Plan, steps: int) -> float | schedules.LearningRateSchedule:
    """The learning rate, or its schedule over `steps`.

    Cosine: after the warm-up it falls as (1 + cos(pi t)) / 2, t from 0 to 1 (Loshchilov and Hutter,
    arXiv:1608.03983, section 3, equation 5, without restarts).
    """
    rate = plan.learning_rate
    if plan.schedule in own.SCHEDULES:
        return own.SCHEDULES[plan.schedule]
    if plan.schedule == "cosine":
        warm_up = max(1, round(WARM_UP * steps))
        first = rate / warm_up  # not 0, which would waste a step, and all of a training of one
        return schedules.CosineDecay(
            first, max(1, steps - warm_up), warmup_target=rate, warmup_steps=warm_up
        )
    if plan.schedule == "linear":
        return schedules.PolynomialDecay(rate, steps, end_learning_rate=0.0)
    return rate
