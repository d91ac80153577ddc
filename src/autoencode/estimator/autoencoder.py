"""The estimator: scikit-learn's methods over the training and the use of a model."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from autoencode.data.scaling import Scale
from autoencode.estimator.checks import InvalidError, check_verbose, check_whole, raising_invalid
from autoencode.estimator.fitting import fit_model
from autoencode.estimator.inputs import Layout, check_one_shape, choose_layout
from autoencode.estimator.parameters import Parameters
from autoencode.estimator.run_folders import RunFolderMixin
from autoencode.estimator.saving import SavingMixin
from autoencode.estimator.scikit_learn import (
    ClassNamePrefixFeaturesOutMixin,
    OutlierMixin,
    TransformerMixin,
    check_array,
    check_is_fitted,
    validate_data,
)
from autoencode.images import evenly_spaced
from autoencode.inference import sampling, trained

MAX_SEED = 2**32 - 1


class Autoencoder(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    OutlierMixin,
    SavingMixin,
    RunFolderMixin,
    Parameters,
):
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

    `contamination` is the share of training rows that `predict` calls outliers. The other
    parameters are those of `Config`, by name and default; `batch_size` is cut to the number of
    rows, and by one where a last row would be alone in the batch that it is normalised over.

    After `fit`: `history_`, a dict of lists with an entry an epoch: `loss`, `seconds` and, where
    there is validation data or `holdout`, `val_loss`, the mean squared error of these, pixels in
    [0, 1]; `model_`, the plain Keras model, with the weights of the epoch that held-out rows chose,
    else of the last; `offset_`, the score below which a row is an outlier; `image_shape_`;
    `takes_pixels_`, whether the dtype of later rows says what black and white are; `pixel_range_`,
    the values that are black and white in what is returned; `n_features_in_`; `feature_names_in_`
    where columns had names.

    Raises `InvalidError`, an `AutoencodeError` and a `ValueError`, for data or parameters that are
    invalid.

    >>> model = Autoencoder(code=2, epochs=1)
    >>> model.fit_transform(np.zeros((64, 8, 8), "uint8")).shape  # doctest: +SKIP
    (64, 2)
    """

    # The name that pickles hold, whatever file of the package the class lies in.
    __module__ = "autoencode.estimator"

    def fit(self, X: Any, y: Any = None, *, validation_data: Any = None, verbose: int = 0) -> Self:
        """Train on X and return self; y is ignored.

        `validation_data` are rows like those of X, or (rows, y) as Keras takes them: their error
        after every epoch becomes the `val_loss` of `history_`, and they change nothing else. With
        `verbose=1` a bar and a line an epoch are shown, with 0 nothing.
        """
        with raising_invalid():
            self._check_own_parameters()
            check_verbose(verbose)
            rows = self._validated(X)
            layout = choose_layout(rows, self.image_shape)
            pixels = layout.to_images(rows)
            validation = self._validation_images(validation_data, layout)
            model, self.history_ = fit_model(
                pixels, self._config(), validation=validation, verbose=bool(verbose)
            )

            self.image_shape_ = layout.image_shape
            self.takes_pixels_ = layout.takes_pixels
            self.pixel_range_ = layout.pixel_range
            self.rows_shape_ = layout.rows_shape
            self._ranges = None
            self._run_folder = None
            self._fitted = self._plain_parameters()
            self._n_features_out = self._fitted["code"]
            self._take_model(model)

            kept = pixels[evenly_spaced(len(pixels), trained.KEPT_CODES)]
            self._learn_normality(self._trained.encode(kept))
            scores = -self._normality.scores(self._trained, pixels)
            self.offset_ = float(np.quantile(scores, float(self.contamination)))
        return self

    def transform(self, X: Any, refine: int = 0) -> np.ndarray:
        """Return the codes of X, float32 (N, code).

        `refine` steps of gradient descent on each row's own error follow the encoder's code, see
        `autoencode.inference.refinement`. Raises `InvalidError` where the codes are quantized:
        they have few values, and cannot be moved a little.
        """
        return self._codes_of(X, refine)

    def _codes_of(self, X: Any, refine: int) -> np.ndarray:
        # Not `transform`, whose result `set_output` may turn into a data frame.
        model = self._trained_model()
        check_whole("refine", refine, 0, 10_000)
        if refine and self._fitted["quantize"] is not None:
            raise InvalidError(
                "refine needs continuous codes, and those of a quantized model have few values: "
                "remove it."
            )
        return model.encode(self._images(X), int(refine))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the images of codes (N, code), in the shape and range of the training images."""
        model = self._trained_model()
        with raising_invalid():
            codes = check_array(X, dtype=np.float32, input_name="codes")
            return self._layout.to_rows(model.decode(codes))

    def reconstruct(self, X: Any, refine: int = 0) -> np.ndarray:
        """Return the reconstructions of X, in the shape and range of the training images.

        `refine` is as for `transform`.
        """
        model = self._trained_model()
        codes = self._codes_of(X, refine)
        return self._layout.to_rows(model.decode(codes))

    def denoise(self, X: Any) -> np.ndarray:
        """Return X without noise: its reconstruction by a model that was trained with `noise`.

        Raises `InvalidError` where the model was trained without.
        """
        check_is_fitted(self)
        if self._fitted["noise"] == "none":
            raise InvalidError(
                "denoise needs a model trained with noise: fit one with noise='gaussian:0.3'."
            )
        return self.reconstruct(X)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the negative anomaly score of each row, float (N,): higher is more normal.

        It combines the error of the reconstruction and the distance of the code, see
        `autoencode.inference.anomalies`.
        """
        model = self._trained_model()
        return -self._normality.scores(model, self._images(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the negative mean squared error of the reconstructions, pixels in [0, 1].

        Higher is better, 0 is perfect. y is ignored.
        """
        errors = self._trained_model().errors(self._images(X))
        return -float(errors.mean(dtype=np.float64))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return `score_samples(X) - offset_`: negative for outliers, float (N,)."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return +1 for rows like the training rows and -1 for outliers, int (N,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def sample(self, n_samples: int = 1, seed: int | None = None) -> np.ndarray:
        """Return new images, in the shape and range of the training images.

        A variational model decodes normal noise; any other draws codes from ten Gaussians fitted to
        the training codes. `seed` is by default the one of `fit`.
        """
        model = self._trained_model()
        chosen_seed: Any = self._fitted["seed"] if seed is None else seed
        check_whole("n_samples", n_samples, 1, 2**31 - 1)
        check_whole("seed", chosen_seed, 0, MAX_SEED)

        learnt = self._codes if self._fitted["variational"] is None else None
        with raising_invalid():
            codes = sampling.new_codes(model.code, int(n_samples), int(chosen_seed), learnt)
            return self._layout.to_rows(model.decode(codes))

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` has been called."""
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of every estimator: this one takes images and rows."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _layout(self) -> Layout:
        scale = None if self._ranges is None else Scale.from_record(self._ranges)
        return Layout(
            self.image_shape_, self.rows_shape_, self.takes_pixels_, self.pixel_range_, scale
        )

    def _trained_model(self) -> trained.Trained:
        check_is_fitted(self)
        return self._trained

    def _images(self, X: Any) -> np.ndarray:
        layout = self._layout
        return layout.to_images(self._validated(X, layout))

    def _validation_images(self, validation_data: Any, layout: Layout) -> np.ndarray | None:
        """The images, uint8 (M, H, W, C), of `validation_data`, if any."""
        if validation_data is None:
            return None
        is_pair = isinstance(validation_data, tuple) and len(validation_data) == 2
        rows = validation_data[0] if is_pair else validation_data
        name = "validation_data"
        return layout.to_images(self._validated(rows, layout, name), name)

    def _validated(self, X: Any, layout: Layout | None = None, name: str = "X") -> np.ndarray:
        """The argument `name` as an array of numbers, of rows of `layout`.

        Without a layout, in `fit`, its columns become those that later rows must have.
        """
        with raising_invalid():
            check_one_shape(X, name)
            rows = check_array(X, dtype="numeric", allow_nd=True, estimator=self, input_name=name)
            if layout is not None:
                layout.check_rows(rows, name)
            # The names of columns, and how many.
            validate_data(self, X, reset=layout is None, skip_check_array=True)
        return rows
