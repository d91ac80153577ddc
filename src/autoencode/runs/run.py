"""The run folder, read: the hub that everything after training reads. Knows no engine.

Each record carries a checksum of itself, and of the arrays that it describes; every file is checked
as untrusted. `runs.writer` writes what is read here, `runs.render` draws it.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from autoencode.config import MAX_EXAMPLES
from autoencode.errors import AutoencodeError, reason
from autoencode.runs import checkpoints, schema
from autoencode.runs.locks import RECORD, hold
from autoencode.runs.schema import damaged, unseal
from autoencode.system.memmap import check_npy

# Files of a run folder, beside `locks.RECORD` and `locks.LOCK`.
METRICS = "metrics.jsonl"
BASELINE = "baseline.json"
FINDINGS = "doctor.json"
MODEL = "model.keras"
STATE = "state.json"
SKIPPED = "skipped.txt"
# Its folders.
ARRAYS = "arrays"
CHECKPOINT = "checkpoint"

# Bytes of metrics.jsonl: 200,000 epochs.
MAX_METRICS_BYTES = 2**26
# Bytes of an array that is drawn.
MAX_ARRAY_BYTES = 2**30


def source(record: Mapping[str, Any]) -> str:
    """Return the source that a run was trained on, so that it is found from any folder.

    It is the absolute path, or else the name. A path here that has the name of a built-in dataset
    was not there when the run began.
    """
    if record["location"] is None and Path(record["source"]).exists():
        return f"builtin:{record['source']}"
    return record["location"] or record["source"]


@contextmanager
def reclaim(folder: str | os.PathLike[str]) -> Generator[Run]:
    """Give a run that stopped, and keep other processes from writing in its folder.

    Raises `AutoencodeError` where the folder holds no run, is damaged, or another process trains
    in it.
    """
    # Before a lock is made in a folder that holds no run.
    Run.open(folder)
    with hold(Path(folder)):
        yield Run.open(folder)


class Run:
    """A run folder that is open to read.

    `folder` is its path, `record` what config.json says of the training. What a method reads is
    checked; `AutoencodeError` is raised where it is damaged.

    >>> run = Run.open("runs/mnist-1")  # doctest: +SKIP
    >>> run.metrics()[-1]["val_loss"]  # doctest: +SKIP
    0.0253
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder = folder
        self.record = record

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """Open a run folder; raise `AutoencodeError` where it holds no run or is damaged."""
        path = Path(folder)
        if not (path / RECORD).is_file():
            raise AutoencodeError(f"{path} is not a run folder: expected {RECORD} in it.")
        record = schema.read(path / RECORD, schema.check_run)
        return cls(path, record | {"settings": dataclasses.asdict(schema.settings(record))})

    def state(self) -> dict[str, Any]:
        """Return `state`, a word of `schema.STATES`, the `epochs` done, and `why` it failed."""
        return schema.read(self.folder / STATE, schema.check_state)

    def has_metrics(self) -> bool:
        """Return whether an epoch has been finished."""
        path = self.folder / METRICS
        return path.exists() and path.stat().st_size > 0

    def metrics(self) -> list[dict[str, Any]]:
        """Return the epochs so far, the lines of metrics.jsonl; there is one at least."""
        if not self.has_metrics():
            raise AutoencodeError(
                f"{self.folder} holds no finished epoch yet: go on with `resume={self.folder}`"
            )
        path = self.folder / METRICS
        try:
            if path.stat().st_size > MAX_METRICS_BYTES:
                raise ValueError(f"it holds more than {MAX_METRICS_BYTES:,} bytes")
            metrics = parse_metrics(path.read_bytes())

            ended = self.state() if (self.folder / STATE).exists() else {"state": "training"}
            if ended["state"] != "training" and len(metrics) != ended["epochs"]:
                raise ValueError(f"it holds {len(metrics)} epochs of {ended['epochs']}")
            return metrics
        except (OSError, ValueError, RecursionError) as error:
            raise damaged(path, reason(error)) from error

    def baseline(self) -> dict[str, Any]:
        """Return PCA's error and components; an empty dict where they were not yet measured."""
        path = self.folder / BASELINE
        return schema.read(path, schema.check_baseline) if path.exists() else {}

    def kept(self) -> dict[str, Any]:
        """Return `epoch` and `val_loss` of the weights that the model has.

        They are the last epoch's, unless held-out images chose the best one.
        """
        last = self.metrics()[-1]
        return self.baseline().get("kept") or {"epoch": last["epoch"], "val_loss": last["val_loss"]}

    def findings(self) -> list[dict[str, str]]:
        """Return what the doctor found: `what`, `cause` and `advice` of each."""
        path = self.folder / FINDINGS
        return schema.read(path, schema.check_findings)["findings"] if path.exists() else []

    def checkpoint(self) -> tuple[checkpoints.Checkpoint | None, list[str]]:
        """Return the newest whole checkpoint, if any, and what is wrong with a damaged one.

        See `checkpoints.read_newest_checkpoint`.
        """
        return checkpoints.read_newest_checkpoint(self.folder / CHECKPOINT)

    def originals(self) -> np.ndarray:
        """Return the test images that every epoch reconstructs, uint8 (E, H, W, C)."""
        return _read_array(originals_path(self.folder), self.record["originals"])

    def reconstructions(self, index: int, line: Mapping[str, Any]) -> np.ndarray:
        """Return the reconstructions of epoch `index` + 1, uint8 (E, H, W, C).

        `line` is that of the epoch in metrics.jsonl, which holds their checksum.
        """
        return _read_array(self.reconstructions_path(index), line["reconstructions"])

    def reconstructions_path(self, index: int) -> Path:
        """Return the path of the reconstructions of epoch `index` + 1."""
        return reconstructions_path(self.folder, index)


def originals_path(folder: Path) -> Path:
    """Return the path of the original test images in a run folder."""
    return folder / ARRAYS / "originals.npy"


def reconstructions_path(folder: Path, index: int) -> Path:
    """Return the path of the reconstructions of epoch `index` + 1 in a run folder."""
    return folder / ARRAYS / f"reconstructions{index}.npy"


def checksum(array: np.ndarray) -> int:
    """Return the CRC-32 of the shape and the bytes of an array."""
    return zlib.crc32(np.ascontiguousarray(array).data, zlib.crc32(str(array.shape).encode()))


def parse_metrics(lines: bytes) -> list[dict[str, Any]]:
    """Return the epochs that metrics.jsonl holds; raise `ValueError` where a line is damaged."""
    metrics: list[dict[str, Any]] = []
    for number, text in enumerate(lines.splitlines(), start=1):
        if len(text) > schema.MAX_LINE_BYTES:
            raise ValueError(f"line {number} is too long")
        line = json.loads(text)
        schema.check_epoch(line, number)
        metrics.append(unseal(line))
    return metrics


def _read_array(path: Path, expected: int) -> np.ndarray:
    """Read images; raise `AutoencodeError` unless they have the checksum `expected`."""
    try:
        if path.stat().st_size > MAX_ARRAY_BYTES:
            raise ValueError(f"it holds more than {MAX_ARRAY_BYTES:,} bytes")
        content = io.BytesIO(path.read_bytes())
        check_npy(content, len(content.getbuffer()))
        array = np.load(content, allow_pickle=False)

        if array.dtype != np.uint8 or array.ndim != 4 or checksum(array) != expected:
            raise ValueError("checksum mismatch")
        is_drawable = 1 <= len(array) <= MAX_EXAMPLES and array.shape[3] in (1, 3)
        if not is_drawable or 0 in array.shape:
            raise ValueError(f"its shape is {array.shape}")
        return array
    except (OSError, EOFError, ValueError) as error:
        raise damaged(path, reason(error)) from error
