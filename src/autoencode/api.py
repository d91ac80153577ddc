"""Training from Python: `train` and `resume` write a run folder, and `Run` reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from autoencode import notebook, pipeline, runs
from autoencode.config import Config
from autoencode.data import Source
from autoencode.errors import UsageError
from autoencode.inference.model import Model, load
from autoencode.runs import schema
from autoencode.system.optional import import_pandas
from autoencode.training import own_parts

if TYPE_CHECKING:
    import pandas as pd

Callback = Callable[[Any], object]


def train(
    source: Source = "mnist",
    *,
    run: str | os.PathLike[str] | None = None,
    config: Config | None = None,
    callbacks: Iterable[Callback] = (),
    progress: bool | None = None,
    **settings: Any,
) -> Run:
    """Train an autoencoder on `source`, write everything into a run folder, and return the run.

    `source` is what `autoencode train` takes, or an array (N, H, W) or (N, H, W, C), a list of
    paths or pictures, or `Images`. `run` is a new or empty folder; without one, the first free
    runs/SOURCE-1, -2, ... is taken. `settings` are the fields of `Config`, and go before those of
    `config`. `model` may also be a function build(shape, code, width) that returns encoder and
    decoder, a pair of these, or a Keras model with layers of these names; `loss` a function of
    (targets, outputs) made of Keras operations; `optimizer` and `learning_rate` Keras objects.
    Each of `callbacks` is called with every event of the training: `Chunk` several times a second,
    `Epoch` after each pass, findings and notes.

    With `progress`, a bar shows how far the training is, and in a notebook the reconstructions
    after every epoch; by itself it is shown in a notebook alone.

    Raises `UsageError` for a setting that is invalid, and `AutoencodeError` for whatever else the
    caller can fix; what was written until then is whole, and `resume` continues it.

    >>> run = train("pictures/", epochs=20)  # doctest: +SKIP
    >>> run.metrics[-1]["val_loss"], run.model.encode("more/").values.shape  # doctest: +SKIP
    (0.0123, (300, 16))
    """
    config = own_parts.complete_config(config, **settings)
    callbacks = _checked(callbacks)
    job = pipeline.check_job(source, config)
    with runs.claim(run, job.source.name) as folder:
        _follow(pipeline.prepare(job), folder, callbacks, progress)
    return Run(folder)


def resume(
    run: str | os.PathLike[str],
    epochs: int | None = None,
    source: Source | None = None,
    *,
    callbacks: Iterable[Callback] = (),
    progress: bool | None = None,
    model: Any = None,
    loss: Any = None,
    optimizer: Any = None,
    learning_rate: Any = None,
) -> Run:
    """Continue a training that stopped, up to `epochs` in all, and return its run.

    Without more epochs, the end is bit for bit what it would have been without a stop. `source` is
    needed where the run was trained on an array. Own parts are given again, as `model`, `loss`,
    `optimizer` and `learning_rate`: no code comes out of a run folder. Raises `AutoencodeError` for
    what the caller can fix.

    >>> resume("runs/mnist-1", epochs=20)  # doctest: +SKIP
    """
    given = {
        "model": model,
        "loss": loss,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
    }
    callbacks = _checked(callbacks)
    with runs.reclaim(run) as opened:
        settings = schema.settings(opened.record)
        own_parts.register_again(settings, opened.folder, given)
        own_parts.check_own_parts(settings, opened.folder)
        plan, resumed = pipeline.plan_resume(opened, epochs)
        job = pipeline.check_job(pipeline.source_of(opened) if source is None else source, plan)
        training = pipeline.prepare(job, resumed=resumed)
        _follow(training, opened.folder, callbacks, progress)
    return Run(run)


def _checked(callbacks: Iterable[Callback]) -> tuple[Callback, ...]:
    callbacks = (callbacks,) if callable(callbacks) else tuple(callbacks)
    for callback in callbacks:
        if not callable(callback):
            raise UsageError(
                "callbacks are functions that take an event of the training, "
                f"received {type(callback).__name__}."
            )
    return callbacks


def _follow(
    training: pipeline.Training,
    folder: Path,
    callbacks: tuple[Callback, ...],
    progress: bool | None,
) -> None:
    """Train, write, and hand every event to the callbacks."""
    is_shown = notebook.in_notebook() if progress is None else progress
    with ExitStack() as around:
        if is_shown:
            shown = around.enter_context(notebook.LiveTraining(training.config.epochs))
            callbacks = (shown, *callbacks)
        events = around.enter_context(closing(pipeline.record(training, folder)))
        for event in events:
            for callback in callbacks:
                callback(event)


class Run(os.PathLike[str]):
    """A run folder: what a training wrote, and the model that it trained.

    Takes the place of its path wherever one is expected. Raises `AutoencodeError` where the folder
    holds no run, or is damaged.

    >>> run = Run("runs/mnist-1")  # doctest: +SKIP
    >>> run  # doctest: +SKIP
    Run('runs/mnist-1'): finished, 10 of 10 epochs, val_loss 0.0253
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._run = runs.Run.open(folder)

    def __fspath__(self) -> str:
        """Return the path of the folder."""
        return str(self.path)

    def __repr__(self) -> str:
        count = len(self.metrics) if self._run.has_metrics() else 0
        done = f"{count} of {self.config.epochs} epochs"
        error = f", val_loss {self.val_loss:.4f}" if count else ""
        return f"Run({str(self.path)!r}): {self.state}, {done}{error}"

    def _repr_html_(self) -> str:
        """The name, what was reached, and the last reconstructions, for notebooks."""
        from autoencode.plots import html

        if not self._run.has_metrics():
            return html.card_element(str(self.path), [("state", self.state)])
        facts = [("epochs", len(self.metrics)), ("val_loss", f"{self.val_loss:.4f}")]
        if self.pca is not None:
            facts.append(("PCA with as many components", f"{self.pca:.4f}"))
        last = self.path / f"example{len(self.metrics) - 1}.png"
        shown = []
        if last.is_file():
            with Image.open(last) as picture:
                shown.append(html.picture_element(picture, "the last reconstructions"))
        return html.card_element(str(self.path), facts, *shown)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._run.folder

    @property
    def state(self) -> str:
        """The status of the training: training, stopped, finished or failed."""
        return self._state["state"]

    @property
    def _state(self) -> dict[str, Any]:
        return self._run.state()

    @property
    def config(self) -> Config:
        """The settings, with every "auto" filled in."""
        return schema.settings(self._run.record)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """One dict an epoch: epoch, steps, seconds, images_per_second, loss, val_loss and more."""
        return self._run.metrics()

    @property
    def val_loss(self) -> float:
        """The model's mean squared error on the test images, pixels in [0, 1]."""
        return self._run.kept()["val_loss"]

    @property
    def pca(self) -> float | None:
        """The error of PCA with as many components as the code has; None before the end."""
        return self._run.baseline().get("pca")

    @property
    def findings(self) -> list[dict[str, str]]:
        """What the doctor found: `what`, `cause` and `advice` of each."""
        return self._run.findings()

    @cached_property
    def model(self) -> Model:
        """The trained model, which encodes, decodes, reconstructs and more."""
        return load(self.path)

    @property
    def report(self) -> Path:
        """The page with the curve, the reconstructions and all settings; it needs no other file."""
        return self.path / "report.html"

    def to_pandas(self) -> pd.DataFrame:
        """Return `metrics` as a table, one row an epoch; needs pandas."""
        return import_pandas().DataFrame(self.metrics)
