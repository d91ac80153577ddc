"""Many trainings side by side: each in a process of its own, then a leaderboard, a chart and a picture of them all.

A comparison is a folder. Every training in it is a run folder with measures.json beside, written when it is whole: what
is there already is not trained again, and a training that was cut off goes on where it was.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import logging
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from autoencode import data, metrics, pipeline, runs
from autoencode.config import Config
from autoencode.data.store import WAITING
from autoencode.errors import AutoencodeError, UsageError, not_written, reason
from autoencode.images import Images, to_pixels
from autoencode.plots import charts, grids
from autoencode.system import marks, signals
from autoencode.system.files import replacing, synchronise
from autoencode.training import evaluate

SETTINGS, MEASURES, LEADERBOARD = "comparison.json", "measures.json", "leaderboard"
SHOWN = 10  # test images in the picture
MOST_SEEDS = 1000
KEPT = "what is done is kept, and the same command continues"
NEEDED = {"skimage": "scikit-image", "sklearn": "scikit-learn"}
COLUMNS = {
    "mse": "test MSE",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "probe": "linear probe",
    "neighbours": "k-NN",
    "parameters": "parameters",
    "epochs": "epochs",
    "seconds": "training (s)",
    "images_per_second": "images a second",
}
FORMATS = {"mse": "{:.5f}", "psnr": "{:.2f}", "ssim": "{:.4f}", "probe": "{:.4f}", "neighbours": "{:.4f}", "seconds": "{:,.0f}"}  # fmt: skip


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
            f"compare takes at least one of --models, one of --codes, and --seeds from 1 to {MOST_SEEDS}."
        )
    dataclasses.replace(
        config, seed=config.seed + seeds - 1
    )  # which tells where the last seed is too large
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
            _check_same(folder, _settings(path), told)
            return folder
        # These two are what a call leaves that was refused after it had claimed the folder.
        if set(held) - {SETTINGS, marks.MARKER}:
            raise AutoencodeError(
                f"{folder} is not empty and holds no comparison: choose another --folder."
            )
    except (OSError, ValueError) as error:
        raise AutoencodeError(
            f"{folder} cannot hold a comparison ({reason(error)}): choose another --folder."
        ) from error
    _make_marked(folder)
    _write(path, json.dumps(told, indent=2).encode())
    return folder


def _make_marked(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marks.write_marker(folder)
    except OSError as error:
        raise not_written(folder, error, "--folder", KEPT) from error


def _settings(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text("utf-8"))
    whole = isinstance(found, dict) and isinstance(found.get("settings"), dict)
    if not whole:
        raise ValueError(f"{SETTINGS} is damaged")
    return found


def _check_same(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    if before.get("source") != now["source"]:
        raise AutoencodeError(
            f"{folder} holds a comparison of {before.get('source')}, and not of {now['source']}: choose another --folder."
        )
    known = {field.name: field.default for field in dataclasses.fields(Config)}
    was, asked = (
        {name: found.get(name, default) for name, default in known.items()}
        for found in (before["settings"], now["settings"])
    )
    others = [
        f"--{name.replace('_', '-')} {was[name]} and not {asked[name]}"
        for name in known
        if was[name] != asked[name]
    ]
    if others:
        raise AutoencodeError(
            f"{folder} holds a comparison with {', '.join(others)}: choose another --folder."
        )


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
        done = _measures(path)
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
        yield entry, done or _measures(path), done is not None


def _measures(path: Path) -> dict[str, Any] | None:
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
    words = [sys.executable, "-m", "autoencode.comparison", kind, json.dumps(job)]
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


def _look(job: dict[str, Any]) -> None:
    """Raise `AutoencodeError` where the source holds other images than at first, or a batch does not suit them."""
    config, path = Config(**job["settings"]), Path(job["folder"], SETTINGS)
    images = data.load(job["source"], config)
    for model in job["models"]:
        one = dataclasses.replace(config, model=model)
        pipeline.fit(images, one, tutorial=pipeline.is_tutorial(job["source"]))
    found, fingerprint = _settings(path), images.fingerprint()
    if found.setdefault("fingerprint", fingerprint) != fingerprint:
        raise AutoencodeError(
            f"{job['source']} holds other images than {path.parent} was made of: choose another --folder."
        )
    _write(path, json.dumps(found, indent=2).encode())


def _measure(job: dict[str, Any], ended: Callable[[], bool]) -> None:
    """Train and measure an entry; once `ended()` is true, a training ends with its chunk."""
    entry, config, folder = Entry(**job["entry"]), Config(**job["settings"]), Path(job["folder"])
    folder /= entry.folder
    if entry.seed is None:
        images = data.load(job["source"], config)
        _make_marked(folder)
        found = _measure_pca(images, entry.code, folder)
    else:
        found = _measure_training(job["source"], config, folder, ended)
    _write(folder / MEASURES, json.dumps(found, indent=2).encode())


def _measure_training(
    source: str, config: Config, folder: Path, ended: Callable[[], bool]
) -> dict[str, Any]:
    _make_marked(folder)
    with runs.hold(folder):
        config, resumed = _take_up(folder, config)
        training = pipeline.prepare(source, config, alone=True, resumed=resumed)
        events = pipeline.record(training, folder, ended)
        told = [
            event for event in events if isinstance(event, (pipeline.Finding, pipeline.Stopped))
        ]
    if any(isinstance(event, pipeline.Stopped) for event in told):
        raise AutoencodeError("stopped early")
    epochs = runs.Run.open(folder).metrics()
    images, engine = training.images, training.engine
    test = evaluate(engine, images.test, len(images.test))
    train_codes = evaluate(engine, images.train, 0).codes
    found = metrics.redrawing(images.test, test.examples, test.errors)
    found |= metrics.codes(train_codes, images.train_labels, test.codes, images.test_labels)
    return found | {
        "parameters": engine.model.count_params(),
        "epochs": len(epochs),
        "seconds": sum(epoch["seconds"] for epoch in epochs),
        "images_per_second": statistics.median(epoch["images_per_second"] for epoch in epochs),
        "engine": engine.name,
        "notes": list(images.notes),
        "skipped": len(images.skipped),
        "findings": [str(finding) for finding in told],
    }


def _take_up(folder: Path, config: Config) -> tuple[Config, pipeline.Resumed | None]:
    """Return what a training that was cut off goes on from, or that there is none yet.

    Raises `AutoencodeError` where there is one that cannot be taken up: it is the user's to remove.
    """
    if not (folder / runs.RECORD).exists():
        return config, None
    return pipeline.take_up(runs.Run.open(folder), measuring=True)


def _measure_pca(images: Images, components: int, folder: Path) -> dict[str, Any]:
    started = time.perf_counter()
    pca = metrics.PCA.fit(images.train, components)
    seconds = time.perf_counter() - started
    train_codes, test_codes = pca.encode(images.train), pca.encode(images.test)
    redrawn = pca.decode(test_codes)
    errors = metrics.squared_errors(images.test, redrawn)
    pixels = to_pixels(redrawn)
    _write_array(folder / "originals.npy", images.test[:SHOWN])
    _write_array(folder / "reconstructions.npy", pixels[:SHOWN])
    found = metrics.redrawing(images.test, pixels, errors)
    found |= metrics.codes(train_codes, images.train_labels, test_codes, images.test_labels)
    parameters = images.train[0].size * (pca.components.shape[1] + 1)
    told = {"notes": list(images.notes), "skipped": len(images.skipped), "findings": []}
    return (
        found
        | told
        | {"parameters": parameters, "epochs": None, "seconds": seconds, "images_per_second": None}
    )


def write(folder: Path) -> list[str]:
    """Write leaderboard.md, leaderboard.csv, reconstructions.png and error.png; return the lines of the leaderboard.

    They hold all that is done in `folder`, by whichever call. The picture is of the size of code that most models have, the
    largest of several.
    """
    results = _finished(folder)
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for entry, found in results:
        groups.setdefault((entry.model, entry.code), []).append(found)
    ordered = sorted(
        groups.items(), key=lambda item: (item[0][1], item[0][0] != "pca", _mean(item[1], "mse"))
    )
    lines = table(dict(ordered))
    _write(folder / f"{LEADERBOARD}.md", ("\n".join(lines) + "\n").encode())
    _write(folder / f"{LEADERBOARD}.csv", _csv(dict(ordered)).encode())
    sizes = [code for _, code in groups]
    shown = max(set(sizes), key=lambda code: (sizes.count(code), code))
    page = grids.draw_rows(_rows(folder, [entry for entry, _ in results if entry.code == shown]))
    written = io.BytesIO()
    grids.write_png(page, written)
    _write(folder / "reconstructions.png", written.getvalue())
    errors: dict[str, list[tuple[int, float, float]]] = {}
    for (model, code), found in sorted(groups.items(), key=lambda item: item[0][1]):
        errors.setdefault(model, []).append((code, _mean(found, "mse"), _spread(found, "mse")))
    written = io.BytesIO()
    charts.write_curve(charts.draw_errors(errors), written)
    _write(folder / "error.png", written.getvalue())
    return lines


def _finished(folder: Path) -> list[tuple[Entry, dict[str, Any]]]:
    """Every entry of a comparison that is done, with its measures, in the order of sizes, models and seeds."""
    entries = filter(None, (Entry.of(path.parent.name) for path in folder.glob(f"*/{MEASURES}")))
    ordered = sorted(
        entries, key=lambda entry: (entry.code, entry.model != "pca", entry.model, entry.seed or 0)
    )
    found = ((entry, _measures(folder / entry.folder / MEASURES)) for entry in ordered)
    return [(entry, measured) for entry, measured in found if measured is not None]


def table(groups: dict[tuple[str, int], list[dict[str, Any]]]) -> list[str]:
    """Return the leaderboard as the lines of a Markdown table: mean and, over several seeds, spread of every measure."""
    head = ["model", "code", "seeds", *COLUMNS.values()]
    rows = [
        [name, str(code), str(len(found)), *(_cell(found, key) for key in COLUMNS)]
        for (name, code), found in groups.items()
    ]
    return [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]]


def _cell(found: Sequence[dict[str, Any]], key: str) -> str:
    if any(one.get(key) is None for one in found):
        return ""
    style = FORMATS.get(key, "{:,.0f}")
    mean = style.format(_mean(found, key))
    return (
        mean
        if len(found) == 1 or key in ("parameters", "epochs")
        else f"{mean} ± {style.format(_spread(found, key))}"
    )


def _mean(found: Sequence[dict[str, Any]], key: str) -> float:
    return statistics.mean(one[key] for one in found)


def _spread(found: Sequence[dict[str, Any]], key: str) -> float:
    """The standard deviation over seeds; 0 for one."""
    return statistics.stdev(one[key] for one in found) if len(found) > 1 else 0.0


def _csv(groups: dict[tuple[str, int], list[dict[str, Any]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        [
            "model",
            "code",
            "seeds",
            *(f"{key}{end}" for key in COLUMNS for end in ("", "_deviation")),
        ]
    )
    for (model, code), found in groups.items():
        cells = []
        for key in COLUMNS:
            known = all(one.get(key) is not None for one in found)
            spread = _spread(found, key) if known and len(found) > 1 else ""  # one seed has none
            cells += [_mean(found, key) if known else "", spread]
        writer.writerow([model, code, len(found), *cells])
    return text.getvalue()


def _rows(folder: Path, entries: Sequence[Entry]) -> dict[str, np.ndarray]:
    """The originals, then what PCA and the first seed of every model redraw of them."""
    rows = {}
    for entry in entries:
        if entry.model in rows:
            continue
        path = folder / entry.folder
        if entry.model == "pca":
            rows["original"] = np.load(path / "originals.npy", allow_pickle=False)
            rows["pca"] = np.load(path / "reconstructions.npy", allow_pickle=False)
        else:
            last = max(
                (path / "arrays").glob("reconstructions*.npy"), key=lambda one: int(one.stem[15:])
            )
            rows[entry.model] = np.load(last, allow_pickle=False)[:SHOWN]
    return rows


def _shared(config: Config) -> dict[str, Any]:
    """The settings that all trainings of a comparison share."""
    return {
        key: value
        for key, value in dataclasses.asdict(config).items()
        if key not in ("model", "code", "seed")
    }


def _write_array(path: Path, array: np.ndarray) -> None:
    written = io.BytesIO()
    np.save(written, array, allow_pickle=False)
    _write(path, written.getvalue())


def _write(path: Path, content: bytes) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
            synchronise(temporary)
    except OSError as error:
        raise not_written(path, error, "--folder", KEPT) from error


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # `_run_apart` sends SIGTERM
    try:
        if sys.argv[1] == "look":
            _look(json.loads(sys.argv[2]))
        else:
            with signals.noted(numbers=(signal.SIGTERM,)) as received:
                _measure(json.loads(sys.argv[2]), lambda: bool(received))
    except AutoencodeError as error:
        sys.stderr.write(f"{error}\n")  # for the process that began this one
        sys.exit(error.exit_status)
