"""Rooms 1 to 5 on one screen: source -> images -> model -> epochs -> run folder."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from autoencode import data, engines, metrics, models, objectives, runs
from autoencode.config import Config, parse_duration
from autoencode.data import Source, preprocessing
from autoencode.errors import AutoencodeError
from autoencode.images import Images
from autoencode.runs.description import describe_epoch
from autoencode.runs.recorder import Stopped, Training, memory_told, record
from autoencode.runs.resume import Resumed, restore, take_up
from autoencode.training import Epoch, epoch_seconds, own_parts, planning, train
from autoencode.training.findings import Finding
from autoencode.training.image_checks import examine_images

MAX_HOLDOUT_BYTES = 2**30  # of training images, which holding out some copies in memory

__all__ = ["Finding", "Resumed", "Stopped", "Training", "describe_epoch", "record", "take_up"]


def check(source: Source, config: Config) -> tuple[str, str]:
    """Return the names of source and engine without loading either.

    Raises `AutoencodeError` where one is unknown.
    """
    model = planning.choose_model(config, tutorial=is_tutorial(source))
    if model not in models.ARCHITECTURES:
        # An installed package that offers a model imports Keras, whose engine is then chosen.
        engines.announce(engines.choose(config.engine))
    models.find(model)
    objectives.check(config)
    preprocessing.check_options(config)
    return data.find(source), engines.choose(config.engine)


def prepare(
    source: Source,
    config: Config,
    *,
    alone: bool = False,
    progress: data.Progress | None = None,
    resumed: Resumed | None = None,
) -> Training:
    """Load images and framework side by side, build the model, and return the training.

    `alone` is for the command's own process, see `engines.load`; `progress` is called with how many
    pictures of how many are decoded; `resumed`, with `config` from `recording.take_up`, is what a
    stopped training resumes from.
    """
    name, engine_name = check(source, config)
    # Importing a framework keeps one core busy for a second: the other one loads, and measures PCA
    # in the meantime.
    engines.announce(
        engine_name
    )  # a source may come through Keras, which must then find the same engine
    beside = ThreadPoolExecutor(1)
    loading = beside.submit(data.load, source, config, progress)
    examined = beside.submit(_examine, loading)
    baseline = beside.submit(_measure_baseline, loading, config.code)
    beside.submit(_import_for_the_end)
    beside.shutdown(wait=False)
    engines.load(engine_name, alone=alone)
    with memory_told(config):
        command = own_parts.describe_command(config, name)
        tutorial = resumed is not None or is_tutorial(source)  # a run's record leaves nothing open
        images, config = fit(loading.result(), config, tutorial=tutorial)
        engine = start(engine_name, images, config)
        if resumed is None and config.time != "auto":
            engine, images, config = fit_time(engine_name, engine, images, config)
    if resumed is None:
        events = train(engine, images, config)
        location = _location(source)
        return Training(
            name, location, command, config, images, engine, events, baseline, examined=examined
        )
    restore(engine, images, resumed)
    events = train(engine, images, config, resumed.position, resumed.good, resumed.best)
    record = resumed.run.record
    source = resumed.run.record["source"]
    command = (
        record["command"]
        if config.epochs == record["settings"]["epochs"]
        else own_parts.describe_command(config, source)
    )
    location = record["location"]
    return Training(
        source, location, command, config, images, engine, events, baseline, resumed, examined
    )


def fit_time(
    engine_name: str, engine: engines.Engine, images: Images, config: Config
) -> tuple[engines.Engine, Images, Config]:
    """Return an engine, images and settings whose epochs take about the `time` of `config`."""
    taken = epoch_seconds(engine, images, config)
    most = parse_duration(config.time) / taken
    epochs = max(1, min(int(most), planning.MAX_TIMED_EPOCHS))
    note = f"{epochs} epochs chosen for `time={config.time}`: one takes about {taken:.3g} s"
    config = dataclasses.replace(config, epochs=epochs, time="auto")
    images = dataclasses.replace(images, notes=(*images.notes, note))
    return start(engine_name, images, config), images, config


def is_tutorial(source: Source) -> bool:
    """Return whether `source` is the built-in MNIST, whose defaults are the original tutorial's."""
    location = data.locate(source)
    return (location.kind, location.name) == ("named", "mnist")


def fit(
    images: Images, config: Config, *, tutorial: bool = False, cut_batches: bool = False
) -> tuple[Images, Config]:
    """Return `images`, some of them held out, and `config` with every "auto" filled in for them.

    What was chosen stands in the notes of the images. Raises `UsageError` for a batch size given
    by hand that does not suit, unless `cut_batches` makes it fit.
    """
    given = config
    count = len(images.train)
    config = planning.complete(given, count, tutorial=tutorial)
    is_too_large = (
        images.train.nbytes > MAX_HOLDOUT_BYTES and given.is_auto("holdout") and config.holdout > 0
    )
    if is_too_large:
        given = dataclasses.replace(given, holdout=0.0)
        config = planning.complete(given, count, tutorial=tutorial)
    images = images.hold_out(
        planning.held_out(len(images.train), config.holdout), config.split_seed
    )
    count = len(images.train)
    config, notes = planning.fit_batches(
        config, count, given=not (cut_batches or given.is_auto("batch_size"))
    )
    if given.is_auto("model") and not tutorial:
        notes = planning.describe(given, config, count, images.shape)
    if models.find(config.model).starts_as_pca and "bce" in objectives.losses(config.loss):
        notes.append(
            f"bce has no gradient where the {config.model} model clips a pixel to 0 or 1, "
            "as PCA often does: `model=dense` suits `loss=bce`"
        )
    if is_too_large:
        notes.append(
            f"no training images are held out, as copies of {images.train.nbytes / 1e9:.1f} GB "
            "would be needed: the last epoch is kept; `holdout=0.1` holds a tenth out"
        )
    if images.holdout is not None:
        notes.append(
            f"{len(images.holdout):,} training images are held out: "
            "they choose the epoch whose weights are kept"
        )
    return dataclasses.replace(images, notes=(*images.notes, *notes)), config


def _location(source: Source) -> str | None:
    """The absolute path of a source, which another process finds; None for any other source."""
    found = data.locate(source)
    return str(found.path.resolve()) if found.kind in ("path", "idx") else None


def start(engine_name: str, images: Images, config: Config) -> engines.Engine:
    """Return the engine `engine_name`, ready to train a resolved `config` on `images`."""
    models.reset_weights(config.model)
    build = partial(assemble, config, images.shape, len(images.train))
    engine = engines.start(engine_name, build, seed=config.seed, precision=config.precision)
    models.initialise(config.model, engine.model, images.train)
    engine.read_model()
    return engine


def assemble(config: Config, shape: tuple[int, int, int], count: int) -> engines.TrainingGraph:
    """Return model, objective and optimizer of a resolved `config` for `count` images."""
    model = models.build(
        config.model,
        shape,
        config.code,
        width=config.width,
        linear_code=config.variational is not None,
        quantize=config.quantize,
        dropout=config.dropout,
    )
    steps = math.ceil(count / config.batch_size)
    objective = objectives.build(model, config, steps)
    optimizer = objectives.optimizer(config, steps * config.epochs)
    return engines.TrainingGraph(model, objective, optimizer)


def watch(
    source: Source = "mnist", config: Config | None = None, **settings: Any
) -> Iterator[Epoch]:
    """Train on `source` and yield each `Epoch`; stop early with `break`. Writes no file.

    `source` is a name, a path, a NumPy array or `Images`. `settings` are those of `Config`, and go
    before those of `config`; see `own_parts.complete_config` for own models and losses. Raises
    `AutoencodeError` for what the caller can fix.

    >>> for epoch in watch("mnist", epochs=1):  # doctest: +SKIP
    ...     print(epoch.number, epoch.val_loss)
    """
    for event in prepare(source, own_parts.complete_config(config, **settings)).events:
        if isinstance(event, Epoch):
            yield event


def run(
    source: Source = "mnist", config: Config | None = None, folder: str | Path | None = None
) -> Path:
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


def resume(folder: str | Path, epochs: int | None = None, source: Source | None = None) -> Path:
    """Continue a training that stopped, up to `epochs` in all, and return its folder.

    Without more epochs, the end is bit for bit what it had been without a stop. `source` is needed
    where the run was trained on an array. Raises `AutoencodeError` for what the caller can mend.
    """
    with runs.reclaim(folder) as opened:
        config, resumed = take_up(opened, epochs)
        for _ in record(
            prepare(source_of(opened) if source is None else source, config, resumed=resumed),
            opened.folder,
        ):
            pass
    return opened.folder


def source_of(run: runs.Run) -> str:
    """Return the source that a run was trained on; raise `AutoencodeError` where it is gone."""
    word = runs.source(run.record)
    try:
        return data.find(word)
    except AutoencodeError as error:
        raise AutoencodeError(
            f"{run.folder} was trained on {word}, which is not there: bring it back, or hand the "
            "images to autoencode.resume in Python."
        ) from error


def _examine(loading: Future[Images]) -> list[Finding]:
    return examine_images(loading.result())


def _measure_baseline(loading: Future[Images], components: int) -> metrics.Baseline:
    images = loading.result()
    return metrics.measure_baseline(images.train, images.test, components)


def _import_for_the_end() -> None:
    for name in (
        "h5py",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_svg",
    ):
        import_module(name)
