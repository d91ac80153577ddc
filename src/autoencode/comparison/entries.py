"""What a comparison trains, and the folder that it lies in."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autoencode import data, pipeline, runs
from autoencode.config import Config
from autoencode.errors import AutoencodeError, UsageError, not_written, reason
from autoencode.system import marks
from autoencode.system.files import replacing, synchronise

SETTINGS, MEASURES, LEADERBOARD = "comparison.json", "measures.json", "leaderboard"
MOST_SEEDS = 1000
KEPT = "what is done is kept, and the same command continues"
NEEDED = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


@dataclass(frozen=True)
class Entry:
    """One training of a comparison, or PCA with as many components (no seed)."""

    model: str
    code: int
    seed: int | None = None

    @property
    def folder(self) -> str:
        """Where its run lies within the comparison."""
        return f"{self.model}-code{self.code}" + ("" if self.seed is None else f"-seed{self.seed}")

    @classmethod
    def of(cls, folder: str) -> Entry | None:
        """Return the entry whose run lies in `folder`, if it is one's name.

        >>> Entry.of("dense-code16-seed0"), Entry.of("pca-code2"), Entry.of("notes")
        (Entry(model='dense', code=16, seed=0), Entry(model='pca', code=2, seed=None), None)
        """
        found = re.fullmatch(r"(\w+)-code(\d+)(?:-seed(\d+))?", folder)
        return found and cls(found[1], int(found[2]), found[3] and int(found[3]))


def plan(
    source: data.Source, config: Config, models: Sequence[str], codes: Sequence[int], seeds: int
) -> list[Entry]:
    """Return what there is to do, PCA first; raise `AutoencodeError` where a name, a number or a package is missing."""
    for module, package in NEEDED.items():
        if find_spec(module) is None:
            raise AutoencodeError(
                f"compare needs {package}; install it with: pip install 'autoencode[compare]'"
            )
    if not (models and codes and 1 <= seeds <= MOST_SEEDS):
        raise UsageError(
            f"compare takes at least one of `models`, one of `codes`, and `seeds` from 1 to {MOST_SEEDS}."
        )
    # This raises where the last seed is too large.
    dataclasses.replace(config, seed=config.seed + seeds - 1)
    for name, several in (("model", "models"), ("code", "codes")):
        if (value := getattr(config, name)) != getattr(Config, name):
            raise UsageError(
                f"compare takes --{several}, received --{name} {value}: say --{several} {value}."
            )
    models, codes = dict.fromkeys(models), dict.fromkeys(codes)
    entries = [Entry("pca", code) for code in codes]
    for code in codes:
        for model in models:
            pipeline.check(source, dataclasses.replace(config, model=model, code=code))
            entries += [Entry(model, code, config.seed + seed) for seed in range(seeds)]
    return entries


def claim(folder: Path | None, source: str, config: Config) -> Path:
    """Make `folder` the place of a comparison, or take it up again, and return it; by default, comparison-SOURCE.

    Raises `AutoencodeError` where it holds another.
    """
    folder = folder or Path(f"comparison-{runs.plain_name(source)}")
    told = {"source": source, "settings": json.loads(json.dumps(_shared(config)))}
    path = folder / SETTINGS
    try:
        held = [one.name for one in folder.iterdir()] if folder.exists() else []
        if SETTINGS in held and any(map(Entry.of, held)):
            _check_same(folder, read_settings(path), told)
            return folder
        # These two are what a call leaves that was refused after it had claimed the folder.
        if set(held) - {SETTINGS, marks.MARKER}:
            raise AutoencodeError(
                f"{folder} is not empty and holds no comparison: choose another `folder`."
            )
    except (OSError, ValueError) as error:
        raise AutoencodeError(
            f"{folder} cannot hold a comparison ({reason(error)}): choose another `folder`."
        ) from error
    make_marked(folder)
    write_file(path, json.dumps(told, indent=2).encode())
    return folder


def make_marked(folder: Path) -> None:
    """Make `folder` and mark it as made by this program; raise `AutoencodeError` where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marks.write_marker(folder)
    except OSError as error:
        raise not_written(folder, error, "`folder`", KEPT) from error


def read_settings(path: Path) -> dict[str, Any]:
    """Return what the comparison's file at `path` holds; raise `OSError` or `ValueError` where it is damaged."""
    found = json.loads(path.read_text("utf-8"))
    whole = isinstance(found, dict) and isinstance(found.get("settings"), dict)
    if not whole:
        raise ValueError(f"{SETTINGS} is damaged")
    return found


def _check_same(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    if before.get("source") != now["source"]:
        raise AutoencodeError(
            f"{folder} holds a comparison of {before.get('source')}, and not of {now['source']}: choose another `folder`."
        )
    known = {field.name: field.default for field in dataclasses.fields(Config)}
    was, asked = (
        {name: found.get(name, default) for name, default in known.items()}
        for found in (before["settings"], now["settings"])
    )
    others = [
        f"`{name}={was[name]}` and not {asked[name]}" for name in known if was[name] != asked[name]
    ]
    if others:
        raise AutoencodeError(
            f"{folder} holds a comparison with {', '.join(others)}: choose another `folder`."
        )


def _shared(config: Config) -> dict[str, Any]:
    """The settings that all trainings of a comparison share."""
    return {
        key: value
        for key, value in dataclasses.asdict(config).items()
        if key not in ("model", "code", "seed")
    }


def write_file(path: Path, content: bytes) -> None:
    """Write `content` so that `path` is whole or as before; raise `AutoencodeError` where that fails."""
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
            synchronise(temporary)
    except OSError as error:
        raise not_written(path, error, "`folder`", KEPT) from error
