"""A trained model in Python: any source in, values out. Writes no file and prints nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode import data
from autoencode.config import DataConfig
from autoencode.data import streaming
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, UsageError
from autoencode.images import to_pixels
from autoencode.inference import (
    encoding,
    generation,
    opening,
    projection,
    ranking,
    reconstruction,
    results,
    sampling,
)
from autoencode.inference.opening import Opened, Saved
from autoencode.inference.trained import KEPT_CODES, Trained

if TYPE_CHECKING:
    import keras


def load(model: str | os.PathLike | keras.Model, engine: str = "auto") -> Model:
    """Return a trained model: a run folder, a .keras file or a Keras model.

    A Keras model needs the layers `encoder` and `decoder`. `engine` is auto, jax, tensorflow or
    torch. Raises `UsageError` where there is nothing at the path, and `AutoencodeError` where it
    is damaged, would run code, or is no autoencoder.

    >>> model = load("runs/mnist-1")  # doctest: +SKIP
    >>> model.encode("pictures/").values.shape  # doctest: +SKIP
    (300, 16)
    """
    if isinstance(model, (str, os.PathLike)):
        return Model(opening.open_model(opening.find(model), engine))
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
        stream = self._stream(source, **reading)
        values = encoding.codes_of(self._opened, stream, refine)
        return results.Codes(values=values, **results.rows_of(stream))

    def decode(self, codes: np.ndarray | results.Codes) -> np.ndarray:
        """Return the images, uint8 (N, H, W, C), of `codes`, float (N, K)."""
        return to_pixels(self._opened.decode(np.asarray(codes)))

    def reconstruct(
        self, source: data.Source, *, refine: int = 0, **reading: Any
    ) -> results.Reconstruction:
        """Return the reconstructions of all images of `source`; `refine` as for `encode`."""
        self._opened.saved.check_refinable(refine)
        stream = self._stream(source, **reading)
        return self._reconstruct(stream, refine=refine)

    def denoise(
        self, source: data.Source, *, add: str | None = None, seed: int = 0, **reading: Any
    ) -> results.Reconstruction:
        """Return all images of `source` without their noise.

        `add` puts noise on the images first, such as "gaussian:0.3", drawn from `seed`; the errors
        are those against the images before. Raises `AutoencodeError` where the model was trained
        without noise.
        """
        reconstruction.check(self._opened.saved, add)
        stream = self._stream(source, **reading)
        return self._reconstruct(stream, add=add, seed=seed)

    def sample(
        self, count: int = 64, *, seed: int = 0, source: data.Source | None = None
    ) -> results.Samples:
        """Return `count` new images, their codes drawn from `seed`.

        Those of a variational model are standard normal; others are drawn from Gaussians fitted to
        the codes of the training images of `source`, by default of what the model was trained on.
        """
        saved = self._opened.saved
        learnt = None
        if not saved.is_variational:
            learnt = saved.codes if source is None else None
            if learnt is None:
                stream = self._stream(self._own(source), part="train", most=KEPT_CODES)
                learnt = encoding.codes_of(self._opened, stream)
        codes = sampling.new_codes(self.code, count, seed, learnt)
        return results.Samples(self.decode(codes), codes)

    def interpolate(
        self,
        first: data.Source,
        last: data.Source,
        *,
        steps: int = 10,
        spherical: bool = False,
        **reading: Any,
    ) -> np.ndarray:
        """Return the way from one image to another, uint8 (steps, H, W, C), in equal steps of the code.

        `first` and `last` are a picture's path, an image (H, W) or (H, W, C), or a source of one image.
        `spherical` goes along the sphere, as suits variational models.
        """
        if spherical and self.settings and not self._opened.saved.is_variational:
            raise UsageError(f"spherical expects a variational model, and {self.name} is none.")
        codes = [self._one(end, reading) for end in (first, last)]
        return generation.walk(self._opened, *codes, steps=steps, spherical=spherical)

    def map(
        self, source: data.Source, *, method: str = "auto", **reading: Any
    ) -> results.Projection:
        """Return where the code of every image lies on a plane, by `method`: pca, umap or auto.

        auto takes a code of two numbers as it is, else UMAP where it is installed, else PCA.
        """
        projection.check(method)
        stream = self._stream(source, **reading)
        _, chosen, plane = projection.project(self._opened, stream, method)
        return results.Projection(points=plane.points, method=chosen, **results.rows_of(stream))

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
        ranking.check(false_alarms)
        config = self._config(reading)
        known = data.open_dataset(self._own(normal), config)
        alarm = ranking.learn(self._opened, known, false_alarms, config=config)
        stream = self._stream(source, part=part, **reading)
        found = ranking.score_images(self._opened, stream, alarm)
        return results.AnomalyRanking(
            scores=found["score"],
            errors=found["error"],
            distances=found["distance"],
            threshold=alarm.threshold,
            description=alarm.describe(false_alarms),
            **results.rows_of(stream),
        )

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
        try:
            from sklearn.neighbors import NearestNeighbors
        except ImportError:
            raise AutoencodeError(
                "similar needs scikit-learn; install it with: pip install 'autoencode[sklearn]'"
            ) from None
        searched = self.encode(self._own(among), **reading)
        if not 1 <= count <= len(searched):
            raise UsageError(f"count must lie from 1 to {len(searched):,}, received {count}.")
        asked = self.encode(source, part=part, **reading)
        neighbours = NearestNeighbors(n_neighbors=count).fit(searched.values)
        distances, indices = neighbours.kneighbors(asked.values)
        found = tuple(tuple(searched.names[index] for index in row) for row in indices)
        return results.Similarity(
            indices=indices,
            distances=distances,
            found=found,
            names=asked.names,
            labels=asked.labels,
            classes=asked.classes,
            skipped=asked.skipped,
        )

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

    def _reconstruct(self, stream: Stream, **options: Any) -> results.Reconstruction:
        batches = reconstruction.redraw(self._opened, stream, **options)
        _, *made = zip(*batches, strict=True)
        inputs, images, errors = map(np.concatenate, made)
        return results.Reconstruction(
            images=images, errors=errors, inputs=inputs, **results.rows_of(stream)
        )

    def _one(self, image: data.Source, reading: dict[str, Any]) -> np.ndarray:
        """The code (K,) of a single image."""
        is_one = isinstance(image, np.ndarray) and image.shape in (self.shape, self.shape[:2])
        codes = self.encode(image[np.newaxis] if is_one else image, **reading).values
        if len(codes) != 1:
            raise UsageError(f"interpolate goes between single images, received {len(codes):,}.")
        return codes[0]

    def _own(self, source: data.Source | None) -> data.Source:
        if source is not None:
            return source
        return opening.own_source(self._opened.saved, None, "a source")
