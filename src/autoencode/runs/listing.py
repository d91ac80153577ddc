"""The status of runs: which still train, how far each is, when it was last active."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from autoencode import runs
from autoencode.errors import AutoencodeError, reason
from autoencode.runs import schema
from autoencode.runs.locks import LOCK, RECORD
from autoencode.system.files import is_locked


@dataclass(frozen=True)
class RunStatus:
    """A run as the list shows it.

    `state` is training, stopped, finished, failed, killed (it ended without a word) or damaged; the
    last loss is None before the end of the first epoch. `seen` is when it was last active.
    """

    name: str
    state: str
    epoch: int = 0
    epochs: int | Literal["auto"] = 0
    loss: float | None = None
    val_loss: float | None = None
    seen: datetime | None = None
    why: str = ""


def list_runs(folder: Path) -> list[RunStatus]:
    """Return the runs in `folder`, by name.

    Raises `AutoencodeError` where there is no such folder.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if (path / RECORD).is_file())
    except OSError as error:
        raise AutoencodeError(
            f"{folder} cannot be listed ({reason(error)}): expected a folder of runs."
        ) from error
    return [_read_status(path) for path in paths]


def _read_status(path: Path) -> RunStatus:
    seen = _seen(path)
    try:
        run = runs.Run.open(path)
        ended = run.state()
        metrics = run.metrics() if run.has_metrics() else []
        epochs = schema.settings(run.record).epochs
    except AutoencodeError as error:
        return RunStatus(path.name, "damaged", seen=seen, why=str(error))
    if is_locked(path / LOCK):
        state = "training"
    else:
        state = "killed" if ended["state"] == "training" else ended["state"]
    last = metrics[-1] if metrics else {}
    return RunStatus(
        path.name,
        state,
        len(metrics),
        epochs,
        last.get("loss"),
        last.get("val_loss"),
        seen,
        ended["why"],
    )


def _seen(folder: Path) -> datetime | None:
    """When it was last active, if the clock of the disk makes sense."""
    times = [0.0]
    for name in (LOCK, RECORD, runs.METRICS, runs.STATE):
        # A file may not be there, or not any more.
        with suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    try:
        return datetime.fromtimestamp(max(times))
    except (ValueError, OverflowError, OSError):
        return None
