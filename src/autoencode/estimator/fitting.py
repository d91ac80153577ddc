"""Images and settings become a trained Keras model and the history of its epochs. Knows no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoencode import models, pipeline
from autoencode.config import Config
from autoencode.images import Images
from autoencode.runs.recorder import memory_told
from autoencode.training import Epoch, train

if TYPE_CHECKING:
    import keras


class Fitted(NamedTuple):
    """A trained model, and its `history`: lists with an entry an epoch, `loss` and `seconds`."""

    model: keras.Model
    history: dict[str, list[float]]


def fit_model(pixels: np.ndarray, config: Config) -> Fitted:
    """Train on `pixels`, uint8 (N, H, W, C), by the settings `config`.

    A batch size that does not suit their number is cut. Raises `AutoencodeError` for settings that
    are invalid, and where the training diverges or memory runs out.
    """
    images = Images("X", pixels, pixels[:1])
    _, engine_name = pipeline.check(images, config)
    images, config = pipeline.fit(images, config, cut_batches=True)

    with memory_told(config):
        engine = pipeline.start(engine_name, images, config)
        if config.time != "auto":
            engine, images, config = pipeline.fit_time(engine_name, engine, images, config)

        history = {"loss": [], "seconds": []}
        for event in train(engine, images, config):
            if isinstance(event, Epoch):
                history["loss"].append(event.loss)
                history["seconds"].append(event.seconds)
        return Fitted(models.unshared(engine.model), history)
