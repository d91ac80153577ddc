"""Keras's optimizers and schedules by name, with the settings that the field prefers."""

import keras
from keras.optimizers import schedules

from autoencode.config import Config
from autoencode.errors import unknown
from autoencode.objectives import own
from autoencode.objectives.settings import OPTIMIZERS

WARM_UP = 0.05  # of all steps, in which the cosine schedule rises to its learning rate
# Second moments over 20 steps and not 1,000: a dense training of 6 epochs ends at 0.0077 and not
# 0.0086.
ADAMW_BETA_2 = 0.95


def build(config: Config, steps: int) -> keras.Optimizer:
    """Return the optimizer of `config`, whose schedule ends after `steps`."""
    rate = Scaled(_rate(config, steps))
    decay = config.weight_decay or None
    if config.optimizer in own.OPTIMIZERS:
        found = own.copy_optimizer(config.optimizer, rate)
    elif config.optimizer == "adam":
        found = keras.optimizers.Adam(rate, weight_decay=decay)
    elif config.optimizer == "adamw":
        found = keras.optimizers.AdamW(rate, beta_2=ADAMW_BETA_2, weight_decay=config.weight_decay)
    elif config.optimizer == "sgd":
        found = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
    elif config.optimizer == "rmsprop":
        found = keras.optimizers.RMSprop(rate, weight_decay=decay)
    elif config.optimizer == "lion":
        found = keras.optimizers.Lion(rate, weight_decay=decay)
    elif config.optimizer == "muon":
        found = keras.optimizers.Muon(
            rate, weight_decay=config.weight_decay, adam_weight_decay=config.weight_decay
        )
    else:
        raise unknown("optimizer", config.optimizer, OPTIMIZERS)
    if config.weight_decay and config.optimizer not in own.OPTIMIZERS:
        found.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scale"])
    rate.factor = found.rate_factor = found.add_variable((), "ones", "float32", name="rate_factor")
    return found


class Scaled(schedules.LearningRateSchedule):
    """A learning rate or its schedule, times a factor that is a variable of the optimizer."""

    def __init__(self, rate: float | schedules.LearningRateSchedule) -> None:
        self.rate = rate

    def __call__(self, step):
        """Return the learning rate of a step."""
        rate = (
            self.rate(step) if isinstance(self.rate, schedules.LearningRateSchedule) else self.rate
        )
        return rate * self.factor


def _rate(config: Config, steps: int) -> float | schedules.LearningRateSchedule:
    """The learning rate, or its schedule over `steps`.

    Cosine: after the warm-up it falls as (1 + cos(pi t)) / 2, t from 0 to 1 (Loshchilov and Hutter,
    arXiv:1608.03983, section 3, equation 5, without restarts).
    """
    rate = config.learning_rate
    if config.schedule in own.SCHEDULES:
        return own.SCHEDULES[config.schedule]
    if config.schedule == "cosine":
        warm_up = max(1, round(WARM_UP * steps))
        first = rate / warm_up  # not 0, which would waste a step, and all of a training of one
        return schedules.CosineDecay(
            first, max(1, steps - warm_up), warmup_target=rate, warmup_steps=warm_up
        )
    if config.schedule == "linear":
        return schedules.PolynomialDecay(rate, steps, end_learning_rate=0.0)
    return rate
