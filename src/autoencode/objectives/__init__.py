"""Model and settings become the Keras graph of the loss, and its optimizer."""

from autoencode.objectives.objective import build, optimizer
from autoencode.objectives.settings import RATES, check, is_plain, losses, noises, traded

__all__ = [
    "RATES",
    "build",
    "check",
    "is_plain",
    "losses",
    "noises",
    "optimizer",
    "traded",
]
