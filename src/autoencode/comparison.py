"""Many trainings side by side: each in a process of its own, then a leaderboard, a chart and a picture of them all.

A comparison is a folder. Every training in it is a run folder with measures.json beside, written when it is whole: what
is there already is not trained again, and a training that was cut off goes on where it was.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from autoencode import measures, pictures, pipeline, runs, sources, stopping
from autoencode.config import Config
from autoencode.errors import AutoencodeError, UsageError, reason
from autoencode.files import replacing
from autoencode.images import Images, to_pixels
from autoencode.training import evaluate

SETTINGS, MEASURES, LEADERBOARD = "comparison.json", "measures.json", "leaderboard"
SHOWN = 10  # test images in the picture
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


def plan(
    source: sources.Source, config: Config, models: Sequence[str], codes: Sequence[int], seeds: int
) -> list[Entry]:
    """Return what there is to do, PCA first; raise `AutoencodeError` where a name, a number or a package is missing."""
    for module, package in NEEDED.items():
        if find_spec(module) is None:
            raise AutoencodeError(f"compare needs {package}; install it with: pip install 'autoencode[compare]'")
    if not (models and codes and seeds >= 1):
        raise UsageError("compare takes at least one of --models, one of --codes and --seeds 1.")
    for name, several in (("model", "models"), ("code", "codes")):
        if (value := getattr(config, name)) != getattr(Config, name):
            raise UsageError(f"compare takes --{several}, received --{name} {value}: say --{several} {value}.")
    models, codes = dict.fromkeys(models), dict.fromkeys(codes)
    entries = [Entry("pca", code) for code in codes]
    for code in codes:
        for model in models:
            pipeline.check(source, dataclasses.replace(config, model=model, code=code))
            entries += [Entry(model, code, config.seed + seed) for seed in range(seeds)]
    return entries


def claim(folder: Path, source: str, config: Config) -> None:
    """Make `folder` the place of a comparison, or take it up again; raise `AutoencodeError` where it holds another."""
    told = {"source": source, "settings": _shared(config)}
    path = folder / SETTINGS
    try:
        if path.exists():
            before = json.loads(path.read_text("utf-8"))
            if {key: before.get(key) for key in told} != json.loads(json.dumps(told)):
                raise AutoencodeError(
                    f"{folder} holds a comparison of {before.get('source')} with other settings: choose another --folder."
                )
        elif folder.exists() and any(folder.iterdir()):
            raise AutoencodeError(f"{folder} is not empty and holds no comparison: choose another --folder.")
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, json.dumps(told, indent=2).encode())
    except (OSError, ValueError) as error:
        raise AutoencodeError(
            f"{folder} cannot hold a comparison ({reason(error)}): choose another --folder."
        ) from error


def run(
    folder: Path, source: str, config: Config, entries: Sequence[Entry]
) -> Iterator[tuple[Entry, dict[str, Any], bool]]:
    """Do what is not done yet, and yield every entry with its measures and whether it was there before."""
    for entry in entries:
        path = folder / entry.folder / MEASURES
        done = path.exists()
        if not done:
            one = (
                config
                if entry.seed is None
                else dataclasses.replace(config, model=entry.model, code=entry.code, seed=entry.seed)
            )
            job = {"folder": str(folder / entry.folder), "source": source, "entry": dataclasses.asdict(entry)}
            job["settings"] = dataclasses.asdict(one)
            _run_apart(job)
        yield entry, json.loads(path.read_text("utf-8")), done


def _run_apart(job: dict[str, Any]) -> None:
    """Run one job in a process of its own: a process holds one engine, and its memory is given back at the end."""
    words = [sys.executable, "-m", "autoencode.comparison", json.dumps(job)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, errors = process.communicate()
        except (KeyboardInterrupt, SystemExit) as error:
            if isinstance(error, SystemExit):  # Ctrl-C reaches that process as well
                process.terminate()
            process.wait()  # it ends with its chunk
            raise
    if process.returncode:
        lines = errors.strip().splitlines() or ["it ended without a word"]
        raise AutoencodeError(f"{job['entry']['model']} failed: {lines[-1]} (what was done before is kept)")


def _job(job: dict[str, Any], ended: Callable[[], bool]) -> None:
    """What runs in that process; once `ended()` is true, a training ends with its chunk."""
    entry, config, folder = Entry(**job["entry"]), Config(**job["settings"]), Path(job["folder"])
    if entry.seed is None:
        images = sources.load(job["source"], config)
        folder.mkdir(parents=True, exist_ok=True)
        found = _measure_pca(images, entry.code, folder)
    else:
        found = _measure_training(job["source"], config, folder, ended)
    _write(folder / MEASURES, json.dumps(found, indent=2).encode())


def _measure_training(source: str, config: Config, folder: Path, ended: Callable[[], bool]) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    with runs.hold(folder):
        config, resumed = _take_up(folder, config)
        training = pipeline.prepare(source, config, alone=True, resumed=resumed)
        events = pipeline.record(training, folder, ended)
        told = [event for event in events if isinstance(event, (pipeline.Finding, pipeline.Stopped))]
    if any(isinstance(event, pipeline.Stopped) for event in told):
        raise AutoencodeError("stopped early")
    epochs = runs.Run.open(folder).metrics()
    images, engine = training.images, training.engine
    test = evaluate(engine, images.test, len(images.test))
    train_codes = evaluate(engine, images.train, 0).codes
    found = measures.redrawing(images.test, test.examples, test.errors)
    found |= measures.codes(train_codes, images.train_labels, test.codes, images.test_labels)
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
    """Return what a training that was cut off goes on from; where it cannot, make room for one from the start."""
    try:
        return pipeline.take_up(runs.Run.open(folder), measuring=True)
    except AutoencodeError:
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.name != runs.LOCK:
                path.rmdir() if path.is_dir() else path.unlink()
        return config, None


def _measure_pca(images: Images, components: int, folder: Path) -> dict[str, Any]:
    started = time.perf_counter()
    pca = measures.PCA.fit(images.train, components)
    seconds = time.perf_counter() - started
    train_codes, test_codes = pca.encode(images.train), pca.encode(images.test)
    redrawn = pca.decode(test_codes)
    errors = measures.squared_errors(images.test, redrawn)
    pixels = to_pixels(redrawn)
    np.save(folder / "originals.npy", images.test[:SHOWN], allow_pickle=False)
    np.save(folder / "reconstructions.npy", pixels[:SHOWN], allow_pickle=False)
    found = measures.redrawing(images.test, pixels, errors)
    found |= measures.codes(train_codes, images.train_labels, test_codes, images.test_labels)
    parameters = images.train[0].size * (pca.components.shape[1] + 1)
    told = {"notes": list(images.notes), "skipped": len(images.skipped), "findings": []}
    return found | told | {"parameters": parameters, "epochs": None, "seconds": seconds, "images_per_second": None}


def write(folder: Path, results: Sequence[tuple[Entry, dict[str, Any]]]) -> list[str]:
    """Write leaderboard.md, leaderboard.csv, reconstructions.png and error.png; return the lines of the leaderboard."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for entry, found in results:
        groups.setdefault((entry.model, entry.code), []).append(found)
    ordered = sorted(groups.items(), key=lambda item: (item[0][1], item[0][0] != "pca", _mean(item[1], "mse")))
    lines = table(dict(ordered))
    _write(folder / f"{LEADERBOARD}.md", ("\n".join(lines) + "\n").encode())
    _write(folder / f"{LEADERBOARD}.csv", _csv(dict(ordered)).encode())
    largest = max(code for _, code in groups)
    page = pictures.draw_rows(_rows(folder, [entry for entry, _ in results if entry.code == largest]))
    written = io.BytesIO()
    pictures.write_png(page, written)
    _write(folder / "reconstructions.png", written.getvalue())
    errors: dict[str, list[tuple[int, float, float]]] = {}
    for (model, code), found in sorted(groups.items(), key=lambda item: item[0][1]):
        errors.setdefault(model, []).append((code, _mean(found, "mse"), _spread(found, "mse")))
    written = io.BytesIO()
    pictures.write_curve(pictures.draw_errors(errors), written)
    _write(folder / "error.png", written.getvalue())
    return lines


def table(groups: dict[tuple[str, int], list[dict[str, Any]]]) -> list[str]:
    """Return the leaderboard as the lines of a Markdown table: mean and, over several seeds, spread of every measure."""
    head = ["model", "code", *COLUMNS.values()]
    rows = [[name, str(code), *(_cell(found, key) for key in COLUMNS)] for (name, code), found in groups.items()]
    return [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]]


def _cell(found: Sequence[dict[str, Any]], key: str) -> str:
    if any(one.get(key) is None for one in found):
        return ""
    style = FORMATS.get(key, "{:,.0f}")
    mean = style.format(_mean(found, key))
    return (
        mean if len(found) == 1 or key in ("parameters", "epochs") else f"{mean} ± {style.format(_spread(found, key))}"
    )


def _mean(found: Sequence[dict[str, Any]], key: str) -> float:
    return statistics.mean(one[key] for one in found)


def _spread(found: Sequence[dict[str, Any]], key: str) -> float:
    """The standard deviation over seeds; 0 for one."""
    return statistics.stdev(one[key] for one in found) if len(found) > 1 else 0.0


def _csv(groups: dict[tuple[str, int], list[dict[str, Any]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["model", "code", "seeds", *(f"{key}{end}" for key in COLUMNS for end in ("", "_deviation"))])
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
            last = max((path / "arrays").glob("reconstructions*.npy"), key=lambda one: int(one.stem[15:]))
            rows[entry.model] = np.load(last, allow_pickle=False)[:SHOWN]
    return rows


def _shared(config: Config) -> dict[str, Any]:
    """The settings that all trainings of a comparison share."""
    return {key: value for key, value in dataclasses.asdict(config).items() if key not in ("model", "code", "seed")}


def _write(path: Path, content: bytes) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise AutoencodeError(
            f"could not write {path} ({reason(error)}): make room, and the same command continues."
        ) from error


if __name__ == "__main__":
    try:
        with stopping.noted() as received:
            _job(json.loads(sys.argv[1]), lambda: bool(received))
    except AutoencodeError as error:
        sys.exit(str(error))
