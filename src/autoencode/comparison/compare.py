"""The trainings of a comparison, one after the other.

A comparison is a folder. Every training in it is a run folder with measures.json beside, which is
written when the training is finished: what has one is not trained again, and a training that was
interrupted is resumed.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from autoencode.comparison.entries import MEASURES, Entry
from autoencode.config import Config
from autoencode.data.store import WAITING
from autoencode.errors import AutoencodeError, UsageError


def run_entries(
    folder: Path,
    source: str,
    config: Config,
    entries: Sequence[Entry],
) -> Iterator[tuple[Entry, dict[str, Any], bool]]:
    """Train and measure what is not done yet.

    Yields every entry with its measures, and whether these were there before. The file of an own
    model is run, in each process that trains it. Raises `AutoencodeError` before anything is
    trained where the source holds other images than in the trainings before, or too few, or where
    an own model cannot be built or saved.
    """
    job = {"folder": str(folder), "source": source}
    for checked in _checked_together(entries):
        models = list(dict.fromkeys(entry.model for entry in checked))
        codes = list(dict.fromkeys(entry.code for entry in checked))
        words = {"models": models, "codes": codes, "settings": dataclasses.asdict(config)}
        _run_process("check", job | words)

    for entry in entries:
        path = folder / entry.folder / MEASURES
        measures = read_measures(path)
        was_done = measures is not None
        if measures is None:
            settings = dataclasses.asdict(_config_of(entry, config))
            words = {"entry": dataclasses.asdict(entry), "settings": settings}
            _run_process("measure", job | words)
            measures = read_measures(path)
        if measures is None:
            raise AutoencodeError(f"{entry.folder} ended without measures: run the command again.")
        yield entry, measures, was_done


def _checked_together(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Return the trainings by the process that checks them: each own model has its own."""
    together: dict[str, list[Entry]] = {"": []}
    for entry in entries:
        if entry.seed is not None:
            together.setdefault(entry.model if entry.is_own else "", []).append(entry)
    return list(together.values())


def _config_of(entry: Entry, config: Config) -> Config:
    """The settings of one training; those of all for PCA."""
    if entry.seed is None:
        return config
    return dataclasses.replace(config, model=entry.model, code=entry.code, seed=entry.seed)


def read_measures(path: Path) -> dict[str, Any] | None:
    """Return the measures in the file at `path`, None where it is missing or damaged."""
    try:
        measures = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    is_whole = isinstance(measures, dict) and measures.keys() >= {
        "mse",
        "findings",
        "notes",
        "skipped",
    }
    return measures if is_whole else None


def _run_process(kind: str, job: dict[str, Any]) -> None:
    """Run one job in its own process, which holds one engine and gives its memory back at the end.

    Raises the error that the process ends with.
    """
    words = [sys.executable, "-m", "autoencode.comparison.worker", kind, json.dumps(job)]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            # It is a pipe, as asked for above.
            assert process.stderr is not None
            errors = _read_errors(process.stderr)
            process.wait()
        except KeyboardInterrupt:
            # It ignores Ctrl-C, which reaches one of both processes or both, and ends with its
            # chunk.
            process.terminate()
            process.wait()
            raise
    if process.returncode:
        lines = "".join(errors).strip().splitlines() or ["the process ended without a message"]
        line = lines[-1]
        if kind == "measure":
            name = Entry(**job["entry"]).folder
            line = f"{name} failed: {line} (what was done before is kept)"
        is_usage = process.returncode == UsageError.exit_status
        raise UsageError(line) if is_usage else AutoencodeError(line)


def _read_errors(stream: Iterable[str]) -> list[str]:
    """Return the lines of a process on its screen; log at once that it waits for another."""
    lines = []
    for line in stream:
        lines.append(line)
        if line.startswith(WAITING):
            logging.getLogger("autoencode").warning(line.strip())
    return lines
