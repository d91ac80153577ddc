"""Every setting of a training: flat, frozen, checked when it is made."""

from autoencode.config.duration import parse_duration
from autoencode.config.plan import Plan
from autoencode.config.settings import MAX_EXAMPLES, Config, DataConfig

__all__ = ["MAX_EXAMPLES", "Config", "DataConfig", "Plan", "parse_duration"]
