"""The measures of learning, and the baselines that a model is held against. NumPy alone; knows no model and no file."""

from collections.abc import Iterator

import numpy as np

from autoencode.mapped import release

BLOCK_BYTES = 2**23  # of rows turned to floats at a time: 2,674 images of MNIST
EXACT = 1024  # features up to which the scatter matrix is decomposed whole; the work grows with their cube
SPARE, PASSES = 10, 6  # directions beyond those asked for, and passes over the data, of the iteration above that


def pca_error(train: np.ndarray, test: np.ndarray, components: int) -> float:
    """Return the mean squared error of PCA's reconstruction of `test`, pixels in [0, 1].

    `train` and `test` are uint8 (N, H, W, C). PCA with `components` components, fitted on `train`, is the best linear
    autoencoder with a code of that size (Baldi and Hornik, Neural Networks 2, 1989, 53-58): what a model must beat.
    Above 1,024 features the components come from subspace iteration (Halko, Martinsson and Tropp, SIAM Review 53, 2011,
    algorithm 4.4), which reads the images in blocks too.

    >>> images = np.arange(12, dtype="uint8").reshape(6, 2, 1, 1)
    >>> round(pca_error(images, images, components=2), 6)
    0.0
    """
    features = train[0].size
    components = min(components, features)
    mean, kept = (_exact if features <= EXACT else _iterated)(train, components)
    total = 0.0
    for block in _blocks(test):
        centred = block - mean
        total += float(np.square(centred - (centred @ kept) @ kept.T).sum(dtype=np.float64))
    return total / test.size / 255**2


def _exact(images: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (F,) and components (F, K) from the scatter matrix, in one pass over blocks, so that no float copy exists.

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
    _, vectors = np.linalg.eigh(scatter - np.outer(total, total) / count)
    return (shift + total / count).astype(np.float32), vectors[:, -components:].astype(np.float32)


def _iterated(images: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (F,) and components (F, K) by powers of the scatter matrix applied to a few random directions."""
    count, features = len(images), images[0].size
    mean = (sum(block.sum(0, dtype=np.float64) for block in _blocks(images)) / count).astype(np.float32)
    width = min(components + SPARE, features)
    basis = np.random.default_rng(0).standard_normal((features, width)).astype(np.float32)
    for _ in range(PASSES):
        basis, _ = np.linalg.qr(_scattered(images, mean, basis))
    small = basis.T @ _scattered(images, mean, basis)  # the scatter matrix as the basis sees it
    _, vectors = np.linalg.eigh((small + small.T) / 2)
    return mean, basis @ vectors[:, -components:]


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
