"""A trained model in Python: any source in, values out. Writes no file and prints nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from autoencode import data
from autoencode.config import DataConfig
from autoencode.data import streaming
from autoencode.data.streaming import Stream
from autoencode.errors import UsageError
from autoencode.inference import (
    generation,
    projection,
    ranking,
    reconstruction,
    results,
    saved_model,
    similarity,
    threshold,
)
from autoencode.inference.codes import decode, encode
from autoencode.inference.saved_model import Opened, Saved, find_source
from autoencode.inference.trained import KEPT_CODES, Trained

if TYPE_CHECKING:
    import keras


def load(model: str | os.PathLike[str] | keras.Model, engine: str = "auto") -> Model:
    """Return a trained model: a run folder, a .keras file or a Keras model.

    A Keras model needs the layers `encoder` and `decoder`. `engine` is auto, jax, tensorflow or
    torch. Raises `UsageError` where there is nothing at the path, and `AutoencodeError` where it
    is damaged, would run code, or is no autoencoder.

    >>> model = load("runs/mnist-1")  # doctest: +SKIP
    >>> model.encode("pictures/").values.shape  # doctest: +SKIP
    (300, 16)
    """
    if _is_path(model):
        return Model(saved_model.open_model(saved_model.find_model(model), engine))
    saved = Saved(getattr(model, "name", "model"), Path("model.keras"), None, {}, None)
    return Model(Opened(saved, Trained(model)))


class Model:
    """A trained autoencoder, see `load`.

    A `source` is what `autoencode train` takes, or what Python has: a path, a name, a NumPy array
    (N, H, W) or (N, H, W, C), a list of paths or pictures, `Images`. It is read as in the
    training of the model. Keywords named `reading` are settings of `DataConfig` that change that,
    such as `fit="crop"` or `strict=True`, and `part="test"` for a part as a training splits it.
    Methods raise `AutoencodeError` where a source cannot be read.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def __repr__(self) -> str:
        height, width, channels = self.shape
        return f"Model({self.name!r}, images of {width}x{height}x{channels}, code {self.code})"

    @property
    def name(self) -> str:
        """The name of the run folder or file."""
        return self._opened.saved.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self._opened.trained.shape

    @property
    def code(self) -> int:
        """The size of a code, K."""
        return self._opened.trained.code

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of its training, by the names of `Config`; empty where they are unknown."""
        return dict(self._opened.saved.settings)

    @property
    def keras_model(self) -> keras.Model:
        """The Keras model, with the layers `encoder` and `decoder`."""
        return self._opened.trained.model

    def encode(self, source: data.Source, *, refine: int = 0, **reading: Any) -> results.Codes:
        """Return the codes of all images of `source`.

        `refine` steps of gradient descent on each image's own error follow the encoder's code.
        Raises `UsageError` for those of a quantized code.
        """
        self._opened.saved.check_refinable(refine)
        return encode(self._opened, self._stream(source, **reading), refine=refine)

    def decode(self, codes: np.ndarray | results.Codes) -> np.ndarray:
        """Return the images, uint8 (N, H, W, C), of `codes`, float (N, K)."""
        return decode(self._opened, np.asarray(codes))

    def reconstruct(
        self, source: data.Source, *, refine: int = 0, **reading: Any
    ) -> results.Reconstruction:
        """Return the reconstructions of all images of `source`; `refine` as for `encode`."""
        self._opened.saved.check_refinable(refine)
        stream = self._stream(source, **reading)
        return reconstruction.reconstruct(self._opened, stream, refine=refine)

    def reconstruct_batches(
        self, source: data.Source, *, refine: int = 0, **reading: Any
    ) -> Iterator[results.ReconstructedBatch]:
        """Return an iterator of the same in batches, where the reconstructions may exceed memory.

        >>> for batch in model.reconstruct_batches("pictures/"):  # doctest: +SKIP
        ...     print(batch.images.shape, batch.errors.mean())
        """
        self._opened.saved.check_refinable(refine)
        stream = self._stream(source, **reading)
        return reconstruction.reconstruct_batches(self._opened, stream, refine=refine)

    def denoise(
        self, source: data.Source, *, add: str | None = None, seed: int = 0, **reading: Any
    ) -> results.Reconstruction:
        """Return all images of `source` without their noise.

        `add` puts noise on the images first, such as "gaussian:0.3", drawn from `seed`; the errors
        are those against the images before. Raises `AutoencodeError` where the model was trained
        without noise.
        """
        reconstruction.check_denoising(self._opened.saved, add)
        stream = self._stream(source, **reading)
        return reconstruction.denoise(self._opened, stream, add=add, seed=seed)

    def sample(
        self, count: int = 64, *, seed: int = 0, source: data.Source | None = None
    ) -> results.Samples:
        """Return `count` new images, their codes drawn from `seed`.

        Those of a variational model are standard normal; others are drawn from Gaussians fitted to
        the codes of the training images of `source`, by default of what the model was trained on.
        Raises `UsageError` where a variational model is given a `source`.
        """
        source = generation.find_training_source(self._opened.saved, source)
        stream = None
        if source is not None:
            stream = self._stream(source, part="train", most=KEPT_CODES)
        training_codes = generation.learn_codes(self._opened, stream)
        return generation.sample(self._opened, training_codes, count=count, seed=seed)

    def interpolate(
        self,
        first: data.Source,
        last: data.Source,
        *,
        steps: int = 10,
        spherical: bool = False,
        **reading: Any,
    ) -> np.ndarray:
        """Return images, uint8 (steps, H, W, C), on the way from one image to another.

        They lie in equal steps of the code.

        `first` and `last` are a picture's path, an image (H, W) or (H, W, C), or a source of one
        image. `spherical` goes along the sphere, as suits variational models.
        """
        if spherical:
            generation.check_spherical(self._opened.saved)
        ends = [self._read_one(end, reading) for end in (first, last)]
        return generation.interpolate(self._opened, *ends, steps=steps, spherical=spherical)

    def map(
        self, source: data.Source, *, method: str = "auto", **reading: Any
    ) -> results.Projection:
        """Return where the code of every image lies on a plane, by `method`: pca, umap or auto.

        auto takes a code of two numbers as it is, else UMAP where it is installed, else PCA.
        """
        projection.check_method(method)
        return projection.project(self._opened, self._stream(source, **reading), method=method)

    def anomalies(
        self,
        source: data.Source,
        *,
        normal: data.Source | None = None,
        false_alarms: float = 0.01,
        part: str = "all",
        **reading: Any,
    ) -> results.AnomalyRanking:
        """Return how unlike normal images each image of `source` is.

        `normal` are normal images, by default what the model was trained on. Those that it was not
        trained on set the threshold, for a share of `false_alarms`, where they are enough.
        """
        threshold.check_false_alarms(false_alarms)
        config = self._config(reading)
        known = data.open_dataset(find_source(self._opened.saved, normal, "`normal`"), config)
        calibration = threshold.set_threshold(self._opened, known, false_alarms, config=config)
        stream = self._stream(source, part=part, **reading)
        return ranking.rank_anomalies(self._opened, stream, calibration)

    def similar(
        self,
        source: data.Source,
        *,
        among: data.Source | None = None,
        count: int = 5,
        part: str = "all",
        **reading: Any,
    ) -> results.Similarity:
        """Return the `count` images of `among` whose codes are nearest to those of `source`.

        `among` is by default what the model was trained on, all of it. Needs scikit-learn.
        """
        similarity.load_neighbours()
        searched = self.encode(find_source(self._opened.saved, among, "among"), **reading)
        similarity.check_count(count, searched)
        asked = self.encode(source, part=part, **reading)
        return similarity.find_similar(asked, searched, count)

    def _stream(
        self, source: data.Source, *, part: str = "all", most: int | None = None, **given: Any
    ) -> Stream:
        streaming.check_part(part)
        config = self._config(given)
        dataset = data.open_dataset(source, config)
        scale = self._opened.saved.scale
        return streaming.stream(dataset, self.shape, config, part=part, scale=scale, most=most)

    def _config(self, reading: dict[str, Any]) -> DataConfig:
        try:
            return self._opened.saved.data_config(**reading)
        except TypeError:
            raise UsageError(
                f"expected part or settings of DataConfig, received {', '.join(reading)}."
            ) from None

    def _read_one(self, image: data.Source, reading: dict[str, Any]) -> np.ndarray:
        """A single image, uint8 (H, W, C)."""
        is_array = _is_array(image) and image.shape in (self.shape, self.shape[:2])
        stream = self._stream(image[np.newaxis] if is_array else image, **reading)
        images = np.concatenate(list(stream.batches(self._opened.trained.batch_size)))
        if len(images) != 1:
            raise UsageError(f"interpolate goes between single images, received {len(images):,}.")
        return images[0]


def _is_path(model: Any) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(model, (str, os.PathLike))


def _is_array(image: Any) -> TypeGuard[np.ndarray]:
    return isinstance(image, np.ndarray)
