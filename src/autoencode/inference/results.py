"""What a trained model returns: frozen values, one row an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode import metrics
from autoencode.inference.rows import Columns, Rows, describe_shape

if TYPE_CHECKING:
    from autoencode.inference.detection import Detection


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Codes(Rows):
    """The codes of images: `values`, float32 (N, K).

    `bits` are those of each latent dimension of a quantized model, whose codes have 2 ** `bits`
    values each; None for any other.

    >>> Codes(values=np.zeros((3, 16), np.float32), names=("a", "b", "c"))
    Codes(3 x 16; 'a', 'b', ...)
    """

    values: np.ndarray
    bits: int | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype, copy=copy) if copy else np.asarray(self.values, dtype)

    def table(self) -> Columns:
        """Return the columns `name`, `label` where there are any, `code0`, `code1`, ..."""
        numbers = {f"code{number}": column for number, column in enumerate(self.values.T)}
        return super().table() | numbers

    def _describe(self) -> str:
        return describe_shape(self.values)


@dataclass(frozen=True, eq=False, repr=False)
class ReconstructedBatch:
    """Some images of a source and their reconstructions, all uint8 (n, H, W, C).

    `originals` are the images as they were read, `inputs` what the model was given: other images
    where noise was added. `errors`, float32 (n,), are the mean squared errors of `images` against
    the originals, pixels in [0, 1].
    """

    originals: np.ndarray
    inputs: np.ndarray
    images: np.ndarray
    errors: np.ndarray

    def __repr__(self) -> str:
        return f"ReconstructedBatch({describe_shape(self.images)})"

    @cached_property
    def input_errors(self) -> np.ndarray:
        """The mean squared errors of `inputs` against the originals, float32 (n,)."""
        return metrics.squared_errors(self.originals, self.inputs / np.float32(255))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
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

    def table(self) -> Columns:
        """Return the columns `name`, `label` where there are any, and `error`."""
        return super().table() | {"error": self.errors}

    def _describe(self) -> str:
        return f"{describe_shape(self.images)}, MSE {self.mse:.4g}"


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """New images: `images`, uint8 (N, H, W, C), decoded from `codes`, float32 (N, K)."""

    images: np.ndarray
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"Samples({describe_shape(self.images)}, codes {describe_shape(self.codes)})"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Projection(Rows):
    """Codes on a plane: `points`, float (N, 2), and the `method`: code, pca or umap.

    `axes` are the names of both. `to_codes` leads from any points of the plane (M, 2) back to
    codes (M, K).
    """

    points: np.ndarray
    method: str
    axes: tuple[str, str]
    to_codes: Callable[[np.ndarray], np.ndarray]

    def table(self) -> Columns:
        """Return the columns `name`, `label` where there are any, `x` and `y`."""
        return super().table() | {"x": self.points[:, 0], "y": self.points[:, 1]}

    def _describe(self) -> str:
        return f"{describe_shape(self.points)} by {self.method}"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AnomalyRanking(Rows):
    """Anomaly scores of images, float64 (N,), higher for stranger ones, in the order of the source.

    `errors` are mean squared errors, `distances` those of the codes from normal ones.
    `threshold` is the score above which an image is an anomaly, None where there were too few
    normal images to set one; `description` says how it was set, or what is missing.
    `normal_scores` are those of the normal images, float64 (M,). `detections` say how well the
    scores tell classes of defects from normal images, where labels name both.
    """

    scores: np.ndarray
    errors: np.ndarray
    distances: np.ndarray
    threshold: float | None
    description: str
    normal_scores: np.ndarray
    detections: tuple[Detection, ...] = ()

    @property
    def order(self) -> np.ndarray:
        """Indices of the images, the strangest first, int (N,)."""
        return np.argsort(-self.scores, kind="stable")

    @property
    def anomalies(self) -> np.ndarray | None:
        """Which images are above the threshold, bool (N,); None without a threshold."""
        return None if self.threshold is None else self.scores > self.threshold

    def table(self) -> Columns:
        """Return the columns of `anomalies.csv`, the strangest image first.

        They are `name`, `label` where there are any, `score`, `anomaly` (1 above the threshold,
        else 0) where there is one, `error` and `distance`.
        """
        order = self.order
        columns: Columns = {
            name: [values[index] for index in order] for name, values in super().table().items()
        }
        columns["score"] = self.scores[order]
        if self.anomalies is not None:
            columns["anomaly"] = self.anomalies[order].astype(np.uint8)
        columns["error"] = self.errors[order]
        columns["distance"] = self.distances[order]
        return columns

    def _describe(self) -> str:
        anomalies = self.anomalies
        if anomalies is None:
            return f"{len(self):,} images, no threshold"
        return f"{len(self):,} images, {anomalies.sum():,} above {self.threshold:.4g}"


@dataclass(frozen=True, eq=False, repr=False)
class Differences:
    """Where reconstructions differ from their images.

    `originals` and `reconstructions` are uint8 (n, H, W, C), `heat` is float32 (n, H, W).
    """

    originals: np.ndarray
    reconstructions: np.ndarray
    heat: np.ndarray

    def __repr__(self) -> str:
        return f"Differences({describe_shape(self.originals)})"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Similarity(Rows):
    """The images most like each of some images, by the distance of their codes.

    `indices`, int (N, count), count from 0 among the images searched, the nearest first;
    `distances`, float (N, count), are Euclidean; `found` are the names of those images.
    """

    indices: np.ndarray
    distances: np.ndarray
    found: tuple[tuple[str, ...], ...]

    def _describe(self) -> str:
        return f"{len(self):,} images, the {self.indices.shape[1]} nearest of each"
