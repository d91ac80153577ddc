"""Many trainings side by side: each in a process of its own, then a leaderboard, a chart and a picture of them all."""

from autoencode.comparison.compare import run
from autoencode.comparison.entries import claim, plan
from autoencode.comparison.leaderboard import write

__all__ = [
    "claim",
    "plan",
    "run",
    "write",
]
