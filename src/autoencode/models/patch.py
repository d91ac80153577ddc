"""Patches mixed by dense layers, within each patch and between them in turn (MLP-Mixer).

Products of matrices alone, which every engine computes at full speed.
(Tolstikhin and others, arXiv:2105.01601, section 2.)
"""

import math

import keras
from keras import layers, ops

MOST_PATCHES = 100


def build(shape: tuple[int, int, int], code: int, width: float) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder.

    At 28 x 28 grey and `width` 1: 49 patches of 4 x 4, 64 units each, two mixings each way.
    """
    height, width_pixels, channels = shape
    side = max(
        1, min(4, height, width_pixels), math.ceil(math.sqrt(height * width_pixels / MOST_PATCHES))
    )
    rows = -(-height // side)
    columns = -(-width_pixels // side)
    below = rows * side - height
    right = columns * side - width_pixels
    # Larger patches get more units, by the root of what they hold; wider models are deeper as well.
    patches = rows * columns
    units = max(4, round(64 * width * math.sqrt(side * side * channels / 16)))
    levels = max(1, round(2 * math.sqrt(width)))

    # Layers
    fill = layers.ZeroPadding2D(((0, below), (0, right)), name="fill")
    from_patch = layers.Dense(units, name="from_patch")
    down = [_Mixing(patches, units, f"down{level}") for level in range(levels)]
    to_code = layers.Dense(code, name="code")
    from_code = layers.Dense(patches * units, name="from_code")
    up = [_Mixing(patches, units, f"up{level}") for level in range(levels)]
    to_patch = layers.Dense(
        side * side * channels, activation="sigmoid", dtype="float32", name="to_patch"
    )
    cut = layers.Cropping2D(((0, below), (0, right)), dtype="float32", name="cut")

    # Wiring
    images = keras.Input(shape, name="images")
    filled = layers.Reshape((rows, side, columns, side, channels))(fill(images))
    features = layers.Reshape((patches, side * side * channels))(
        ops.transpose(filled, (0, 1, 3, 2, 4, 5))
    )
    features = from_patch(features)  # (N, patches, units)
    for layer in down:
        features = layer(features)
    features = layers.LayerNormalization(name="down")(features)
    codes = to_code(layers.Flatten(name="flat")(features))  # (N, patches * units) -> (N, code)
    codes_in = keras.Input((code,), name="codes")
    features = layers.Reshape((patches, units))(from_code(codes_in))  # (N, patches, units)
    for layer in up:
        features = layer(features)
    # (N, patches, side * side * C).
    features = to_patch(layers.LayerNormalization(name="up")(features))
    squares = layers.Reshape((rows, columns, side, side, channels), dtype="float32")(features)
    joined = layers.Reshape((rows * side, columns * side, channels), dtype="float32")(
        ops.transpose(squares, (0, 1, 3, 2, 4, 5))
    )
    reconstructions = cut(joined)  # (N, H, W, C)

    # Configuration
    return (
        keras.Model(images, codes, name="encoder"),
        keras.Model(codes_in, reconstructions, name="decoder"),
    )


class _Mixing:
    """One mixing over the patches and one over the units, each added to what came in."""

    def __init__(self, patches: int, units: int, name: str) -> None:
        self._over_patches = _mlp(patches, f"{name}_patches")
        self._over_units = _mlp(units, f"{name}_units")
        self._swap = layers.Permute((2, 1))

    def __call__(self, features: keras.KerasTensor) -> keras.KerasTensor:
        normal = layers.LayerNormalization()(features)
        features = features + self._swap(self._over_patches(self._swap(normal)))
        return features + self._over_units(layers.LayerNormalization()(features))


def _mlp(size: int, name: str) -> keras.Sequential:
    return keras.Sequential(
        [layers.Dense(2 * size, activation="gelu"), layers.Dense(size)], name=name
    )
