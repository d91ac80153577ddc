"""The scikit-learn door: an autoencoder as transformer and outlier detector. Knows arrays, no file but the one it saves."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, Self

import numpy as np

from autoencode import anomalies, engines, models, pipeline, trained
from autoencode.config import Config
from autoencode.errors import AutoencodeError
from autoencode.images import Images, to_pixels
from autoencode.sources import arrays, loading
from autoencode.training import Epoch, train

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
    from sklearn.utils import check_array
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise AutoencodeError(
        "autoencode.Autoencoder needs scikit-learn; install it with: pip install 'autoencode[sklearn]'"
    ) from None

STATE = ("image_shape_", "pixel_range_", "rows_shape_", "n_features_in_", "_n_features_out", "offset_", "history_")


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OutlierMixin, BaseEstimator):
    """An autoencoder as a scikit-learn estimator: codes by `transform`, outliers by `predict`.

    Images are uint8 or floats in [0, 1], of shape (N, H, W), (N, H, W, C) with C 1 or 3, or (N, F): then `image_shape`,
    (H, W) or (H, W, C), says how the F features lie, and without it they are a row of F pixels. Features (N, F) of another
    range, such as floats up to 255, are scaled by the least and largest value of the training rows. Inside, a pixel has 256 levels.

    `contamination` is the share of training rows that `predict` calls outliers. The other parameters are those of
    `Config`, by name and default; `batch_size` is cut to the number of rows.

    After `fit`: `history_`, a dict of lists with an entry an epoch (`loss`, `seconds`); `model_`, the plain Keras model;
    `offset_`, the score below which a row is an outlier; `n_features_in_`; `feature_names_in_` where columns had names.

    Raises `InvalidError`, which is an `AutoencodeError` and a `ValueError`, for data or parameters that are off.

    >>> codes = Autoencoder(code=2, epochs=1).fit_transform(np.zeros((64, 8, 8), "uint8"))  # doctest: +SKIP
    >>> codes.shape  # doctest: +SKIP
    (64, 2)
    """

    def __init__(
        self,
        code: int = Config.code,
        *,
        model: str = Config.model,
        width: float = Config.width,
        quantize: int | None = Config.quantize,
        variational: float | None = Config.variational,
        warm_up: float = Config.warm_up,
        free_bits: float = Config.free_bits,
        sparsity: float = Config.sparsity,
        noise: str = Config.noise,
        augment: str = Config.augment,
        loss: str = Config.loss,
        engine: str = Config.engine,
        epochs: int = Config.epochs,
        batch_size: int = Config.batch_size,
        optimizer: str = Config.optimizer,
        learning_rate: float | str = Config.learning_rate,
        schedule: str = Config.schedule,
        weight_decay: float = Config.weight_decay,
        precision: str = Config.precision,
        seed: int = Config.seed,
        image_shape: tuple[int, ...] | None = None,
        contamination: float = 0.1,
    ) -> None:
        self.code = code
        self.model = model
        self.width = width
        self.quantize = quantize
        self.variational = variational
        self.warm_up = warm_up
        self.free_bits = free_bits
        self.sparsity = sparsity
        self.noise = noise
        self.augment = augment
        self.loss = loss
        self.engine = engine
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.precision = precision
        self.seed = seed
        self.image_shape = image_shape
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on X and return self; y is ignored."""
        if not (isinstance(self.contamination, (int, float)) and 0 < self.contamination <= 0.5):
            raise InvalidError(f"contamination must be above 0 and at most 0.5, received {self.contamination!r}.")
        rows = self._validated(X, reset=True)
        self.image_shape_, self.pixel_range_ = self._layout(rows)
        self.rows_shape_ = list(rows.shape[1:])
        pixels = self._to_images(rows)
        images, config = Images("X", pixels, pixels[:1]), self._config(len(pixels))
        _, name = pipeline.check(images, config)
        engine = pipeline.start(name, images, config)
        self.history_ = {"loss": [], "seconds": []}
        for event in train(engine, images, config):
            if isinstance(event, Epoch):
                self.history_["loss"].append(event.loss)
                self.history_["seconds"].append(event.seconds)
        self._take(models.unshared(engine.model))
        self._learn_normality(self._trained.encode(pixels[loading.evenly(len(pixels), trained.KEPT_CODES)]))
        self._n_features_out = config.code
        self.offset_ = float(np.quantile(-self._normality.scores(self._trained, pixels), self.contamination))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of X, float32 (N, code)."""
        return self._trained_now().encode(self._images(X))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the pictures of codes (N, code), in the shape and range that the training images had."""
        model = self._trained_now()
        codes = check_array(X, dtype=np.float32)
        return self._from_floats(model.decode(codes))

    def reconstruct(self, X: Any) -> np.ndarray:
        """Return what the model makes of X, in the shape and range that the training images had."""
        model = self._trained_now()
        return self._from_floats(model.decode(model.encode(self._images(X))))

    def denoise(self, X: Any) -> np.ndarray:
        """Return X without noise: its reconstruction by a model that was trained with `noise`.

        Raises `InvalidError` where the model was trained without.
        """
        check_is_fitted(self)
        if self.noise == "none":
            raise InvalidError("denoise expects a model trained with noise: fit one with noise='gaussian:0.3', say.")
        return self.reconstruct(X)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the negative anomaly score of each row, float (N,): higher is more normal.

        It holds the error of the reconstruction and the distance of the code, see `autoencode.anomalies`.
        """
        model = self._trained_now()
        return -self._normality.scores(model, self._images(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the negative mean squared error of the reconstructions, pixels in [0, 1]: higher is better, 0 is perfect.

        y is ignored.
        """
        return -float(self._trained_now().errors(self._images(X)).mean(dtype=np.float64))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return `score_samples(X) - offset_`: negative for outliers, float (N,)."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return +1 for rows like those trained on and -1 for outliers, int (N,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def sample(self, n_samples: int = 1, seed: int | None = None) -> np.ndarray:
        """Return new pictures, in the shape and range that the training images had.

        A variational model decodes normal noise; any other draws codes from ten Gaussians fitted to the training codes.
        `seed` is the estimator's own by default.
        """
        model = self._trained_now()
        seed = self.seed if seed is None else seed
        learnt = self._codes if self.variational is None else None
        return self._from_floats(model.decode(trained.new_codes(model.code, n_samples, seed, learnt)))

    def save(self, path: str | Path) -> None:
        """Write parameters and model as one .keras file, which plain Keras opens too."""
        check_is_fitted(self)
        trained.write_model(self.model_, Path(path), self._notes())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the estimator that `save` wrote; nothing in the file is run.

        Raises `AutoencodeError` where the file is none of these or is damaged.
        """
        engines.load(engines.choose("auto"))
        model, notes = trained.read_model(Path(path))
        return cls()._restore(model, notes, str(path))

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickle stores: the model as the bytes of a .keras file."""
        if "model_" not in self.__dict__:
            return super().__getstate__()
        return {"keras_file": trained.model_bytes(self.model_, self._notes())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take back what `__getstate__` gave."""
        if "keras_file" not in state:
            super().__setstate__(state)
            return
        engines.load(engines.choose("auto"))
        self._restore(*trained.model_from(state["keras_file"]), "the pickle")

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` has been called."""
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of every estimator: this one takes images as well as rows."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _take(self, model: Any) -> None:
        self.model_, self._trained = model, trained.Trained(model)

    def _learn_normality(self, codes: np.ndarray) -> None:
        self._codes, self._normality = codes, anomalies.Normality(codes)

    def _trained_now(self) -> trained.Trained:
        check_is_fitted(self)
        return self._trained

    def _config(self, count: int) -> Config:
        names = {field.name for field in dataclasses.fields(Config)} & self.get_params().keys()
        given = {name: _plain(getattr(self, name)) for name in names}
        config = pipeline.resolve(Config(**given))
        return dataclasses.replace(config, batch_size=min(config.batch_size, count))

    def _notes(self) -> dict[str, Any]:
        parameters = {name: _plain(value) for name, value in self.get_params().items()}
        state = {name: getattr(self, name) for name in STATE}
        names = getattr(self, "feature_names_in_", None)
        return {
            "parameters": parameters,
            "state": state,
            "names": None if names is None else names.tolist(),
            "codes": self._codes.tolist(),
        }

    def _restore(self, model: Any, notes: dict[str, Any], where: str) -> Self:
        try:
            self.__init__(**notes["parameters"])
            if self.image_shape is not None:
                self.image_shape = tuple(self.image_shape)
            self.__dict__.update({name: notes["state"][name] for name in STATE})
            self._learn_normality(np.array(notes["codes"], np.float32))
            if notes["names"] is not None:
                self.feature_names_in_ = np.array(notes["names"], object)
        except (KeyError, TypeError, ValueError) as error:
            raise AutoencodeError(f"{where} holds a model, but not one that Autoencoder.save wrote.") from error
        self._take(model)
        return self

    def _validated(self, X: Any, *, reset: bool) -> np.ndarray:
        rows = validate_data(self, X, reset=reset, dtype="numeric", allow_nd=True, ensure_min_samples=1)
        if not reset and list(rows.shape[1:]) != self.rows_shape_:
            expected = ", ".join(map(str, self.rows_shape_))
            raise InvalidError(f"expected rows of shape (N, {expected}), as in fit, received {rows.shape}.")
        return rows

    def _layout(self, rows: np.ndarray) -> tuple[list[int], list[float]]:
        """The shape of an image (H, W, C), and the values that are black and white."""
        if rows.ndim > 2:
            images = _pixels(rows[:1])
            return list(images.shape[1:]), [0, 255] if rows.dtype.kind in "ui" else [0, 1]
        shape = tuple(self.image_shape or (1, rows.shape[1]))
        shape = shape if len(shape) == 3 else (*shape, 1)
        if len(shape) != 3 or math.prod(shape) != rows.shape[1] or shape[2] not in (1, 3):
            raise InvalidError(
                f"expected rows of as many features as image_shape {self.image_shape} has pixels, received {rows.shape}."
            )
        if rows.dtype == np.uint8:
            return list(shape), [0, 255]
        least, largest = float(rows.min()), float(rows.max())
        if 0 <= least and largest <= 1:
            return list(shape), [0, 1]
        return list(shape), [least, largest if largest > least else least + 1]

    def _images(self, X: Any) -> np.ndarray:
        return self._to_images(self._validated(X, reset=False))

    def _to_images(self, rows: np.ndarray) -> np.ndarray:
        if rows.ndim > 2:
            return _pixels(rows)
        if rows.dtype == np.uint8:
            return rows.reshape(-1, *self.image_shape_)
        least, largest = self.pixel_range_
        return to_pixels((rows - least) / (largest - least)).reshape(-1, *self.image_shape_)

    def _from_floats(self, images: np.ndarray) -> np.ndarray:
        least, largest = self.pixel_range_
        images = images.reshape(-1, *self.rows_shape_)
        return to_pixels(images) if [least, largest] == [0, 255] else images * (largest - least) + least


class InvalidError(AutoencodeError, ValueError):
    """Data or a parameter that is off, as scikit-learn expects it to be told."""


def _pixels(rows: np.ndarray) -> np.ndarray:
    try:
        return arrays.pixels(rows, "X")
    except AutoencodeError as error:
        raise InvalidError(str(error)) from error


def _plain(value: Any) -> Any:
    """A NumPy number, as a search over parameters hands it in, as Python's own."""
    return value.item() if isinstance(value, np.generic) else list(value) if isinstance(value, tuple) else value
