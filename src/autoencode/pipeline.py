"""Rooms 1 to 5 on one screen: source -> images -> model -> epochs -> run folder."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from autoencode import doctor, engines, measures, models, objectives, runs, sources
from autoencode.config import Config
from autoencode.doctor import Finding
from autoencode.images import Images
from autoencode.sources import Source, shaping
from autoencode.training import Chunk, Epoch, train


@dataclass(frozen=True)
class Training:
    """A training that is ready: its images, its engine with the built model, and the events to iterate.

    `config` has every "auto" filled in; `command` repeats the training. `baseline` is PCA's error with as many components as the code has numbers, measured on another thread.
    """

    source: str
    command: str
    config: Config
    images: Images
    engine: engines.Engine
    events: Iterator[Chunk | Epoch]
    baseline: Future[float]


def check(source: Source, config: Config) -> tuple[str, str]:
    """Return the names of source and engine without loading either; raise `AutoencodeError` where there is none."""
    architecture = models.find(config.model)
    objectives.check(config)
    shaping.check(config.size, config.fit, config.colour)
    return sources.find(source), engines.choose(config.engine, convolutional=architecture.convolutional)


def prepare(
    source: Source, config: Config, *, alone: bool = False, progress: sources.Progress | None = None
) -> Training:
    """Load images and framework side by side, build the model, and return the training, not yet begun.

    `alone` is for the command's own process, see `engines.load`; `progress` is told how many pictures of how many are
    decoded.
    """
    name, engine_name = check(source, config)
    # Importing a framework keeps one core busy for a second: the other one loads, and measures PCA in the meantime.
    engines.announce(engine_name)  # a source may come through Keras, which must then find the same engine
    beside = ThreadPoolExecutor(1)
    loading = beside.submit(sources.load, source, config, progress)
    baseline = beside.submit(_measure_baseline, loading, config.code)
    beside.submit(_import_for_the_end)
    beside.shutdown(wait=False)
    engines.load(engine_name, alone=alone)
    images = loading.result()
    command, config = config.command(name), resolve(config)
    engine = start(engine_name, images, config)
    return Training(name, command, config, images, engine, train(engine, images, config), baseline)


def resolve(config: Config) -> Config:
    """Return `config` with what is left to the model, "auto", taken from its architecture.

    >>> resolve(Config(model="article")).learning_rate
    0.001
    """
    own = models.find(config.model)
    left = [name for name in ("optimizer", "learning_rate", "schedule") if getattr(config, name) == "auto"]
    return dataclasses.replace(config, **{name: getattr(own, name) for name in left})


def start(engine_name: str, images: Images, config: Config) -> engines.Engine:
    """Return the engine `engine_name`, ready to train what a resolved `config` asks for on `images`."""
    build = partial(assemble, config, images.shape, len(images.train))
    return engines.start(engine_name, build, seed=config.seed, precision=config.precision)


def assemble(config: Config, shape: tuple[int, int, int], count: int) -> engines.Parts:
    """Return the model, objective and optimizer of a resolved `config` for `count` training images of `shape`."""
    model = models.build(
        config.model,
        shape,
        config.code,
        width=config.width,
        linear_code=config.variational is not None,
        quantize=config.quantize,
    )
    steps = math.ceil(count / config.batch_size)
    objective = objectives.build(model, config, steps)
    return engines.Parts(model, objective, objectives.optimizer(config, steps * config.epochs))


def watch(source: Source = "mnist", config: Config | None = None) -> Iterator[Epoch]:
    """Train on `source` and yield each `Epoch`; stop early with `break`. Writes no file.

    `source` is a name, a path, a NumPy array or `Images`. Raises `AutoencodeError` for what the caller can mend.

    >>> for epoch in watch("mnist", Config(epochs=1)):  # doctest: +SKIP
    ...     print(epoch.number, epoch.val_loss)
    """
    for event in prepare(source, config or Config()).events:
        if isinstance(event, Epoch):
            yield event


def run(source: Source = "mnist", config: Config | None = None, folder: str | Path | None = None) -> Path:
    """Train on `source`, write everything into a run folder and return its path.

    `folder` is new or empty; without one, the first free runs/SOURCE-1, -2, ... is taken.
    Raises `AutoencodeError` for what the caller can mend; what was written until then is whole.
    """
    config = config or Config()
    name, _ = check(source, config)
    with runs.claim(folder, name) as path:
        for _ in record(prepare(source, config), path):
            pass
    return path


def record(training: Training, folder: Path) -> Iterator[Chunk | Epoch | Finding]:
    """Pass on the events of `training` and write them into `folder`, the place that `runs.claim` gave.

    What the doctor finds comes at the end.

    Closing this generator early, or Ctrl-C, leaves a finished folder of the epochs so far.
    """
    run, images, config = runs.Run.create(folder, _describe(training)), training.images, training.config
    run.begin(images.test[: config.examples], images.skipped)
    epochs = []
    try:
        for event in training.events:
            if isinstance(event, Epoch):
                epochs.append(event)
                run.write_epoch(describe_epoch(event), event.originals, event.reconstructions)
            yield event
    except (GeneratorExit, KeyboardInterrupt):
        if epochs:
            _finish(run, training, epochs)
        raise
    yield from _finish(run, training, epochs)


def _finish(run: runs.Run, training: Training, epochs: list[Epoch]) -> list[Finding]:
    config, last, pca = training.config, epochs[-1].evaluation, training.baseline.result()
    patient = doctor.Patient(
        losses=[epoch.loss for epoch in epochs],
        val_losses=[epoch.val_loss for epoch in epochs],
        pca=pca,
        codes=last.codes,
        least=last.least,
        largest=last.largest,
        comparable=objectives.is_plain(config),
        variational=config.variational is not None,
    )
    findings = doctor.diagnose(patient)
    run.finish(
        models.unshared(epochs[-1].model), pca, config.code, [dataclasses.asdict(finding) for finding in findings]
    )
    return findings


def describe_epoch(epoch: Epoch) -> dict[str, Any]:
    """Return the numbers of an epoch as metrics.jsonl and --json hold them."""
    return {
        "epoch": epoch.number,
        "steps": epoch.steps,
        "seconds": epoch.seconds,
        "step_seconds": epoch.step_seconds,
        "images_per_second": epoch.images_per_second,
        "loss": epoch.loss,
        "val_loss": epoch.val_loss,
    }


def _describe(training: Training) -> dict[str, Any]:
    images, engine = training.images, training.engine
    packages = ["autoencode", "keras", engine.name, "numpy"]
    return {
        "source": training.source,
        "settings": dataclasses.asdict(training.config),
        "command": training.command,
        "engine": engine.name,
        "device": engine.device,
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in packages},
        "images": {"shape": list(images.shape), "train": len(images.train), "test": len(images.test)},
        "notes": list(images.notes),
        "parameters": engine.model.count_params(),
        "comparable": objectives.is_plain(training.config),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _measure_baseline(loading: Future[Images], components: int) -> float:
    images = loading.result()
    return measures.pca_error(images.train, images.test, components)


def _import_for_the_end() -> None:
    for name in ("h5py", "matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"):
        import_module(name)
