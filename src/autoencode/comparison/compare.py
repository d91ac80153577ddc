"""The trainings of a comparison, one after the other.

A comparison is a folder. Every training in it is a run folder with measures.json beside, written when it is whole: what
is there already is not trained again, and a training that was cut off goes on where it was.
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


def run(
    folder: Path, source: str, config: Config, entries: Sequence[Entry]
) -> Iterator[tuple[Entry, dict[str, Any], bool]]:
    """Do what is not done yet, and yield every entry with its measures and whether it was there before.

    Raises `AutoencodeError` before anything is trained where the source holds other images than before, or too few.
    """
    job = {"folder": str(folder), "source": source}
    models = list(dict.fromkeys(entry.model for entry in entries if entry.seed is not None))
    _run_apart("look", job | {"models": models, "settings": dataclasses.asdict(config)})
    for entry in entries:
        path = folder / entry.folder / MEASURES
        done = read_measures(path)
        if done is None:
            one = (
                config
                if entry.seed is None
                else dataclasses.replace(
                    config, model=entry.model, code=entry.code, seed=entry.seed
                )
            )
            _run_apart(
                "measure",
                job | {"entry": dataclasses.asdict(entry), "settings": dataclasses.asdict(one)},
            )
        yield entry, done or read_measures(path), done is not None


def read_measures(path: Path) -> dict[str, Any] | None:
    """What was measured, or nothing where that is not there or not whole."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return (
        found
        if isinstance(found, dict) and found.keys() >= {"mse", "findings", "notes", "skipped"}
        else None
    )


def _run_apart(kind: str, job: dict[str, Any]) -> None:
    """Run one job in a process of its own: a process holds one engine, and its memory is given back at the end."""
    words = [sys.executable, "-m", "autoencode.comparison.worker", kind, json.dumps(job)]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            errors = _read_errors(process.stderr)
            process.wait()
        except KeyboardInterrupt:
            process.terminate()  # it is deaf to Ctrl-C, which reaches one of both or both
            process.wait()  # it ends with its chunk
            raise
    if process.returncode:
        lines = "".join(errors).strip().splitlines() or ["it ended without a word"]
        kept = "" if kind == "look" else f"{Entry(**job['entry']).folder} failed: "
        told = UsageError if process.returncode == UsageError.exit_status else AutoencodeError
        raise told(f"{kept}{lines[-1]}{' (what was done before is kept)' if kept else ''}")


def _read_errors(stream: Iterable[str]) -> list[str]:
    """Return the lines of a process on its screen; that it waits for another is told at once."""
    lines = []
    for line in stream:
        lines.append(line)
        if line.startswith(WAITING):
            logging.getLogger("autoencode").warning(line.strip())
    return lines
