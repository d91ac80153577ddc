"""The measures of learning, and the baselines that a model is held against.

Knows arrays; no model and no file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autoencode.system.memmap import release

# Bytes of rows turned to floats at a time: 2,674 images of MNIST.
BLOCK_BYTES = 2**23
# Features up to which the scatter matrix is decomposed whole; the work grows with their cube.
EXACT = 1024
# Of the iteration above that: directions beyond those asked for, and passes over the data.
SPARE = 10
PASSES = 6


@dataclass(frozen=True)
class PCA:
    """The best linear autoencoder with a code of that size (Baldi and Hornik, Neural Networks 2,
    1989, 53-58).

    `mean` is float32 (F,), `components` float32 (F, K), orthonormal, on the scale of uint8 pixels;
    `shape` is that of an image, (H, W, C), with F = H * W * C. `deviations`, float32 (K,), are the
    standard deviations of the images along the components, ascending as these are.
    """

    mean: np.ndarray
    components: np.ndarray
    shape: tuple[int, int, int]
    deviations: np.ndarray

    @classmethod
    def fit(cls, images: np.ndarray, components: int, passes: int = PASSES) -> PCA:
        """Return the components of uint8 (N, H, W, C), no more than there are pixels, or images
        that differ from the mean.

        Above 1,024 features they come from subspace iteration (Halko, Martinsson and Tropp, SIAM
        Review 53, 2011, algorithm 4.4), which reads the images in blocks too, `passes` times.
        """
        features = images[0].size
        components = min(components, features, max(1, len(images) - 1))
        if features <= EXACT:
            mean, kept, variances = _exact(images, components)
        else:
            mean, kept, variances = _iterated(images, components, passes)
        deviations = np.sqrt(np.maximum(variances, 0) / len(images)).astype(np.float32)
        return cls(mean, kept, images.shape[1:], deviations)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return the codes of uint8 (N, H, W, C), float32 (N, K)."""
        codes = [(block - self.mean) @ self.components for block in _blocks(images)]
        return np.concatenate(codes) / 255

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the images of codes (N, K), float32 (N, H, W, C), not cut to [0, 1]."""
        return (codes @ self.components.T + self.mean / 255).reshape(-1, *self.shape)

    def error(self, images: np.ndarray) -> float:
        """Return the mean squared error of the reconstructions of uint8 (N, H, W, C), pixels in [0,
        1].
        """
        return self.errors(images).pca

    def errors(self, images: np.ndarray) -> Baseline:
        """Return the error of the reconstructions of uint8 (N, H, W, C), and that of the mean
        image.
        """
        total = 0.0
        total_of_mean = 0.0
        for block in _blocks(images):
            centred = block - self.mean
            total_of_mean += float(np.square(centred).sum(dtype=np.float64))
            centred -= (centred @ self.components) @ self.components.T
            total += float(np.square(centred).sum(dtype=np.float64))
        scale = images.size * 255**2
        return Baseline(total / scale, total_of_mean / scale)


@dataclass(frozen=True)
class Baseline:
    """Mean squared errors that a model is held against, pixels in [0, 1].

    `pca` is that of PCA with as many components as the code has numbers, `mean` that of the mean
    training image in place of every image.
    """

    pca: float
    mean: float


def measure_baseline(train: np.ndarray, test: np.ndarray, components: int) -> Baseline:
    """Return what a model must beat on `test`; both are uint8 (N, H, W, C), PCA is fitted on
    `train`.

    >>> images = np.arange(12, dtype="uint8").reshape(6, 2, 1, 1)
    >>> baseline = measure_baseline(images, images, components=2)
    >>> round(baseline.mean, 6), round(float(np.var(images / 255, axis=0).mean()), 6)
    (0.000179, 0.000179)
    """
    return PCA.fit(train, components).errors(test)


def pca_error(train: np.ndarray, test: np.ndarray, components: int) -> float:
    """Return the mean squared error of PCA's reconstruction of `test`, pixels in [0, 1]: what a
    model must beat.

    `train` and `test` are uint8 (N, H, W, C); PCA is fitted on `train`.

    >>> images = np.arange(12, dtype="uint8").reshape(6, 2, 1, 1)
    >>> round(pca_error(images, images, components=2), 6)
    0.0
    """
    return measure_baseline(train, test, components).pca


def squared_errors(originals: np.ndarray, floats: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each image, pixels in [0, 1], float32 (N,).

    `originals` are uint8 (N, H, W, C), `floats` what was made of them, float32 of that shape.
    """
    return np.square(floats - originals / np.float32(255)).mean((1, 2, 3))


def psnr(errors: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB, the mean over images, of their mean squared
    errors (N,).

    10 log10(1 / error), of pixels in [0, 1] (Huynh-Thu and Ghanbari, Electronics Letters 44, 2008,
    800-801). An image without error counts 100 dB.

    >>> psnr(np.array([0.01, 0.0001]))
    30.0
    """
    return float(-10 * np.log10(np.maximum(errors, 1e-10)).mean(dtype=np.float64))


def plane(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean (K,), axes (K, 2) and shares of the variance (2,) of the plane that codes (N, K),
    K >= 2, spread most over.

    These are the first two principal components; the largest entry of each is positive, as
    scikit-learn has it.
    """
    wide = codes.astype(np.float64)
    mean = wide.mean(0)
    variances, vectors = np.linalg.eigh(np.cov(wide - mean, rowvar=False, bias=True))
    axes = vectors[:, [-1, -2]]
    axes *= np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    return mean, axes, variances[[-1, -2]] / max(variances.sum(), np.finfo(float).tiny)


def measure_reconstructions(
    originals: np.ndarray, reconstructions: np.ndarray, errors: np.ndarray
) -> dict[str, float | None]:
    """Return `mse`, `psnr` (dB) and `ssim` of reconstructions, each a mean over images.

    Both are uint8 (N, H, W, C); `errors` are the mean squared errors of the images before they were
    rounded, pixels in [0, 1], float (N,). SSIM is scikit-image's with the Gaussian window of Wang
    and others (2004), on the rounded images; sides below 11 pixels take a uniform window that fits,
    and below 3 there is none, and no `ssim`.
    """
    from skimage.metrics import structural_similarity

    height, width = originals.shape[1:3]
    window = min(11, min(height, width) - 1 + min(height, width) % 2)
    options = {"gaussian_weights": True, "sigma": 1.5} if window == 11 else {}
    similarities = [
        structural_similarity(
            original,
            reconstruction,
            data_range=255,
            channel_axis=-1,
            win_size=window,
            use_sample_covariance=False,
            **options,
        )
        for original, reconstruction in zip(originals, reconstructions, strict=True)
        if window > 1
    ]
    return {
        "mse": float(errors.mean(dtype=np.float64)),
        "psnr": psnr(errors),
        "ssim": float(np.mean(similarities)) if similarities else None,
    }


def measure_codes(
    train: np.ndarray,
    train_labels: np.ndarray | None,
    test: np.ndarray,
    test_labels: np.ndarray | None,
) -> dict[str, float]:
    """Return how well the codes separate the classes: the test accuracy of a linear `probe` and
    of `neighbours`.

    Codes are float (N, K), labels integers (N,), below 0 for unlabelled images, which are ignored;
    nothing without training labels of two classes and a labelled test image. The probe is
    scikit-learn's logistic regression on standardised codes, the neighbours are five, or all that
    there are.
    """
    if train_labels is None or test_labels is None:
        return {}
    train, train_labels = _labelled(train, train_labels)
    test, test_labels = _labelled(test, test_labels)
    if len(np.unique(train_labels)) < 2 or not len(test_labels):
        return {}
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    algorithm = "brute" if train.shape[1] > 20 else "auto"
    neighbours = KNeighborsClassifier(min(5, len(train)), algorithm=algorithm)
    accuracies = (
        model.fit(train, train_labels).score(test, test_labels) for model in (probe, neighbours)
    )
    return dict(zip(("probe", "neighbours"), map(float, accuracies), strict=True))


def _labelled(codes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes and labels of the images that have a label."""
    has_label = np.asarray(labels) >= 0
    return codes[has_label], labels[has_label]


def _exact(images: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (F,), components (F, K) and the scatter along them (K,), in one pass over blocks, so
    that no float copy exists.

    Rows are taken relative to the first block's mean, near enough to the whole's that the
    correction at the end costs no digits.
    """
    count = len(images)
    features = images[0].size
    total = np.zeros(features)
    scatter = np.zeros((features, features))
    shift = next(_blocks(images)).mean(0)
    for block in _blocks(images):
        block -= shift
        total += block.sum(0)
        scatter += block.T @ block
    values, vectors = np.linalg.eigh(scatter - np.outer(total, total) / count)
    mean = (shift + total / count).astype(np.float32)
    return mean, vectors[:, -components:].astype(np.float32), values[-components:]


def _iterated(
    images: np.ndarray, components: int, passes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (F,), components (F, K) and the scatter along them (K,), by powers of the scatter matrix
    on a few directions.
    """
    features = images[0].size
    sums = (block.sum(0, dtype=np.float64) for block in _blocks(images))
    total = sum(sums, start=np.zeros(features))
    mean = (total / len(images)).astype(np.float32)
    width = min(components + SPARE, features)
    basis = np.random.default_rng(0).standard_normal((features, width)).astype(np.float32)
    for _ in range(passes):
        basis, _ = np.linalg.qr(_scattered(images, mean, basis))
    # The scatter matrix as the basis sees it.
    small = basis.T @ _scattered(images, mean, basis)
    values, vectors = np.linalg.eigh((small + small.T) / 2)
    return mean, basis @ vectors[:, -components:], values[-components:]


def _scattered(images: np.ndarray, mean: np.ndarray, basis: np.ndarray) -> np.ndarray:
    product = np.zeros_like(basis)
    for block in _blocks(images):
        block -= mean
        product += block.T @ (block @ basis)
    return product


def _blocks(images: np.ndarray) -> Iterator[np.ndarray]:
    rows = images.reshape(len(images), -1)
    size = max(1, BLOCK_BYTES // (4 * rows.shape[1]))
    for first in range(0, len(rows), size):
        yield rows[first : first + size].astype(np.float32)
        release(images)
