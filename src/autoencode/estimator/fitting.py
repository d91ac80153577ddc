"""Images and settings become a trained Keras model and the history of its epochs. Knows no file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoencode import models, pipeline
from autoencode.config import Config
from autoencode.estimator.progress import show_progress
from autoencode.images import Images
from autoencode.runs.recorder import memory_told
from autoencode.training import Epoch, train

if TYPE_CHECKING:
    import keras


class Fitted(NamedTuple):
    """A trained model, and its `history`: lists with an entry an epoch, see `measure_epoch`."""

    model: keras.Model
    history: dict[str, list[float]]


def fit_model(
    pixels: np.ndarray,
    config: Config,
    *,
    validation: np.ndarray | None = None,
    verbose: bool = False,
) -> Fitted:
    """Train on `pixels`, uint8 (N, H, W, C), by the settings `config`.

    `validation`, uint8 (M, H, W, C), is measured after every epoch, and changes nothing else. With
    `verbose`, the training is shown while it runs. A batch size that does not suit N is cut. Raises
    `AutoencodeError` for settings that are invalid, and where the training diverges or memory runs
    out.
    """
    tested = pixels[:1] if validation is None else validation
    images = Images("X", pixels, tested)
    job = pipeline.check_job(images, config)
    images, plan = pipeline.fit(images, config, cut_batches=True)
    measure = partial(measure_epoch, is_validated=validation is not None)

    with memory_told(plan):
        engine = pipeline.start(job.engine, images, plan)
        if plan.time != "auto":
            engine, images, plan = pipeline.fit_time(job.engine, engine, images, plan)

        events = train(engine, images, plan)
        if verbose:
            events = show_progress(events, plan.epochs, measure)
        history: dict[str, list[float]] = {}
        for event in events:
            if isinstance(event, Epoch):
                for name, value in measure(event).items():
                    history.setdefault(name, []).append(value)
        return Fitted(models.unshared(engine.model), history)


def measure_epoch(epoch: Epoch, *, is_validated: bool) -> dict[str, float]:
    """Return the `loss` and `seconds` of an epoch, and its `val_loss` where that is known.

    `val_loss` is the mean squared error, pixels in [0, 1], over the test images of the training if
    it `is_validated` by them, else over the training images that it holds out, if any.
    """
    measured = {"loss": epoch.loss, "seconds": epoch.seconds}
    val_loss = epoch.val_loss if is_validated else epoch.holdout_loss
    if val_loss is not None:
        measured["val_loss"] = val_loss
    return measured
