"""The article's model: one dense layer down to the code, one dense layer back to the pixels."""

import math

import keras
from keras import layers


def build(shape: tuple[int, int, int], code: int, width: float) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder: 25,888 parameters at 28 x 28 grey and a code of 16.

    There is no layer between, so `width` changes nothing.
    """
    # Layers
    flatten = layers.Flatten(name="pixels")
    to_code = layers.Dense(code, activation="relu", name="code")
    to_pixels = layers.Dense(math.prod(shape), activation="sigmoid", dtype="float32", name="pixels")
    unflatten = layers.Reshape(shape, dtype="float32", name="image")

    # Wiring
    images = keras.Input(shape, name="images")
    codes = to_code(flatten(images))  # (N, H, W, C) -> (N, H*W*C) -> (N, code)
    codes_in = keras.Input((code,), name="codes")
    reconstructions = unflatten(to_pixels(codes_in))  # (N, code) -> (N, H*W*C) -> (N, H, W, C)

    # Configuration
    return (
        keras.Model(images, codes, name="encoder"),
        keras.Model(codes_in, reconstructions, name="decoder"),
    )
