"""How unlike a model's training images an image is, by its reconstruction and its code.

Neither is enough alone. A model reconstructs some images well that are nothing like its own:
simpler, darker, emptier ones. And codes of strange images may lie among the codes of normal ones
(Denouden and others, arXiv:1812.02765). On one digit of MNIST against the nine others, the error of
the reconstruction alone is beaten by the score defined here: `benchmarks/anomalies.py`. The
threshold is set in `threshold`.
"""

from __future__ import annotations

import numpy as np

from autoencode.errors import AutoencodeError
from autoencode.inference.trained import Trained

NEIGHBOUR = 5  # whose distance counts: the nearest may be a copy
# An error is blurred by this part of the longer side: an edge off by a pixel is no anomaly.
BLURRED = 28
FLAT = 0.01  # contrast, on the scale of [0, 1], below which an image is flat
# Share of the mean variance of the codes that is added to each: without it, a latent unit that
# never varies would count without bound.
RIDGE = 1e-3
PROBED = 1000  # codes from which the usual distance is taken
WARNING = (
    "a low score is no proof: an autoencoder also reconstructs well some images that are "
    "nothing like its own, above all simpler, smoother or emptier ones"
)


def heat(originals: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Return where reconstructions differ, float32 (N, H, W): the blurred difference.

    It is the root mean square over channels.

    `originals` are uint8 (N, H, W, C), `reconstructions` float32 of that shape, in [0, 1].

    >>> originals = np.zeros((1, 4, 4, 1), "uint8")
    >>> heat(originals, originals + np.float32(0.5))[0, 0]
    array([0.5, 0.5, 0.5, 0.5], dtype=float32)
    """
    from scipy.ndimage import gaussian_filter

    deviation = max(originals.shape[1:3]) / BLURRED
    difference = reconstructions - originals / np.float32(255)
    blurred = gaussian_filter(difference, (0, deviation, deviation, 0), mode="nearest")
    return np.sqrt(np.square(blurred).mean(3))


def relative_errors(originals: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Return the root mean square of each image's `heat` over its contrast, float64 (N,).

    The contrast is the standard deviation of all values of an image: bold and faint images are held
    to one standard.
    """
    contrasts = originals.std((1, 2, 3), dtype=np.float64) / 255
    errors = np.sqrt(np.square(heat(originals, reconstructions)).mean((1, 2), dtype=np.float64))
    return errors / np.maximum(contrasts, FLAT)


def scores(originals: np.ndarray, reconstructions: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return anomaly scores, float64 (N,), 0 or above, higher for stranger images.

    A score is the relative error times one more than the distance of the code, see
    `Normality.distances`.
    """
    return relative_errors(originals, reconstructions) * (1 + distances)


class Normality:
    """Where the codes of normal images lie: what the codes of others are measured against.

    `codes` are float (N, K); 10,000 say as much as more. Raises `AutoencodeError` where
    scikit-learn is missing.

    >>> square = Normality(np.random.default_rng(0).random((100, 2)))
    >>> square.distances(np.array([[0.5, 0.5], [3.0, 3.0]])).round().tolist()
    [1.0, 27.0]
    """

    def __init__(self, codes: np.ndarray) -> None:
        try:
            from sklearn.neighbors import NearestNeighbors
        except ImportError:
            raise AutoencodeError(
                "anomalies need scikit-learn; install it with: pip install 'autoencode[sklearn]'"
            ) from None
        codes = codes.astype(np.float64)
        self._centre = codes.mean(0)
        self._whitening = _whitening(codes)
        self._neighbours = NearestNeighbors(
            n_neighbors=min(NEIGHBOUR, len(codes)), algorithm="brute"
        )
        self._neighbours.fit(self._whitened(codes))
        step = -(-len(codes) // PROBED)
        self._usual = float(np.median(self._measure(codes[::step]))) or 1.0

    def distances(self, codes: np.ndarray) -> np.ndarray:
        """Return how far each of `codes` (N, K) lies from its fifth nearest normal one, (N,).

        It is a multiple of the usual distance. Distances are Mahalanobis's: those between codes
        without correlation and of variance 1.
        """
        return self._measure(codes) / self._usual

    def scores(self, model: Trained, images: np.ndarray) -> np.ndarray:
        """Return the anomaly `scores` of images, uint8 (N, H, W, C), float64 (N,)."""
        return np.concatenate(
            [
                scores(batch, floats, self.distances(codes))
                for batch, codes, floats in model.reconstruct_batches(images)
            ]
        )

    def _measure(self, codes: np.ndarray) -> np.ndarray:
        distances, _ = self._neighbours.kneighbors(self._whitened(codes))
        return distances[:, -1]

    def _whitened(self, codes: np.ndarray) -> np.ndarray:
        return (codes - self._centre) @ self._whitening


def _whitening(codes: np.ndarray) -> np.ndarray:
    """The matrix (K, K) after which codes have covariance 1, but for the ridge."""
    size = codes.shape[1]
    covariance = np.cov(codes.T).reshape(size, size) if len(codes) > 1 else np.zeros((size, size))
    ridge = RIDGE * np.trace(covariance) / size or 1.0
    return np.linalg.cholesky(np.linalg.inv(covariance + ridge * np.eye(size)))
