"""Losses of a batch: each one a scalar of targets and outputs, (N, H, W, C) in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from autoencode.objectives import own

TINY = 1e-6  # keeps logarithms finite; float32 near 1 knows no finer step than 6e-8
# of SSIM's Gaussian window, in pixels
WINDOW = 11
DEVIATION = 1.5
# SSIM's constants for values in [0, 1]
LUMINANCE = 0.01**2
CONTRAST = 0.03**2


def mse(targets: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean of squared differences."""
    return ops.mean(ops.square(_rows(outputs) - _rows(targets)))


def mae(targets: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean of absolute differences."""
    return ops.mean(ops.abs(_rows(outputs) - _rows(targets)))


def bce(targets: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean binary cross-entropy, in nats; targets are taken for probabilities."""
    targets = _rows(targets)
    outputs = ops.clip(_rows(outputs), TINY, 1 - TINY)
    return -ops.mean(targets * ops.log(outputs) + (1 - targets) * ops.log(1 - outputs))


def ssim(targets: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Return 1 minus the mean structural similarity (SSIM), channel by channel.

    The mean is over the positions where the window fits whole.

    Gaussian window of 11 x 11, deviation 1.5, smaller where the image is; K1 0.01, K2 0.03 (Wang,
    Bovik, Sheikh and Simoncelli, IEEE Transactions on Image Processing 13, 2004, 600-612, section
    III-B).
    """
    mean_t = _blurred(targets)
    mean_o = _blurred(outputs)
    variance_t = _blurred(ops.square(targets)) - ops.square(mean_t)
    variance_o = _blurred(ops.square(outputs)) - ops.square(mean_o)
    covariance = _blurred(targets * outputs) - mean_t * mean_o
    alike = (2 * mean_t * mean_o + LUMINANCE) * (2 * covariance + CONTRAST)
    most = (ops.square(mean_t) + ops.square(mean_o) + LUMINANCE) * (
        variance_t + variance_o + CONTRAST
    )
    return 1 - ops.mean(alike / most)


TERMS: dict[str, Callable] = {"mse": mse, "mae": mae, "bce": bce, "ssim": ssim}


class Loss(keras.layers.Layer):
    """A weighted sum of losses of [targets, outputs]."""

    def __init__(self, weights: dict[str, float]) -> None:
        super().__init__(name="loss", dtype="float32")
        self._weights = weights

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        targets, outputs = inputs
        return sum(weight * _term(name)(targets, outputs) for name, weight in self._weights.items())


def _term(name: str) -> Callable:
    """The loss called `name`, a scalar; an own one may give a value an image or a pixel."""
    if name in TERMS:
        return TERMS[name]

    def mean(targets: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
        return ops.mean(own.LOSSES[name](targets, outputs))

    return mean


class Sparsity(keras.layers.Layer):
    """`weight` times the mean over codes (N, code) of mean absolute value by root mean square.

    So few units of a code are far from 0.

    It is 1 where all units of a code are equally large, and 1 / sqrt(code) where one alone is not
    0. The L1 penalty itself (Goodfellow, Bengio and Courville, Deep Learning, MIT Press 2016,
    section 14.2.1) would shrink all of them, and the decoder grow in turn. (Ratio of L1 to L2:
    Krishnan, Tay and Fergus, CVPR 2011, section 3.)
    """

    def __init__(self, weight: float) -> None:
        super().__init__(name="sparsity", dtype="float32")
        self._weight = weight

    def call(self, codes: keras.KerasTensor) -> keras.KerasTensor:
        # A ReLU may give a code of zeros.
        size = ops.sqrt(ops.mean(ops.square(codes), axis=1) + TINY**2)
        return self._weight * ops.mean(ops.mean(ops.abs(codes), axis=1) / size)


def _rows(images: keras.KerasTensor) -> keras.KerasTensor:
    # XLA sums over two axes 15 % faster than over four.
    return ops.reshape(images, (-1, int(np.prod(images.shape[1:]))))


def _blurred(images: keras.KerasTensor) -> keras.KerasTensor:
    """The mean under the window, along one axis and then the other, as products with a band."""
    for axis in (1, 2):
        band = ops.convert_to_tensor(_band(images.shape[axis]))
        images = ops.moveaxis(ops.matmul(ops.moveaxis(images, axis, -1), band), -1, axis)
    return images


def _band(size: int) -> np.ndarray:
    """Weights (size, places) of the window at each place where it fits."""
    window = min(WINDOW, size - 1 + size % 2)  # odd
    weights = np.exp(-0.5 * ((np.arange(window) - window // 2) / DEVIATION) ** 2)
    band = np.zeros((size, size - window + 1), np.float32)
    for place in range(band.shape[1]):
        band[place : place + window, place] = weights / weights.sum()
    return band
