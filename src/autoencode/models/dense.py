"""Dense layers that narrow to the code and widen again, each normalised by its root mean square and passed through GELU."""

import math

import keras
from keras import layers


def build(shape: tuple[int, int, int], code: int, width: float) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder; at 28 x 28 grey, a code of 16 and `width` 1 the sizes are 784-512-256-16-256-512-784."""
    pixels, wide = math.prod(shape), _wide(shape, width)

    # Layers
    flatten = layers.Flatten(name="pixels")
    down = narrowing(shape, width, "down")
    to_code = layers.Dense(code, name="code")
    up = [_hidden(size, f"up{size}") for size in (wide // 2, wide)]
    to_pixels = layers.Dense(pixels, activation="sigmoid", name="pixels")
    unflatten = layers.Reshape(shape, name="image")

    # Wiring
    images = keras.Input(shape, name="images")
    features = flatten(images)  # (N, H, W, C) -> (N, H*W*C)
    for layer in down:
        features = layer(features)  # (N, wide), (N, wide / 2)
    codes = to_code(features)  # (N, code)
    codes_in = keras.Input((code,), name="codes")
    features = codes_in
    for layer in up:
        features = layer(features)  # (N, wide / 2), (N, wide)
    reconstructions = unflatten(to_pixels(features))  # (N, H*W*C) -> (N, H, W, C)

    # Configuration
    return (
        keras.Model(images, codes, name="encoder"),
        keras.Model(codes_in, reconstructions, name="decoder"),
    )


def narrowing(shape: tuple[int, int, int], width: float, name: str) -> list[keras.Sequential]:
    """Return the hidden layers of the encoder, the wider first."""
    wide = _wide(shape, width)
    return [_hidden(size, f"{name}{size}") for size in (wide, wide // 2)]


def _wide(shape: tuple[int, int, int], width: float) -> int:
    # Two thirds of MNIST's pixels; more pixels widen it by their root, as more is known of each.
    return max(8, round(512 * width * math.sqrt(math.prod(shape) / 784) / 8) * 8)


def _hidden(units: int, name: str) -> keras.Sequential:
    parts = [layers.Dense(units), layers.RMSNormalization(), layers.Activation("gelu")]
    return keras.Sequential(parts, name=name)
