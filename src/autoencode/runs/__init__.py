"""The run folder: everything that comes after a training reads it."""

from autoencode.runs.locks import LOCK, RECORD, claim, hold, plain_name
from autoencode.runs.run import (
    CHECKPOINT,
    METRICS,
    MODEL,
    SKIPPED,
    STATE,
    Run,
    checksum,
    parse_metrics,
    reclaim,
    source,
)
from autoencode.runs.writer import Result, RunWriter

__all__ = [
    "CHECKPOINT",
    "LOCK",
    "METRICS",
    "MODEL",
    "RECORD",
    "SKIPPED",
    "STATE",
    "Result",
    "Run",
    "RunWriter",
    "checksum",
    "claim",
    "hold",
    "parse_metrics",
    "plain_name",
    "reclaim",
    "source",
]
