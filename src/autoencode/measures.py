"""The measures of learning, and the baselines that a model is held against. NumPy alone; knows no model and no file."""

import numpy as np

BLOCK = 2000  # rows turned to floats at a time: 6 MB of MNIST


def pca_error(train: np.ndarray, test: np.ndarray, components: int) -> float:
    """Return the mean squared error of PCA's reconstruction of `test`, pixels in [0, 1].

    `train` and `test` are uint8 (N, H, W, C). PCA with `components` components, fitted on `train`, is the best linear
    autoencoder with a code of that size (Baldi and Hornik, Neural Networks 2, 1989, 53-58): what a model must beat.

    >>> images = np.arange(12, dtype="uint8").reshape(6, 2, 1, 1)
    >>> round(pca_error(images, images, components=2), 6)
    0.0
    """
    mean, covariance = _moments(train)
    _, vectors = np.linalg.eigh(covariance)
    kept = vectors[:, -min(components, len(vectors)) :]  # (F, components), largest variance last
    total = 0.0
    for block in _blocks(test):
        centred = block - mean
        residual = centred - (centred @ kept) @ kept.T
        total += float(np.square(residual).sum(dtype=np.float64))
    return total / test.size


def _moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (F,) and scatter matrix (F, F) of the images as rows, read in blocks so that no float copy exists."""
    features = images[0].size
    mean = np.zeros(features)
    for block in _blocks(images):
        mean += block.sum(0, dtype=np.float64)
    mean = (mean / len(images)).astype(np.float32)
    scatter = np.zeros((features, features), np.float64)
    for block in _blocks(images):
        centred = block - mean
        scatter += centred.T @ centred
    return mean, scatter


def _blocks(images: np.ndarray):
    rows = images.reshape(len(images), -1)
    for first in range(0, len(rows), BLOCK):
        yield rows[first : first + BLOCK].astype(np.float32) / 255
