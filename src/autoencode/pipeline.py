"""Rooms 1 to 5 on one screen: source -> images -> model -> epochs -> run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from autoencode import data, engines, metrics, models, objectives, runs
from autoencode.config import Config, Plan
from autoencode.data import Source, preprocessing
from autoencode.errors import AutoencodeError
from autoencode.images import Images
from autoencode.runs.description import describe_epoch
from autoencode.runs.recorder import Stopped, Training, memory_told, record
from autoencode.runs.resume import Resumed, plan_resume, restore
from autoencode.training import Epoch, own_parts, planning, train
from autoencode.training.assembly import assemble, fit, fit_time, start
from autoencode.training.findings import Finding
from autoencode.training.image_checks import examine_images

__all__ = [
    "Finding",
    "Resumed",
    "Stopped",
    "Training",
    "assemble",
    "describe_epoch",
    "fit",
    "fit_time",
    "plan_resume",
    "record",
    "start",
]


@dataclasses.dataclass(frozen=True)
class Job:
    """A training that can begin: its source is there, its engine chosen, its settings valid.

    `check_job` makes one; who receives it need not check again.
    """

    source: data.Location
    config: Config
    engine: str

    @property
    def is_tutorial(self) -> bool:
        """Whether the source is the built-in MNIST, whose defaults are the original tutorial's."""
        return is_tutorial(self.source)


def check_job(source: Source, config: Config) -> Job:
    """Return the training of `config` on `source` as a job, and load neither images nor framework.

    Raises `UsageError` where the source is not there or a setting is unknown, and
    `AutoencodeError` where an engine is not installed.
    """
    location = data.locate(source)
    engine = engines.choose(config.engine)
    model = planning.choose_model(config, tutorial=is_tutorial(location))
    if model not in models.ARCHITECTURES:
        # An installed package that offers a model imports Keras, whose engine is then chosen.
        engines.announce(engine)
    models.find(model)
    objectives.check(config)
    preprocessing.check_options(config)
    return Job(location, config, engine)


def prepare(
    job: Job,
    *,
    own_process: bool = False,
    progress: data.Progress | None = None,
    resumed: Resumed | None = None,
) -> Training:
    """Load images and framework side by side, build the model, and return the training.

    `own_process` is that of `engines.load`; `progress` is called with how many pictures of how many
    are decoded; `resumed`, with the plan from `plan_resume` as settings of the job, is what a
    stopped training resumes from.
    """
    config = job.config
    # A source may come through Keras, which must then find the same engine.
    engines.announce(job.engine)
    # Importing a framework keeps one core busy for a second: the other one loads, and measures PCA
    # in the meantime.
    beside = ThreadPoolExecutor(1)
    loading = beside.submit(data.load, job.source, config, progress)
    examined = beside.submit(_examine, loading)
    baseline = beside.submit(_measure_baseline, loading, config.code)
    beside.submit(_import_for_the_end)
    beside.shutdown(wait=False)
    engines.load(job.engine, own_process=own_process)

    with memory_told(config):
        images = loading.result()
        if resumed is not None:
            return _prepare_resumed(job, images, resumed, baseline, examined)
        command = own_parts.describe_command(config, job.source.name)
        images, plan = fit(images, config, tutorial=job.is_tutorial)
        engine = start(job.engine, images, plan)
        if plan.time != "auto":
            engine, images, plan = fit_time(job.engine, engine, images, plan)
        images = _note_unopenable(images, plan, engine)
    return Training(
        source=job.source.name,
        location=job.source.absolute_path,
        command=command,
        config=plan,
        images=images,
        engine=engine,
        events=train(engine, images, plan),
        baseline=baseline,
        examined=examined,
    )


def _note_unopenable(images: Images, plan: Plan, engine: engines.Engine) -> Images:
    """Note before an own model is trained that the file of it will not be opened."""
    if plan.model in models.ARCHITECTURES:
        return images
    why = models.describe_unopenable(engine.model)
    if not why:
        return images
    note = (
        f"the model {plan.model} trains, but encode, reconstruct and the like will not open it "
        f"from its file: {why}"
    )
    return dataclasses.replace(images, notes=(*images.notes, note))


def _prepare_resumed(
    job: Job,
    images: Images,
    resumed: Resumed,
    baseline: Future[metrics.Baseline],
    examined: Future[list[Finding]],
) -> Training:
    """Return the training that goes on where `resumed` stopped."""
    record = resumed.run.record
    # A run's record leaves nothing open.
    images, plan = fit(images, job.config, tutorial=True)
    engine = start(job.engine, images, plan)
    restore(engine, images, resumed)

    command = record["command"]
    if plan.epochs != record["settings"]["epochs"]:
        command = own_parts.describe_command(plan, record["source"])
    return Training(
        source=record["source"],
        location=record["location"],
        command=command,
        config=plan,
        images=images,
        engine=engine,
        events=train(engine, images, plan, resumed.position, resumed.good, resumed.best),
        baseline=baseline,
        resumed=resumed,
        examined=examined,
    )


def is_tutorial(source: Source) -> bool:
    """Return whether `source` is the built-in MNIST, whose defaults are the original tutorial's."""
    location = data.locate(source)
    return (location.kind, location.name) == ("named", "mnist")


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
    job = check_job(source, own_parts.complete_config(config, **settings))
    for event in prepare(job).events:
        if isinstance(event, Epoch):
            yield event


def run(
    source: Source = "mnist", config: Config | None = None, folder: str | Path | None = None
) -> Path:
    """Train on `source`, write everything into a run folder and return its path.

    `folder` is new or empty; without one, the first free runs/SOURCE-1, -2, ... is taken.
    Raises `AutoencodeError` for what the caller can mend; what was written until then is whole.
    """
    job = check_job(source, config or Config())
    with runs.claim(folder, job.source.name) as path:
        for _ in record(prepare(job), path):
            pass
    return path


def resume(folder: str | Path, epochs: int | None = None, source: Source | None = None) -> Path:
    """Continue a training that stopped, up to `epochs` in all, and return its folder.

    Without more epochs, the end is bit for bit what it had been without a stop. `source` is needed
    where the run was trained on an array. Raises `AutoencodeError` for what the caller can mend.
    """
    with runs.reclaim(folder) as opened:
        plan, resumed = plan_resume(opened, epochs)
        job = check_job(source_of(opened) if source is None else source, plan)
        for _ in record(prepare(job, resumed=resumed), opened.folder):
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
