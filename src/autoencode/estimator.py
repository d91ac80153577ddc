"""The scikit-learn door: an autoencoder as transformer and outlier detector. Knows arrays, no file but the one it saves."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from autoencode import engines, models, pipeline
from autoencode.config import Config
from autoencode.errors import AutoencodeError, reason
from autoencode.images import Images, evenly, to_pixels
from autoencode.inference import anomalies, keras_file, sampling, trained
from autoencode.runs.recorder import memory_told
from autoencode.training import Epoch, train

try:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        OutlierMixin,
        TransformerMixin,
    )
    from sklearn.utils import check_array
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise AutoencodeError(
        "autoencode.Autoencoder needs scikit-learn; install it with: pip install 'autoencode[sklearn]'"
    ) from None

STATE = (
    "image_shape_", "pixel_range_", "takes_pixels_", "rows_shape_", "n_features_in_", "_n_features_out", "offset_",
    "history_",
)  # fmt: skip
# The part of a range that values must fill to be read on that range, and not on their own.
FILLED = 0.1
# How far rounding may carry floats in [0, 1] beyond it.
TOLERANCE = 1e-3
BLOCK_VALUES = 2**22
MADE = ("model_", "_trained", "_codes", "_normality")  # out of the bytes of a .keras file
MOST_SEED = 2**32 - 1


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OutlierMixin, BaseEstimator):
    """An autoencoder as a scikit-learn estimator: codes by `transform`, outliers by `predict`.

    Images have the shape (N, H, W), (N, H, W, C) with C 1 or 3, or (N, F): then `image_shape`,
    (H, W) or (H, W, C), says how the F features lie, and without it they are a row of F pixels.
    Inside, a pixel has 256 levels.

    `fit` chooses one range of values for all training rows, stored in `pixel_range_`; later rows
    are read on the same range. Images (N, H, W) or (N, H, W, C) are read

    - on [0, 1]: booleans, and floats within it, give or take 0.001, which is clipped;
    - on [0, 255]: integers within it;
    - on [0, 65535]: uint16 beyond 255;
    - from their own least to their own largest value: all others, such as floats up to 255 or
      negative values, and those above, except booleans, that fill less than a tenth of their
      range, such as 0 to 16 as uint8.

    Rows (N, F) are pixels where they are uint8, booleans or floats in [0, 1]; any others are read
    from their own least to their own largest value.

    Of later rows, `takes_pixels_` says what they mean. True, after [0, 1] or [0, 255]: integers
    are pixels up to 255 and floats pixels up to 1, whatever `fit` saw. False: a value is a value,
    and 3 means 3 in every dtype; values outside `pixel_range_` are clipped to it. Floats (N, F)
    beyond [0, 1], as a scaler makes them of rows that it was not fitted on, are clipped if `fit`
    saw floats in [0, 1].

    `contamination` is the share of training rows that `predict` calls outliers. The other parameters are those of
    `Config`, by name and default; `batch_size` is cut to the number of rows, and by one where a last row would be alone in
    the batch that it is normalised over.

    After `fit`: `history_`, a dict of lists with an entry an epoch (`loss`, `seconds`); `model_`,
    the plain Keras model; `offset_`, the score below which a row is an outlier; `image_shape_`;
    `takes_pixels_`, whether the dtype of later rows says what black and white are; `pixel_range_`,
    the values that are black and white in what is returned; `n_features_in_`; `feature_names_in_`
    where columns had names.

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
        dropout: float | str = Config.dropout,
        holdout: float | str = Config.holdout,
        time: str = Config.time,
        epochs: int | str = Config.epochs,
        batch_size: int | str = Config.batch_size,
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
        self.dropout = dropout
        self.holdout = holdout
        self.time = time
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
        with _told_in_python():
            self._check_own()
            rows = self._validated(X, reset=True)
            self.image_shape_, self.takes_pixels_, self.pixel_range_ = self._layout(rows)
            self.rows_shape_ = list(rows.shape[1:])
            self._fit(self._to_images(rows))
        return self

    def _fit(self, pixels: np.ndarray) -> None:
        images = Images("X", pixels, pixels[:1])
        _, name = pipeline.check(images, self._config())
        images, config = pipeline.fit(images, self._config(), cut_batches=True)
        with memory_told(config):
            engine = pipeline.start(name, images, config)
            if config.time != "auto":
                engine, images, config = pipeline.fit_time(name, engine, images, config)
            self._train(engine, images, config)
        self._learn_normality(self._trained.encode(pixels[evenly(len(pixels), trained.KEPT_CODES)]))
        self._fitted = self._parameters()
        self._n_features_out = config.code
        self.offset_ = float(
            np.quantile(-self._normality.scores(self._trained, pixels), float(self.contamination))
        )

    def _train(self, engine: engines.Engine, images: Images, config: Config) -> None:
        self.history_ = {"loss": [], "seconds": []}
        for event in train(engine, images, config):
            if isinstance(event, Epoch):
                self.history_["loss"].append(event.loss)
                self.history_["seconds"].append(event.seconds)
        self._take(models.unshared(engine.model))

    def transform(self, X: Any, refine: int = 0) -> np.ndarray:
        """Return the codes of X, float32 (N, code).

        `refine` steps of gradient descent on each row's own error follow the encoder's code, see `autoencode.inference.refinement`.
        Raises `InvalidError` where the codes are quantized, and cannot be moved a little.
        """
        return self._codes_of(X, refine)

    def _codes_of(self, X: Any, refine: int) -> np.ndarray:
        model = self._trained_now()
        _check_whole("refine", refine, 0, 10_000)
        if refine and self._fitted["quantize"] is not None:
            raise InvalidError(
                "refine moves codes a little, and those of a quantized model have few values: leave it out."
            )
        return model.encode(self._images(X), int(refine))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the pictures of codes (N, code), in the shape and range that the training images had."""
        model = self._trained_now()
        with _told_in_python():
            return self._from_floats(
                model.decode(check_array(X, dtype=np.float32, input_name="codes"))
            )

    def reconstruct(self, X: Any, refine: int = 0) -> np.ndarray:
        """Return what the model makes of X, in the shape and range that the training images had; `refine` as in `transform`."""
        model = self._trained_now()
        return self._from_floats(model.decode(self._codes_of(X, refine)))

    def denoise(self, X: Any) -> np.ndarray:
        """Return X without noise: its reconstruction by a model that was trained with `noise`.

        Raises `InvalidError` where the model was trained without.
        """
        check_is_fitted(self)
        if self._fitted["noise"] == "none":
            raise InvalidError(
                "denoise expects a model trained with noise: fit one with noise='gaussian:0.3', say."
            )
        return self.reconstruct(X)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the negative anomaly score of each row, float (N,): higher is more normal.

        It holds the error of the reconstruction and the distance of the code, see `autoencode.inference.anomalies`.
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
        `seed` is by default the one of `fit`.
        """
        model = self._trained_now()
        seed = self._fitted["seed"] if seed is None else seed
        _check_whole("n_samples", n_samples, 1, 2**31 - 1)
        _check_whole("seed", seed, 0, MOST_SEED)
        learnt = self._codes if self._fitted["variational"] is None else None
        with _told_in_python():
            return self._from_floats(
                model.decode(sampling.new_codes(model.code, int(n_samples), int(seed), learnt))
            )

    def save(self, path: str | Path) -> None:
        """Write the model and the parameters that it was fitted with as one .keras file, which plain Keras opens too."""
        check_is_fitted(self)
        keras_file.write_model(self.model_, Path(path), self._notes())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the estimator that `save` wrote; nothing in the file is run.

        Raises `AutoencodeError` where the file is none of these or is damaged.
        """
        engines.load(engines.choose("auto"))
        model, notes = keras_file.read_model(Path(path))
        return cls()._restore(model, notes, str(path))

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickle stores: the model as the bytes of a .keras file, and all else as it is."""
        state = super().__getstate__()
        if "model_" not in self.__dict__:
            return state
        kept = {name: value for name, value in state.items() if name not in MADE}
        return kept | {"keras_file": keras_file.model_bytes(self.model_, self._notes())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take back what `__getstate__` gave."""
        if "keras_file" in state:
            engines.load(engines.choose("auto"))
            self._restore(*keras_file.model_from(state["keras_file"]), "the pickle")
        super().__setstate__({name: value for name, value in state.items() if name != "keras_file"})

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

    def _parameters(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in self.get_params().items()}

    def _config(self) -> Config:
        names = {field.name for field in dataclasses.fields(Config)}
        return Config(
            **{name: value for name, value in self._parameters().items() if name in names}
        )

    def _check_own(self) -> None:
        """Raise `InvalidError` for a parameter that is off and that `Config` does not know."""
        share, shape = self.contamination, self.image_shape
        if isinstance(share, bool) or not isinstance(share, numbers.Real) or not 0 < share <= 0.5:
            raise InvalidError(
                f"contamination must be above 0 and at most 0.5, received {share!r}."
            )
        if shape is None:
            return
        sizes = _plain(shape)
        whole = isinstance(sizes, list) and all(type(size) is int and size > 0 for size in sizes)
        if not whole or len(sizes) not in (2, 3) or sizes[2:] not in ([], [1], [3]):
            raise InvalidError(
                "image_shape must be (H, W) or (H, W, C), whole numbers above 0 and C 1 or 3, "
                f"received {shape!r}{_channels_first_advice(sizes)}."
            )

    def _notes(self) -> dict[str, Any]:
        names = getattr(self, "feature_names_in_", None)
        return {
            "parameters": self._fitted,
            "state": {name: getattr(self, name) for name in STATE},
            "names": None if names is None else names.tolist(),
            "codes": self._codes.tolist(),
        }

    def _restore(self, model: Any, notes: dict[str, Any], where: str) -> Self:
        try:
            self.__init__(**notes["parameters"])
            if self.image_shape is not None:
                self.image_shape = tuple(self.image_shape)
            self._fitted = notes["parameters"]
            self.__dict__.update({name: notes["state"][name] for name in STATE})
            self._learn_normality(np.array(notes["codes"], np.float32))
            if notes["names"] is not None:
                self.feature_names_in_ = np.array(notes["names"], object)
        except (KeyError, TypeError, ValueError) as error:
            raise AutoencodeError(
                f"{where} holds a model, but not one that Autoencoder.save wrote."
            ) from error
        self._take(model)
        return self

    def _validated(self, X: Any, *, reset: bool) -> np.ndarray:
        with _told_in_python():
            _check_one_shape(X)
            rows = check_array(X, dtype="numeric", allow_nd=True, estimator=self, input_name="X")
            if not reset:
                self._check_shape(rows)
            # The names of columns, and how many.
            validate_data(self, X, reset=reset, skip_check_array=True)
        return rows

    def _check_shape(self, rows: np.ndarray) -> None:
        # Then scikit-learn tells, in the words it checks for.
        flat = rows.ndim == 2 and len(self.rows_shape_) == 1
        if not flat and list(rows.shape[1:]) != self.rows_shape_:
            expected = ", ".join(map(str, self.rows_shape_))
            raise InvalidError(
                f"X: expected rows of shape (N, {expected}), as in fit, received {rows.shape}."
            )

    def _layout(self, rows: np.ndarray) -> tuple[list[int], bool, list[float]]:
        """The shape of an image (H, W, C), whether rows are pixels, and the values that are black and white."""
        shape = self._image_shape(rows)
        least, largest = float(rows.min()), float(rows.max())
        known = _known_range(rows.dtype, least, largest, images=rows.ndim > 2)

        if known is not None:
            return shape, known[1] <= 255, known
        if not math.isfinite(largest - least):
            raise InvalidError(
                "X: expected values of a finite range, "
                f"received {least:.9g} to {largest:.9g}: scale them."
            )
        return shape, False, [least, largest if largest > least else least + max(1.0, abs(least))]

    def _image_shape(self, rows: np.ndarray) -> list[int]:
        """The shape of an image, (H, W, C), of training rows."""
        given = _plain(self.image_shape)
        if rows.ndim > 2:
            _check_channels(rows.shape)
            shape = list(rows.shape[1:]) if rows.ndim > 3 else [*rows.shape[1:], 1]
        else:
            shape = given or [1, rows.shape[1]]
            shape = shape if len(shape) == 3 else [*shape, 1]
        fits = given is None or (given if len(given) == 3 else [*given, 1]) == shape
        if not fits or math.prod(shape) != math.prod(rows.shape[1:]):
            raise InvalidError(
                f"X: expected rows that fit image_shape {self.image_shape}, received {rows.shape}: "
                "correct image_shape, or leave it out."
            )
        return shape

    def _images(self, X: Any) -> np.ndarray:
        return self._to_images(self._validated(X, reset=False))

    def _to_images(self, rows: np.ndarray) -> np.ndarray:
        least, largest = self.pixel_range_
        shape = (-1, *self.image_shape_)
        if not self.takes_pixels_:
            return _scaled(rows, least, largest).reshape(shape)

        if rows.ndim == 2 and rows.dtype.kind == "f" and largest == 1:
            rows = rows.clip(0, 1)
        return _pixels(rows).reshape(shape)

    def _from_floats(self, images: np.ndarray) -> np.ndarray:
        images = images.reshape(-1, *self.rows_shape_)
        least, largest = self.pixel_range_
        if self.takes_pixels_ and largest == 255:
            return to_pixels(images)
        return images * (largest - least) + least


class InvalidError(AutoencodeError, ValueError):
    """Data or a parameter that is off, as scikit-learn expects it to be told."""


@contextmanager
def _told_in_python() -> Iterator[None]:
    """Raise what the caller can mend as an `InvalidError`."""
    try:
        yield
    except InvalidError:
        raise
    except AutoencodeError as error:
        line = str(error)
        for told in (
            " Earlier epochs are kept.",
            " What was written before is intact.",
        ):  # of a run folder
            line = line.removesuffix(told)
        raise InvalidError(line) from error
    except ValueError as error:
        if str(error).startswith(
            "The feature names"
        ):  # scikit-learn compares these several lines word for word
            raise
        raise InvalidError(reason(error)) from error


def _check_whole(name: str, value: Any, least: int, most: int) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Integral)
        or not least <= value <= most
    ):
        raise InvalidError(
            f"{name} must be a whole number from {least} to {most}, received {value!r}."
        )


def _channels_first_advice(sizes: Any) -> str:
    """What to type where `image_shape` is (C, H, W), else nothing."""
    if not isinstance(sizes, list) or len(sizes) != 3 or sizes[0] not in (1, 3):
        return ""
    if not all(type(size) is int and size > 0 for size in sizes):
        return ""
    shape = ", ".join(map(str, sizes))
    return f": pass X.reshape(-1, {shape}).transpose(0, 2, 3, 1) as X and leave image_shape out"


def _known_range(
    dtype: np.dtype, least: float, largest: float, *, images: bool
) -> list[float] | None:
    """The range that values from `least` to `largest` are read on, or None where that is their own.

    Of `images`, values must fill a part of the range; a single value says nothing, and fills any.
    """
    if dtype == bool:
        return [0, 1]
    if not images:
        if dtype == np.uint8:
            return [0, 255]
        return [0, 1] if dtype.kind == "f" and 0 <= least and largest <= 1 else None

    top, tolerance = (1, TOLERANCE) if dtype.kind == "f" else (255, 0)
    if dtype == np.uint16 and largest > 255:
        top = 65535
    within = -tolerance <= least and largest <= top + tolerance
    filled = least == largest or largest - least >= FILLED * top
    return [0, top] if within and filled else None


def _check_one_shape(X: Any) -> None:
    """Raise `InvalidError` for arrays of several shapes, or for an array of arrays."""
    is_list = isinstance(X, (list, tuple))
    is_nested = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    if not (is_list or is_nested) or not all(isinstance(row, np.ndarray) for row in X):
        return
    shapes = list(dict.fromkeys(row.shape for row in X))
    if len(shapes) > 1:
        raise InvalidError(
            f"X: expected rows of one shape, received {shapes[0]} and {shapes[1]}: "
            "resize the images to one size."
        )
    if is_nested and shapes:
        raise InvalidError(
            f"X: expected one array of numbers, received an array of {len(X)} arrays: "
            "pass np.stack(X)."
        )


def _check_channels(shape: tuple[int, ...]) -> None:
    """Raise `InvalidError` unless `shape` is (N, H, W), or (N, H, W, C) with C 1 or 3."""
    if len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3)):
        return
    as_rows = "pass rows of features with X.reshape(len(X), -1)"
    if len(shape) == 4 and shape[1] in (1, 3):
        advice = "move the channels last with X.transpose(0, 2, 3, 1)"
    elif len(shape) == 4 and shape[3] == 4:
        advice = "drop the alpha channel with X[..., :3], or lay the images on white first"
    elif len(shape) == 4 and shape[1] == 4:
        advice = "move the channels last and drop alpha with X.transpose(0, 2, 3, 1)[..., :3]"
    elif len(shape) == 4:
        advice = f"choose one channel with X[..., :1], or {as_rows}"
    else:
        advice = as_rows
    raise InvalidError(
        f"X: expected (N, F), (N, H, W), or (N, H, W, C) with C 1 or 3, received {shape}: {advice}."
    )


def _scaled(rows: np.ndarray, least: float, largest: float) -> np.ndarray:
    """Rows as uint8 of their shape, `least` as 0 and `largest` as 255; what lies beyond is clipped.

    In float64, where numbers of every dtype are what they are, and in blocks, so that no such copy
    of all exists.
    """
    pixels = np.empty(rows.shape, np.uint8)
    size = max(1, BLOCK_VALUES // max(1, rows[0].size))
    for first in range(0, len(rows), size):
        block = rows[first : first + size].astype(np.float64, copy=False)
        pixels[first : first + size] = to_pixels((block - least) / (largest - least))
    return pixels


def _pixels(rows: np.ndarray) -> np.ndarray:
    """Rows of pixels as uint8 of their shape: integers up to 255, or booleans or floats up to 1.

    Raises `InvalidError` for values beyond that by more than what rounding does.
    """
    if rows.dtype == np.uint8:
        return np.ascontiguousarray(rows)
    if rows.dtype == bool:
        return rows.astype(np.uint8) * np.uint8(255)

    least, largest = float(rows.min()), float(rows.max())
    top, tolerance = (1, TOLERANCE) if rows.dtype.kind == "f" else (255, 0)
    if least < -tolerance or largest > top + tolerance:
        advice = _pixel_advice(rows.dtype, least, largest)
        raise InvalidError(
            "X: expected pixels as in fit, floats in [0, 1] or integers from 0 to 255, "
            f"received {rows.dtype} from {least:.9g} to {largest:.9g}: {advice}."
        )
    return to_pixels(rows) if rows.dtype.kind == "f" else rows.astype(np.uint8)


def _pixel_advice(dtype: np.dtype, least: float, largest: float) -> str:
    if least < 0:
        return "scale them as the images in fit were"
    if dtype.kind == "f" and largest <= 255 + TOLERANCE:
        return "divide by 255 if white is 255"
    if dtype == np.uint16:
        return "divide by the value of white, 65535 if they fill 16 bits"
    return "divide by the value of white"


def _plain(value: Any) -> Any:
    """A NumPy number or array, as a search over parameters hands it in, or a tuple, as Python's own and JSON's."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return [_plain(one) for one in value] if isinstance(value, (tuple, list)) else value
