"""The command that trains many models side by side: compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from autoencode.cli.screen import app, prepare_process
from autoencode.config import Config
from autoencode.errors import UsageError
from autoencode.system import signals

if TYPE_CHECKING:
    from autoencode.cli.console import Screen


@app.command
def compare(
    source: str = "mnist",
    *,
    models: Annotated[str, Parameter(name="--models")] = "article,dense,feedback",
    codes: str = "16",
    seeds: int = 3,
    folder: Path | None = None,
    config: Annotated[Config | None, Parameter(name="*")] = None,
) -> None:
    """Train several models at several code sizes, and write a leaderboard, a chart and a picture.

    The same command continues a comparison that was stopped. Other options are those of train, for
    all of them.

    Parameters
    ----------
    source
        As for train.
    models
        Models, with commas between: auto, names, or FILE.py:FUNCTION for an own model; PCA is
        always the first row.
    codes
        Sizes of the code, with commas between.
    seeds
        Trainings of each, from --seed on.
    folder
        Where everything is kept [default: comparison-SOURCE].
    """
    prepare_process()
    from autoencode import comparison
    from autoencode.cli.console import Screen

    config = config or Config()
    console = Screen()
    entries = comparison.plan_entries(
        source, config, _words(models), _whole_numbers("--codes", codes), seeds
    )
    folder = comparison.claim_folder(folder, source, config, entries)
    done = 0
    told: set[str] = set()
    try:
        with signals.ended_by_sigterm():
            for entry, found, before in comparison.run_entries(folder, source, config, entries):
                done += 1
                _tell_entry(console, entry.folder, found, told, before=before)
    except KeyboardInterrupt as error:
        print(
            f"autoencode: stopped early, {done} of {len(entries)} done; the same command goes on",
            file=sys.stderr,
        )
        sys.exit(signals.exit_status(error))
    for line in comparison.write_leaderboard(folder):
        print(line)
    console.tell(f"leaderboard.md, leaderboard.csv, error.png and reconstructions.png in {folder}")


def _tell_entry(
    console: Screen, name: str, found: dict[str, Any], told: set[str], *, before: bool
) -> None:
    """Tell what an entry measured, and what it notes that was not `told` yet."""
    notes = list(found["notes"])
    if found["skipped"]:
        notes.append(f"{found['skipped']:,} skipped, see: autoencode look")
    for note in notes:
        if note not in told:
            console.tell(note)
    told.update(notes)
    console.tell(f"{name}: test MSE {found['mse']:.5f}" + (" (was there)" if before else ""))
    for finding in found["findings"]:
        console.tell(f"  doctor: {finding}")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _whole_numbers(option: str, words: str) -> list[int]:
    try:
        return [int(word) for word in _words(words)]
    except ValueError:
        raise UsageError(
            f"{option} takes whole numbers with commas between, received {words!r}."
        ) from None
