"""A training of the command as an estimator: the model, settings and history of a run folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from autoencode import data
from autoencode.data import streaming
from autoencode.errors import AutoencodeError
from autoencode.estimator.checks import InvalidError
from autoencode.estimator.parameters import Parameters
from autoencode.estimator.scikit_learn import check_is_fitted
from autoencode.inference import anomalies, detection, saved_model
from autoencode.inference.saved_model import Saved
from autoencode.inference.trained import KEPT_CODES, Trained
from autoencode.runs import MODEL, RECORD

HISTORY = ("loss", "seconds", "val_loss")


def find_run_folder(path: Path) -> Path | None:
    """Return the run folder that `path` is, or whose model it is; None for any other file."""
    if path.is_dir():
        return path
    is_of_run = path.name == MODEL and (path.parent / RECORD).is_file()
    return path.parent if is_of_run else None


def describe_run(saved: Saved, model: Trained) -> dict[str, Any]:
    """Return the attributes of a fitted estimator by name, but for what needs training images.

    Grey images have rows (H, W), others (H, W, C). Values are read as in the training, by the type
    that they are stored as, and images are returned as pixels, uint8.
    """
    height, width, channels = model.shape
    run = saved.run
    scale = saved.scale
    # The path is that of a run folder, and then both are known.
    assert run is not None
    assert scale is not None
    metrics = run.metrics()
    return {
        "image_shape_": list(model.shape),
        "rows_shape_": [height, width] if channels == 1 else list(model.shape),
        "takes_pixels_": True,
        "pixel_range_": [0, 255],
        "n_features_in_": height,
        "_n_features_out": model.code,
        "history_": {name: [line[name] for line in metrics] for name in HISTORY},
        "_ranges": scale.record(),
        "_run_folder": str(saved.file.parent.resolve()),
    }


def measure_training_images(saved: Saved, model: Trained) -> tuple[np.ndarray, np.ndarray]:
    """Return codes, float32 (N, K), and relative errors, float64 (N,), of a run's training images.

    At most 10,000, spread evenly; where one of several classes is called good, normal or ok, those
    of it alone, as for `Model.anomalies`. Raises `InvalidError` where the images are not there.
    """
    try:
        source = saved_model.find_source(saved, None)
    except AutoencodeError as error:
        raise InvalidError(
            "score_samples, predict, offset_ and sample need the images that "
            f"{saved.name} was trained on, which are not here: bring them back, or fit again."
        ) from error

    dataset = data.open_dataset(source, saved.data_config())
    _, normal = detection.find_normal_images(dataset)
    stream = streaming.stream(
        dataset,
        model.shape,
        saved.data_config(),
        part="train",
        scale=saved.scale,
        among=normal,
        most=KEPT_CODES,
    )
    codes = []
    errors = []
    for images in stream.batches(model.batch_size):
        codes.append(model.encode(images))
        errors.append(anomalies.relative_errors(images, model.decode(codes[-1])))
    return np.concatenate(codes), np.concatenate(errors)


class RunFolderMixin(Parameters):
    """An estimator with the model of a run folder, whose training images are read when needed."""

    # How values of each type are read, see `Layout`, and where the training images are found.
    _ranges: dict[str, list[float]] | None = None
    _run_folder: str | None = None

    # The parameters that the model was fitted with.
    _fitted: dict[str, Any]

    def _take_model(self, model: Any) -> None:
        self.model_ = model
        self._trained = Trained(model)

    def _learn_normality(self, codes: np.ndarray) -> None:
        self._codes = codes
        self._normality = anomalies.Normality(codes)

    def _open_run(self, folder: Path) -> Self:
        """Take the model and the settings of a run; raise `AutoencodeError` where it has none."""
        saved = saved_model.find_model(folder)
        opened = saved_model.open_model(saved)
        names = self.get_params().keys() & saved.settings.keys()
        self.__init__(**{name: saved.settings[name] for name in names})
        self._fitted = self._plain_parameters()
        self._take_model(opened.trained.model)
        self.__dict__.update(describe_run(saved, self._trained))
        return self

    def _learn_from_run(self) -> None:
        """Set `offset_` and where normal codes lie from the training images of the run."""
        check_is_fitted(self)
        if self._run_folder is None:
            raise InvalidError("this estimator holds no codes of training images: fit it again.")
        saved = saved_model.find_model(self._run_folder)
        codes, errors = measure_training_images(saved, self._trained)
        self._learn_normality(codes)
        scores = -errors * (1 + self._normality.distances(codes))
        self.offset_ = float(np.quantile(scores, float(self._fitted["contamination"])))

    # `fit` sets these three; of a run folder, they are computed when they are first used.

    @cached_property
    def offset_(self) -> float:
        """The score below which a row is an outlier."""
        self._learn_from_run()
        return self.__dict__["offset_"]

    @cached_property
    def _codes(self) -> np.ndarray:
        self._learn_from_run()
        return self.__dict__["_codes"]

    @cached_property
    def _normality(self) -> anomalies.Normality:
        self._learn_from_run()
        return self.__dict__["_normality"]
