"""Dense layers that narrow to the code and widen again, each with RMS norm and GELU."""

import math

import keras
from keras import layers

MOST_WEIGHTS = 2**23  # between the image and the widest layer, at a width of 1


def build(shape: tuple[int, int, int], code: int, width: float) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder.

    At 28 x 28 grey, a code of 16 and `width` 1 the sizes are 784-512-256-16-256-512-784.
    """
    pixels = math.prod(shape)

    # Layers
    flatten = layers.Flatten(name="pixels")
    down = narrowing(shape, code, width, "down")
    to_code = layers.Dense(code, name="code")
    sizes = _sizes(shape, code, width)
    up = [_hidden(size, f"up{level}") for level, size in reversed(list(enumerate(sizes)))]
    to_pixels = layers.Dense(pixels, activation="sigmoid", dtype="float32", name="pixels")
    unflatten = layers.Reshape(shape, dtype="float32", name="image")

    # Wiring
    images = keras.Input(shape, name="images")
    features = flatten(images)  # (N, H, W, C) -> (N, H*W*C)
    for layer in down:
        features = layer(features)  # (N, widest), (N, half of that), ...
    codes = to_code(features)  # (N, code)
    codes_in = keras.Input((code,), name="codes")
    features = codes_in
    for layer in up:
        features = layer(features)  # ..., (N, half of the widest), (N, widest)
    reconstructions = unflatten(to_pixels(features))  # (N, H*W*C) -> (N, H, W, C)

    # Configuration
    return (
        keras.Model(images, codes, name="encoder"),
        keras.Model(codes_in, reconstructions, name="decoder"),
    )


def narrowing(
    shape: tuple[int, int, int], code: int, width: float, name: str
) -> list[keras.Sequential]:
    """Return the hidden layers of the encoder, the widest first."""
    return [
        _hidden(size, f"{name}{level}") for level, size in enumerate(_sizes(shape, code, width))
    ]


def _sizes(shape: tuple[int, int, int], code: int, width: float) -> list[int]:
    """Sizes of the hidden layers, each half of the one before, down to 512 at most.

    Two at least, and none below the code's.

    >>> _sizes((28, 28, 1), 16, 1.0), _sizes((32, 32, 3), 16, 2.0), _sizes((512, 512, 3), 16, 1.0)
    ([512, 256], [2024, 1012, 506], [16, 16])
    """
    pixels = math.prod(shape)
    # Two thirds of MNIST's pixels; more pixels widen it by their root, as more is known of each,
    # until its weights would fill memory.
    widest = min(512 * math.sqrt(pixels / 784), MOST_WEIGHTS / pixels)
    sizes = [max(8, round(widest * width / 8) * 8)]
    while len(sizes) < 2 or sizes[-1] > 512:
        sizes.append(sizes[-1] // 2)
    return [max(size, min(code, pixels)) for size in sizes]


def _hidden(units: int, name: str) -> keras.Sequential:
    parts = [layers.Dense(units), layers.RMSNormalization(), layers.Activation("gelu")]
    return keras.Sequential(parts, name=name)
