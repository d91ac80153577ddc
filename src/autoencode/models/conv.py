"""Convolutions that halve the image, dense layers, and sub-pixel convolutions that double it."""

import math

import keras
from keras import layers, ops

SMALLEST = 7  # pixels of the shorter side, below which an image is not halved any more


def build(shape: tuple[int, int, int], code: int, width: float) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder.

    At 28 x 28 grey and `width` 1: 32 and 64 channels, then 256 units, then the code.

    A side that cannot be halved often enough is filled up with black at its end, and cut again.
    """
    height, width_pixels, channels = shape
    halvings = max(1, min(5, math.floor(math.log2(max(1, min(height, width_pixels) / SMALLEST)))))
    factor = 2**halvings
    # of the smallest image
    rows = -(-height // factor)
    columns = -(-width_pixels // factor)
    below = rows * factor - height
    right = columns * factor - width_pixels
    sizes = [max(4, round(32 * width) * 2 ** min(level, 3)) for level in range(halvings)]
    units = max(8, code, round(256 * width))

    # Layers
    fill = layers.ZeroPadding2D(((0, below), (0, right)), name="fill")
    halve = [_halving(size, f"halve{level}") for level, size in enumerate(sizes)]
    narrow = _normalised(layers.Dense(units, use_bias=False), "narrow")
    to_code = layers.Dense(code, name="code")
    widen = _normalised(layers.Dense(units, use_bias=False), "widen")
    to_image = _normalised(layers.Dense(rows * columns * sizes[-1], use_bias=False), "to_image")
    shape_image = layers.Reshape((rows, columns, sizes[-1]), name="image")
    double = [
        _normalised(layers.Conv2D(4 * size, 2, padding="same", use_bias=False), f"double{level}")
        for level, size in reversed(list(enumerate(sizes[:-1])))
    ]
    to_pixels = layers.Conv2D(
        4 * channels, 3, padding="same", activation="sigmoid", dtype="float32", name="pixels"
    )
    cut = layers.Cropping2D(((0, below), (0, right)), dtype="float32", name="cut")

    # Wiring
    images = keras.Input(shape, name="images")
    features = fill(images)  # (N, rows * factor, columns * factor, C)
    for layer in halve:
        features = layer(features)  # half the height, half the width
    # (N, rows * columns * size) -> (N, units) -> (N, code).
    codes = to_code(narrow(layers.Flatten(name="flat")(features)))
    codes_in = keras.Input((code,), name="codes")
    features = shape_image(to_image(widen(codes_in)))  # (N, rows, columns, size)
    for layer in double:
        features = _subpixels(layer(features))  # twice the height, twice the width
    reconstructions = cut(_subpixels(to_pixels(features)))  # (N, H, W, C)

    # Configuration
    return (
        keras.Model(images, codes, name="encoder"),
        keras.Model(codes_in, reconstructions, name="decoder"),
    )


def _halving(size: int, name: str) -> keras.Sequential:
    return _normalised(layers.Conv2D(size, 4, strides=2, padding="same", use_bias=False), name)


def _normalised(layer: keras.Layer, name: str) -> keras.Sequential:
    return keras.Sequential(
        [layer, layers.BatchNormalization(momentum=0.9), layers.Activation("gelu")], name=name
    )


def _subpixels(features: keras.KerasTensor) -> keras.KerasTensor:
    """Give a fourth of the channels to each of four pixels, (N, h, w, 4c) to (N, 2h, 2w, c).

    (Shi and others, arXiv:1609.05158, section 3.2.)
    """
    _, rows, columns, channels = features.shape
    squares = layers.Reshape((rows, columns, 2, 2, channels // 4), dtype=features.dtype)(features)
    joined = ops.transpose(squares, (0, 1, 3, 2, 4, 5))
    return layers.Reshape((2 * rows, 2 * columns, channels // 4), dtype=features.dtype)(joined)
