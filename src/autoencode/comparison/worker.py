"""One training of a comparison, in its own process."""

from __future__ import annotations

import dataclasses
import io
import json
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autoencode import data, metrics, pipeline, runs
from autoencode.comparison.entries import (
    MEASURES,
    SETTINGS,
    Entry,
    make_marked,
    read_settings,
    write_file,
)
from autoencode.comparison.leaderboard import EXAMPLES
from autoencode.config import Config
from autoencode.errors import AutoencodeError
from autoencode.images import Images, to_pixels
from autoencode.models import check_saving
from autoencode.system import signals
from autoencode.training import evaluate, own_files


def check_source(job: dict[str, Any]) -> None:
    """Raise `AutoencodeError` where the source holds other images than in the trainings before.

    Raises `UsageError` where a batch size does not suit them, and for an own model that cannot be
    built or saved.
    """
    config = Config(**job["settings"])
    path = Path(job["folder"], SETTINGS)
    images = data.load(job["source"], config)
    is_tutorial = pipeline.is_tutorial(job["source"])
    for model in job["models"]:
        chosen = dataclasses.replace(config, model=model)
        if not own_files.is_in_file(model):
            pipeline.fit(images, chosen, tutorial=is_tutorial)
            continue
        own_files.register_file(model, config.engine, setting="models")
        for code in job["codes"]:
            sized = dataclasses.replace(chosen, code=code)
            fitted, plan = pipeline.fit(images, sized, tutorial=is_tutorial)
            graph = pipeline.assemble(plan, fitted.shape, len(fitted.train))
            check_saving(graph.model)

    held = read_settings(path)
    fingerprint = images.fingerprint()
    if held.setdefault("fingerprint", fingerprint) != fingerprint:
        raise AutoencodeError(
            f"{job['source']} holds other images than {path.parent} was made of: "
            "choose another `folder`."
        )
    write_file(path, json.dumps(held, indent=2).encode())


def measure_entry(job: dict[str, Any], ended: Callable[[], bool]) -> None:
    """Train and measure an entry; once `ended()` is true, a training ends with its chunk."""
    entry = Entry(**job["entry"])
    config = Config(**job["settings"])
    folder = Path(job["folder"], entry.folder)
    if entry.is_own:
        _register_own(entry.model, folder, config.engine)
    if entry.seed is None:
        images = data.load(job["source"], config)
        make_marked(folder)
        measures = _measure_pca(images, entry.code, folder)
    else:
        measures = _measure_training(job["source"], config, folder, ended)
    write_file(folder / MEASURES, json.dumps(measures, indent=2).encode())


def _register_own(model: str, folder: Path, engine: str) -> None:
    """Run the file of an own model, on the engine of the training that `folder` holds, if any."""
    if (folder / runs.RECORD).exists():
        engine = runs.Run.open(folder).record["engine"]
    own_files.register_file(model, engine, setting="models")


def _measure_training(
    source: str, config: Config, folder: Path, ended: Callable[[], bool]
) -> dict[str, Any]:
    make_marked(folder)
    with runs.hold(folder):
        config, resumed = _resume(folder, config)
        job = pipeline.check_job(source, config)
        training = pipeline.prepare(job, own_process=True, resumed=resumed)
        is_stopped = False
        for event in pipeline.record(training, folder, ended):
            is_stopped = is_stopped or isinstance(event, pipeline.Stopped)
    if is_stopped:
        raise AutoencodeError("stopped early")

    run = runs.Run.open(folder)
    epochs = run.metrics()
    images = training.images
    engine = training.engine
    test = evaluate(engine, images.test, len(images.test))
    train_codes = evaluate(engine, images.train, 0).codes
    measures = metrics.measure_reconstructions(images.test, test.examples, test.errors)
    labels = images.train_labels, images.test_labels
    measures |= metrics.measure_codes(train_codes, labels[0], test.codes, labels[1])
    return measures | {
        "parameters": engine.model.count_params(),
        "epochs": len(epochs),
        "seconds": sum(epoch["seconds"] for epoch in epochs),
        "images_per_second": statistics.median(epoch["images_per_second"] for epoch in epochs),
        "engine": engine.name,
        "notes": list(images.notes),
        "skipped": len(images.skipped),
        "findings": [str(pipeline.Finding(**finding)) for finding in run.findings()],
    }


def _resume(folder: Path, config: Config) -> tuple[Config, pipeline.Resumed | None]:
    """Return what an interrupted training resumes from, None where there is none yet.

    Raises `AutoencodeError` where there is one that cannot be resumed: it is the user's to remove.
    """
    if not (folder / runs.RECORD).exists():
        return config, None
    return pipeline.plan_resume(runs.Run.open(folder), measuring=True)


def _measure_pca(images: Images, components: int, folder: Path) -> dict[str, Any]:
    started = time.perf_counter()
    pca = metrics.PCA.fit(images.train, components)
    seconds = time.perf_counter() - started

    train_codes = pca.encode(images.train)
    test_codes = pca.encode(images.test)
    reconstructions = pca.decode(test_codes)
    errors = metrics.squared_errors(images.test, reconstructions)
    pixels = to_pixels(reconstructions)
    _write_array(folder / "originals.npy", images.test[:EXAMPLES])
    _write_array(folder / "reconstructions.npy", pixels[:EXAMPLES])

    measures = metrics.measure_reconstructions(images.test, pixels, errors)
    labels = images.train_labels, images.test_labels
    measures |= metrics.measure_codes(train_codes, labels[0], test_codes, labels[1])
    return measures | {
        "notes": list(images.notes),
        "skipped": len(images.skipped),
        "findings": [],
        "parameters": images.train[0].size * (pca.components.shape[1] + 1),
        "epochs": None,
        "seconds": seconds,
        "images_per_second": None,
    }


def _write_array(path: Path, array: np.ndarray) -> None:
    written = io.BytesIO()
    np.save(written, array, allow_pickle=False)
    write_file(path, written.getvalue())


if __name__ == "__main__":
    # The process that started this one, `compare`, sends SIGTERM, and reads what is written to
    # standard error.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if sys.argv[1] == "check":
            check_source(json.loads(sys.argv[2]))
        else:
            with signals.noted(numbers=(signal.SIGTERM,)) as received:
                measure_entry(json.loads(sys.argv[2]), lambda: bool(received))
    except AutoencodeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)
