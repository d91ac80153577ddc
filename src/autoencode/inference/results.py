"""What a trained model returns in Python: frozen values, one row an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode import metrics
from autoencode.errors import AutoencodeError
from autoencode.images import Skipped
from autoencode.plots.charts import UNLABELLED

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What is known of the images of a result: a name each, and a label where the source has any.

    `labels` are int32 (N,), indices into `classes`, below 0 for unlabelled images, or None.
    `skipped` are the images that could not be read, which have no row.
    """

    names: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def label_names(self) -> list[str] | None:
        """The name of each image's class, None where the source has no labels."""
        if self.labels is None:
            return None
        return name_labels(self.labels, self.classes)

    def _columns(self) -> dict[str, Any]:
        columns = {"name": list(self.names)}
        if self.labels is not None:
            columns["label"] = self.label_names
        return columns

    def _to_pandas(self, columns: dict[str, Any]) -> pandas.DataFrame:
        try:
            import pandas
        except ImportError:
            raise AutoencodeError(
                "to_pandas needs pandas; install it with: pip install pandas"
            ) from None
        return pandas.DataFrame(self._columns() | columns)


@dataclass(frozen=True, kw_only=True, eq=False)
class Codes(Rows):
    """The codes of images: `values`, float32 (N, K)."""

    values: np.ndarray

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype, copy=copy) if copy else np.asarray(self.values, dtype)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table with the columns `name`, `label` where there are any, `code0`, `code1`, ..."""
        return self._to_pandas(
            {f"code{number}": column for number, column in enumerate(self.values.T)}
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconstruction(Rows):
    """Reconstructions: `images`, uint8 (N, H, W, C), and the `errors` of each, float32 (N,).

    An error is the mean squared error against the image as it was read, pixels in [0, 1].
    `inputs`, uint8 (N, H, W, C), are what the model was given: other images where noise was added.
    """

    images: np.ndarray
    errors: np.ndarray
    inputs: np.ndarray

    @property
    def mse(self) -> float:
        """The mean of `errors`."""
        return float(self.errors.mean(dtype=np.float64))

    @property
    def psnr(self) -> float:
        """The mean peak signal-to-noise ratio in dB."""
        return metrics.psnr(self.errors)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table with the columns `name`, `label` where there are any, and `error`."""
        return self._to_pandas({"error": self.errors})


@dataclass(frozen=True, eq=False)
class Samples:
    """New images: `images`, uint8 (N, H, W, C), decoded from `codes`, float32 (N, K)."""

    images: np.ndarray
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection(Rows):
    """Codes on a plane: `points`, float (N, 2), and the `method`: code, pca or umap."""

    points: np.ndarray
    method: str

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table with the columns `name`, `label` where there are any, `x` and `y`."""
        return self._to_pandas({"x": self.points[:, 0], "y": self.points[:, 1]})


@dataclass(frozen=True, kw_only=True, eq=False)
class AnomalyRanking(Rows):
    """Anomaly scores of images, float64 (N,), higher for stranger ones, in the order of the source.

    `errors` are mean squared errors, `distances` those of the codes from normal ones.
    `threshold` is the score above which an image is an anomaly, None where there were too few
    normal images to set one; `description` says how it was set, or what is missing.
    """

    scores: np.ndarray
    errors: np.ndarray
    distances: np.ndarray
    threshold: float | None
    description: str

    @property
    def order(self) -> np.ndarray:
        """Indices of the images, the strangest first, int (N,)."""
        return np.argsort(-self.scores, kind="stable")

    @property
    def anomalies(self) -> np.ndarray | None:
        """Which images are above the threshold, bool (N,); None without a threshold."""
        return None if self.threshold is None else self.scores > self.threshold

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table, the strangest image first, with the columns that `anomalies.csv` has."""
        columns = {"score": self.scores}
        if self.threshold is not None:
            columns["anomaly"] = self.anomalies.astype(np.uint8)
        columns |= {"error": self.errors, "distance": self.distances}
        return self._to_pandas(columns).iloc[self.order].reset_index(drop=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Similarity(Rows):
    """The images most like each of some images, by the distance of their codes.

    `indices`, int (N, count), count from 0 among the images searched, the nearest first;
    `distances`, float (N, count), are Euclidean; `found` are the names of those images.
    """

    indices: np.ndarray
    distances: np.ndarray
    found: tuple[tuple[str, ...], ...]


def name_labels(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return the name of the class of each of `labels`, integers (N,); "unlabelled" below 0.

    >>> name_labels(np.array([1, -1]), ["cat", "dog"])
    ['dog', 'unlabelled']
    """
    return [classes[label] if label >= 0 else UNLABELLED for label in labels.tolist()]


def rows_of(stream: Any) -> dict[str, Any]:
    """Return the fields of `Rows` for the images that were read from `stream`."""
    labels, classes = stream.labels()
    return {
        "names": tuple(stream.names()),
        "labels": labels,
        "classes": tuple(classes),
        "skipped": tuple(stream.skipped),
    }
