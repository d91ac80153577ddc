"""Model and settings become the Keras graph of the loss, and its optimizer."""

from autoencode.objectives.objective import build, optimizer
from autoencode.objectives.own import (
    adopt_loss,
    adopt_optimizer,
    adopt_schedule,
    find_own,
    register_loss,
)
from autoencode.objectives.settings import RATES, check, is_plain, losses, noises, traded

__all__ = [
    "RATES",
    "adopt_loss",
    "adopt_optimizer",
    "adopt_schedule",
    "build",
    "check",
    "find_own",
    "is_plain",
    "losses",
    "noises",
    "optimizer",
    "register_loss",
    "traded",
]
