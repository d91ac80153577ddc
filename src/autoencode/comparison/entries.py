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
from autoencode.training import own_files

SETTINGS = "comparison.json"
MEASURES = "measures.json"
LEADERBOARD = "leaderboard"
MAX_SEEDS = 1000
KEPT = "what is done is kept, and the same command continues"
NEEDED = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


@dataclass(frozen=True)
class Entry:
    """One training of a comparison, or PCA with as many components (no seed)."""

    model: str
    code: int
    seed: int | None = None

    @property
    def is_own(self) -> bool:
        """Whether the model stands in a file of the user's own."""
        return own_files.is_in_file(self.model)

    @property
    def folder(self) -> str:
        """Where its run lies within the comparison."""
        model = own_files.short_name(self.model) if self.is_own else self.model
        return f"{model}-code{self.code}" + ("" if self.seed is None else f"-seed{self.seed}")

    @classmethod
    def parse(cls, folder: str) -> Entry | None:
        """Return the entry whose run lies in `folder`; None where the name is no entry's.

        >>> Entry.parse("dense-code16-seed0"), Entry.parse("pca-code2"), Entry.parse("notes")
        (Entry(model='dense', code=16, seed=0), Entry(model='pca', code=2, seed=None), None)
        """
        match = re.fullmatch(r"(.+)-code(\d+)(?:-seed(\d+))?", folder)
        if match is None:
            return None
        model, code, seed = match.groups()
        return cls(model, int(code), None if seed is None else int(seed))


def plan_entries(
    source: data.Source,
    config: Config,
    models: Sequence[str],
    codes: Sequence[int],
    seeds: int,
) -> list[Entry]:
    """Return the trainings of a comparison, PCA first.

    Each of `models`, names or words such as "mine.py:build", is trained with each size in `codes`,
    from as many random `seeds`. No file is run yet. Raises `UsageError` for a wrong name or number,
    `AutoencodeError` where a package is missing.
    """
    for module, package in NEEDED.items():
        if find_spec(module) is None:
            raise AutoencodeError(
                f"compare needs {package}; install it with: pip install 'autoencode[compare]'"
            )
    if not (models and codes and 1 <= seeds <= MAX_SEEDS):
        raise UsageError(
            "compare takes at least one of `models`, one of `codes`, "
            f"and `seeds` from 1 to {MAX_SEEDS}."
        )
    # This raises where the last seed is too large.
    dataclasses.replace(config, seed=config.seed + seeds - 1)
    for name, several in (("model", "models"), ("code", "codes")):
        value = getattr(config, name)
        if value != getattr(Config, name):
            raise UsageError(
                f"compare takes `{several}`, received `{name}={value}`: give `{several}={value}`.",
                parameter=name,
            )

    models = _without_doubles(models)
    codes = list(dict.fromkeys(codes))
    entries = [Entry("pca", code) for code in codes]
    for code in codes:
        for model in models:
            is_own = own_files.is_in_file(model)
            known = config if is_own else dataclasses.replace(config, model=model)
            pipeline.check_job(source, dataclasses.replace(known, code=code))
            entries += [Entry(model, code, config.seed + seed) for seed in range(seeds)]
    return entries


def _without_doubles(models: Sequence[str]) -> list[str]:
    """Return `models`, each once; raise `UsageError` where two own ones would share a folder."""
    kept: dict[str, str] = {}
    for model in models:
        if not own_files.is_in_file(model):
            kept[model] = model
            continue
        name = own_files.short_name(model)
        before = kept.setdefault(name, model)
        files = {own_files.find_file(word, "models")[0].resolve() for word in (before, model)}
        if len(files) == 2:
            raise UsageError(
                f"`models` holds two own models called {name}, {before} and {model}: "
                "rename one of the files or functions."
            )
    return list(kept.values())


def claim_folder(
    folder: Path | None, source: str, config: Config, entries: Sequence[Entry] = ()
) -> Path:
    """Make `folder` that of a comparison, or continue the one that it holds, and return its path.

    By default, it is comparison-SOURCE. Raises `AutoencodeError` where it holds another comparison
    or other files, or was made of other own models than those of `entries`.
    """
    folder = folder or Path(f"comparison-{runs.plain_name(source)}")
    own_models = {
        own_files.short_name(entry.model): own_files.fingerprint(entry.model)
        for entry in entries
        if entry.is_own
    }
    wanted = {
        "source": source,
        "settings": json.loads(json.dumps(_shared_settings(config))),
        "own_models": own_models,
    }
    path = folder / SETTINGS
    try:
        names = [file.name for file in folder.iterdir()] if folder.exists() else []
        if SETTINGS in names and any(map(Entry.parse, names)):
            held = read_settings(path)
            _check_same(folder, held, wanted)
            held["own_models"] = held.get("own_models", {}) | own_models
            write_file(path, json.dumps(held, indent=2).encode())
            return folder
        # These two are what a call leaves that was refused after it had claimed the folder.
        if set(names) - {SETTINGS, marks.MARKER}:
            raise AutoencodeError(
                f"{folder} is not empty and holds no comparison: choose another `folder`."
            )
    except (OSError, ValueError) as error:
        raise AutoencodeError(
            f"{folder} cannot hold a comparison ({reason(error)}): choose another `folder`."
        ) from error
    make_marked(folder)
    write_file(path, json.dumps(wanted, indent=2).encode())
    return folder


def make_marked(folder: Path) -> None:
    """Make `folder` and mark it as made by this program.

    Raises `AutoencodeError` where that fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marks.write_marker(folder)
    except OSError as error:
        raise not_written(folder, error, "`folder`", KEPT) from error


def read_settings(path: Path) -> dict[str, Any]:
    """Return what the comparison's file at `path` holds: its `source` and its `settings`.

    Raises `OSError` where it cannot be read, `ValueError` where it is damaged.
    """
    held = json.loads(path.read_text("utf-8"))
    is_whole = isinstance(held, dict) and isinstance(held.get("settings"), dict)
    if not is_whole:
        raise ValueError(f"{SETTINGS} is damaged")
    return held


def _check_same(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise `AutoencodeError` where a comparison had another source or other settings before."""
    if before.get("source") != now["source"]:
        raise AutoencodeError(
            f"{folder} holds a comparison of {before.get('source')}, and not of {now['source']}: "
            "choose another `folder`."
        )

    known = before.get("own_models", {})
    for name, fingerprint in now["own_models"].items():
        if known.get(name, fingerprint) != fingerprint:
            raise AutoencodeError(
                f"{folder} holds trainings of {name} from a file with other content: "
                "bring that file back, or choose another `folder`."
            )

    differences = []
    for field in dataclasses.fields(Config):
        was = before["settings"].get(field.name, field.default)
        wanted = now["settings"].get(field.name, field.default)
        if was != wanted:
            differences.append(f"`{field.name}={was}` and not {wanted}")
    if differences:
        raise AutoencodeError(
            f"{folder} holds a comparison with {', '.join(differences)}: choose another `folder`."
        )


def _shared_settings(config: Config) -> dict[str, Any]:
    """The settings that all trainings of a comparison share."""
    return {
        key: value
        for key, value in dataclasses.asdict(config).items()
        if key not in ("model", "code", "seed")
    }


def write_file(path: Path, content: bytes) -> None:
    """Write `content` so that `path` is whole or as before.

    Raises `AutoencodeError` where that fails.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
            synchronise(temporary)
    except OSError as error:
        raise not_written(path, error, "`folder`", KEPT) from error
