"""One training of a comparison, in a process of its own."""

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
from autoencode.comparison.leaderboard import SHOWN
from autoencode.config import Config
from autoencode.errors import AutoencodeError
from autoencode.images import Images, to_pixels
from autoencode.system import signals
from autoencode.training import evaluate


def look(job: dict[str, Any]) -> None:
    """Raise `AutoencodeError` where the source holds other images than at first, or a batch does not suit them."""
    config, path = Config(**job["settings"]), Path(job["folder"], SETTINGS)
    images = data.load(job["source"], config)
    for model in job["models"]:
        one = dataclasses.replace(config, model=model)
        pipeline.fit(images, one, tutorial=pipeline.is_tutorial(job["source"]))
    found, fingerprint = read_settings(path), images.fingerprint()
    if found.setdefault("fingerprint", fingerprint) != fingerprint:
        raise AutoencodeError(
            f"{job['source']} holds other images than {path.parent} was made of: choose another `folder`."
        )
    write_file(path, json.dumps(found, indent=2).encode())


def measure(job: dict[str, Any], ended: Callable[[], bool]) -> None:
    """Train and measure an entry; once `ended()` is true, a training ends with its chunk."""
    entry, config, folder = Entry(**job["entry"]), Config(**job["settings"]), Path(job["folder"])
    folder /= entry.folder
    if entry.seed is None:
        images = data.load(job["source"], config)
        make_marked(folder)
        found = _measure_pca(images, entry.code, folder)
    else:
        found = _measure_training(job["source"], config, folder, ended)
    write_file(folder / MEASURES, json.dumps(found, indent=2).encode())


def _measure_training(
    source: str, config: Config, folder: Path, ended: Callable[[], bool]
) -> dict[str, Any]:
    make_marked(folder)
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
    found = metrics.measure_reconstructions(images.test, test.examples, test.errors)
    found |= metrics.measure_codes(train_codes, images.train_labels, test.codes, images.test_labels)
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
    found = metrics.measure_reconstructions(images.test, pixels, errors)
    found |= metrics.measure_codes(train_codes, images.train_labels, test_codes, images.test_labels)
    parameters = images.train[0].size * (pca.components.shape[1] + 1)
    told = {"notes": list(images.notes), "skipped": len(images.skipped), "findings": []}
    return (
        found
        | told
        | {"parameters": parameters, "epochs": None, "seconds": seconds, "images_per_second": None}
    )


def _write_array(path: Path, array: np.ndarray) -> None:
    written = io.BytesIO()
    np.save(written, array, allow_pickle=False)
    write_file(path, written.getvalue())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # `compare` sends SIGTERM
    try:
        if sys.argv[1] == "look":
            look(json.loads(sys.argv[2]))
        else:
            with signals.noted(numbers=(signal.SIGTERM,)) as received:
                measure(json.loads(sys.argv[2]), lambda: bool(received))
    except AutoencodeError as error:
        sys.stderr.write(f"{error}\n")  # for the process that began this one
        sys.exit(error.exit_status)
