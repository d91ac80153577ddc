"""Rooms 1 to 5 on one screen: source -> images -> model -> epochs -> run folder."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path

from autoencode import data, engines, measures, models, objectives, runs
from autoencode.config import Config
from autoencode.data import Source, preprocessing
from autoencode.doctor import Finding, examine_images
from autoencode.errors import AutoencodeError, UsageError
from autoencode.images import Images
from autoencode.recording import Resumed, Stopped, Training, describe_epoch, memory_told, record, restore, take_up
from autoencode.training import Epoch, train

__all__ = ["Finding", "Resumed", "Stopped", "Training", "describe_epoch", "record", "take_up"]


def check(source: Source, config: Config) -> tuple[str, str]:
    """Return the names of source and engine without loading either; raise `AutoencodeError` where there is none."""
    architecture = models.find(config.model)
    objectives.check(config)
    preprocessing.check_options(config)
    return data.find(source), engines.choose(config.engine, convolutional=architecture.convolutional)


def prepare(
    source: Source,
    config: Config,
    *,
    alone: bool = False,
    progress: data.Progress | None = None,
    resumed: Resumed | None = None,
) -> Training:
    """Load images and framework side by side, build the model, and return the training, not yet begun.

    `alone` is for the command's own process, see `engines.load`; `progress` is told how many pictures of how many are
    decoded; `resumed`, with `config` from `recording.take_up`, is what a stopped training goes on from.
    """
    name, engine_name = check(source, config)
    # Importing a framework keeps one core busy for a second: the other one loads, and measures PCA in the meantime.
    engines.announce(engine_name)  # a source may come through Keras, which must then find the same engine
    beside = ThreadPoolExecutor(1)
    loading = beside.submit(data.load, source, config, progress)
    examined = beside.submit(_examine, loading)
    baseline = beside.submit(_measure_baseline, loading, config.code)
    beside.submit(_import_for_the_end)
    beside.shutdown(wait=False)
    engines.load(engine_name, alone=alone)
    with memory_told(config):
        command = config.command(name)
        images, config = loading.result(), resolve(config)
        if resumed is None:
            config, notes = fit_batches(config, len(images.train))
            images = dataclasses.replace(images, notes=(*images.notes, *notes))
        engine = start(engine_name, images, config)
    if resumed is None:
        events = train(engine, images, config)
        location = _location(source)
        return Training(
            name, location, command, config, images, engine, events, baseline, examined=examined
        )
    restore(engine, images, resumed)
    events = train(engine, images, config, resumed.position, resumed.good)
    record, source = resumed.run.record, resumed.run.record["source"]
    command = record["command"] if config.epochs == record["settings"]["epochs"] else config.command(source)
    location = record["location"]
    return Training(
        source, location, command, config, images, engine, events, baseline, resumed, examined
    )


def fit_batches(config: Config, count: int, *, given: bool | None = None) -> tuple[Config, list[str]]:
    """Return `config` with a batch size that suits `count` training images, and notes of what was changed.

    A size that was `given`, by default any but `Config`'s own, is never changed: raises `UsageError` where it does not suit, as
    does a lone image where the model normalises over a batch.
    """
    size, notes = config.batch_size, []
    given = size != Config.batch_size if given is None else given
    if given and size > count:
        raise UsageError(f"--batch-size {size} is larger than the {count} training images: choose at most {count}.")
    if size > count:
        size, notes = count, [f"a batch holds all {count} training images"]
    if config.quantize is not None or models.find(config.model).batch_normalised:
        what = f"--model {config.model}" if config.quantize is None else "--quantize"
        if count == 1:
            raise UsageError(
                f"{what} normalises over the images of a batch: expected 2 training images at least, received 1."
            )
        if size == 1:
            raise UsageError(
                f"{what} normalises over the images of a batch: expected a --batch-size of 2 or more, received 1."
            )
        if count % size == 1:
            near = next(one for one in (*range(size - 1, 1, -1), *range(size + 1, count + 1)) if count % one != 1)
            if given:
                raise UsageError(
                    f"{what} normalises over the images of a batch, and --batch-size {size} leaves one of {count} alone: "
                    f"choose {near}."
                )
            size = near
            notes.append(f"a batch holds {near} images, so that none of {count} is left alone in the last")
    return dataclasses.replace(config, batch_size=size), notes


def _location(source: Source) -> str | None:
    """Where a source lies, so that another process finds it from another folder; None where it is no path."""
    found = data.locate(source)
    return str(found.path.resolve()) if found.kind in ("path", "idx") else None


def resolve(config: Config) -> Config:
    """Return `config` with what is left to the model, "auto", taken from its architecture.

    >>> resolve(Config(model="article")).learning_rate
    0.001
    """
    own = models.find(config.model)
    optimizer = own.optimizer if config.optimizer == "auto" else config.optimizer
    rate = own.learning_rate if config.quantize is None else own.quantized_rate or own.learning_rate
    if optimizer != own.optimizer:
        rate = objectives.RATES.get(optimizer, rate)
    found = {"optimizer": optimizer, "learning_rate": rate, "schedule": own.schedule}
    return dataclasses.replace(
        config, **{name: value for name, value in found.items() if getattr(config, name) == "auto"}
    )


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


def resume(folder: str | Path, epochs: int | None = None, source: Source | None = None) -> Path:
    """Go on with a training that stopped, up to `epochs` in all, in its own folder, and return that.

    Without more epochs, the end is bit for bit what it had been without a stop. `source` is needed where the run was
    trained on an array. Raises `AutoencodeError` for what the caller can mend.
    """
    with runs.reclaim(folder) as opened:
        config, resumed = take_up(opened, epochs)
        for _ in record(
            prepare(source_of(opened) if source is None else source, config, resumed=resumed), opened.folder
        ):
            pass
    return opened.folder


def source_of(run: runs.Run) -> str:
    """Return the source that a run was trained on; raise `AutoencodeError` where it is not there any more."""
    word = runs.source(run.record)
    try:
        return data.find(word)
    except AutoencodeError as error:
        raise AutoencodeError(
            f"{run.folder} was trained on {word}, which is not there: bring it back, or hand the images to "
            "autoencode.resume in Python."
        ) from error


def _examine(loading: Future[Images]) -> list[Finding]:
    return examine_images(loading.result())


def _measure_baseline(loading: Future[Images], components: int) -> float:
    images = loading.result()
    return measures.pca_error(images.train, images.test, components)


def _import_for_the_end() -> None:
    for name in ("h5py", "matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"):
        import_module(name)
