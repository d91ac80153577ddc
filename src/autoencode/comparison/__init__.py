"""Many trainings side by side, each in its own process; then a leaderboard and a chart of them."""

from autoencode.comparison.compare import run_entries
from autoencode.comparison.entries import claim_folder, plan_entries
from autoencode.comparison.leaderboard import write_leaderboard

__all__ = [
    "claim_folder",
    "plan_entries",
    "run_entries",
    "write_leaderboard",
]
