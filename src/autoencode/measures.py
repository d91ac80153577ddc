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
    mean, scatter = _moments(train)
    _, vectors = np.linalg.eigh(scatter)
    kept = vectors[:, -min(components, len(vectors)) :].astype(np.float32)  # (F, components), largest variance last
    total = 0.0
    for block in _blocks(test):
        centred = block - mean
        total += float(np.square(centred - (centred @ kept) @ kept.T).sum(dtype=np.float64))
    return total / test.size / 255**2


def _moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (F,) and scatter matrix (F, F) of the images as rows, in one pass over blocks, so that no float copy exists.

    Rows are taken relative to the first block's mean, near enough to the whole's that the correction at the end costs
    no digits.
    """
    count, features = len(images), images[0].size
    total, scatter = np.zeros(features), np.zeros((features, features))
    shift = next(_blocks(images)).mean(0)
    for block in _blocks(images):
        block -= shift
        total += block.sum(0)
        scatter += block.T @ block
    return (shift + total / count).astype(np.float32), scatter - np.outer(total, total) / count


def _blocks(images: np.ndarray):
    rows = images.reshape(len(images), -1)
    for first in range(0, len(rows), BLOCK):
        yield rows[first : first + BLOCK].astype(np.float32)
