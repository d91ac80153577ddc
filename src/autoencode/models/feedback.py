"""Dense layers that look twice: the encoder decodes a first code, and corrects it.

The correction is learned, and is what a step towards a better code would be if each image had one
optimised for it (iterative amortised inference: Marino, Yue and Mandt, arXiv:1807.09356). The
decoder inside the encoder is the decoder.
"""

import keras
from keras import layers

from autoencode.models import dense


def build(shape: tuple[int, int, int], code: int, width: float) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder.

    The first look and the decoder are `dense` at twice `width`, the second look at `width`.
    """
    # Layers
    first, decoder = dense.build(shape, code, 2 * width)
    pixels = layers.Flatten(name="pixels")
    left_over = layers.Subtract(name="left_over")
    beside = layers.Concatenate(name="beside")
    second = dense.narrowing(shape, code, width, "second")
    correction = layers.Dense(
        code, kernel_initializer=keras.initializers.VarianceScaling(0.01), name="code"
    )
    correct = layers.Add(name="corrected")

    # Wiring
    images = keras.Input(shape, name="images")
    codes = first(images)  # (N, H, W, C) -> (N, code)
    features = beside([pixels(left_over([images, decoder(codes)])), codes])  # (N, H*W*C + code)
    for layer in second:
        features = layer(features)
    codes = correct([codes, correction(features)])  # (N, code)

    # Configuration
    return keras.Model(images, codes, name="encoder"), decoder
