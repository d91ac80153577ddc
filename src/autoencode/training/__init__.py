"""Engine and images become a generator of events. Knows no files."""

from autoencode.training.evaluation import evaluate, train_error
from autoencode.training.events import (
    Best,
    BestEpoch,
    Chunk,
    Diverged,
    Epoch,
    Evaluation,
    Position,
    Rollback,
)
from autoencode.training.loop import train, warming_up
from autoencode.training.pace import epoch_seconds

__all__ = [
    "Best",
    "BestEpoch",
    "Chunk",
    "Diverged",
    "Epoch",
    "Evaluation",
    "Position",
    "Rollback",
    "epoch_seconds",
    "evaluate",
    "train",
    "train_error",
    "warming_up",
]
