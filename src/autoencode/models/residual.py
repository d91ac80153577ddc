"""PCA, and beside it dense layers that learn what a linear code cannot.

Encoder and decoder each add a correction to a linear path. The linear path starts as PCA with as
many components as the code has, and the last layer of each correction starts at zero: the untrained
model reconstructs as PCA does, clipped to [0, 1], and training improves on that.

Images go in and come out by fixed principal components, so that nothing that is trained grows with
the number of pixels. The encoder's correction sees those of images averaged down to some 64 x 64
values; the decoder's components, of whole images, are the one large matrix of the model.
"""

import math

import keras
import numpy as np
from keras import layers, ops

from autoencode.images import evenly_spaced
from autoencode.metrics import PCA

COMPONENTS = 256  # 512 gain nothing: 0.0142 on 3,400 emoji at a code of 16 with either
# fewer images: 0.0194 and not 0.0207 on 900 of MNIST
SMALL_SET = 2000
SMALL_COMPONENTS = 128
# Numbers in the decoder's components (16 MB), which larger images get fewer of, and values that an
# image is averaged down to for the encoder's correction.
MAX_BASIS = 2**22
MAX_VALUES = 4096
HIDDEN = 1024  # units of the wider hidden layer at a width of 1; the other has half of them
SAMPLED = 8000  # images that the components are fitted on, drawn evenly
PASSES = 2  # over the sample: the first components, which the code needs, are exact by then
NEGLIGIBLE = 1e-3  # of the largest standard deviation: a component below that is rounding
# On the scale of [0, 1], so that images that are all alike divide by something.
MIN_DEVIATION = 1e-3


def build(
    shape: tuple[int, int, int], code: int, width: float, dropout: float = 0.0
) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder, which `initialise` turns into PCA.

    At 64 x 64 RGB, a code of 16 and `width` 1: 3,072 averaged values, 256 components, hidden layers
    of 1,024 and 512 units, the code, and back to 256 components and 12,288 values. `dropout` is
    the share of hidden units that are dropped in training.
    """
    pixels = math.prod(shape)
    factor = pooling(shape)
    sizes = [max(8, code, round(HIDDEN * width / level)) for level in (1, 2)]
    features = component_count(shape, code)

    # Layers
    flatten = layers.Flatten(name="pixels")
    linear = layers.Dense(code, trainable=False, name="linear")
    pool = layers.AveragePooling2D(factor, padding="same", name="averaged")
    flatten_pooled = layers.Flatten(name="averaged_pixels")
    to_features = layers.Dense(
        min(COMPONENTS, pooled_size(shape)), trainable=False, name="components"
    )
    down = [_hidden(size, dropout, f"down{level}") for level, size in enumerate(sizes)]
    beside = layers.Concatenate(name="beside")
    to_code = layers.Dense(code, kernel_initializer="zeros", name="code")
    from_code = layers.Dense(features, use_bias=False, name="linear")
    up = [_hidden(size, dropout, f"up{level}") for level, size in enumerate(reversed(sizes))]
    correct = layers.Dense(features, kernel_initializer="zeros", use_bias=False, name="correction")
    to_pixels = layers.Dense(pixels, trainable=False, dtype="float32", name="components")
    unflatten = layers.Reshape(shape, dtype="float32", name="image")

    # Wiring
    images = keras.Input(shape, name="images")
    pooled = pool(images) if factor > 1 else images
    components = to_features(flatten_pooled(pooled))  # (N, components)
    hidden = components
    for layer in down:
        hidden = layer(hidden)  # (N, widest), (N, half of that)
    correction = to_code(beside([hidden, components]))  # (N, code)
    codes = layers.Add(name="codes")([linear(flatten(images)), correction])
    codes_in = keras.Input((code,), name="codes")
    hidden = codes_in
    for layer in up:
        hidden = layer(hidden)  # (N, half of the widest), (N, widest)
    components = layers.Add(name="corrected")([from_code(codes_in), correct(hidden)])
    reconstructions = _clip(unflatten(to_pixels(components)))  # (N, H, W, C)

    # Configuration
    return (
        keras.Model(images, codes, name="encoder"),
        keras.Model(codes_in, reconstructions, name="decoder"),
    )


def initialise(model: keras.Model, images: np.ndarray) -> None:
    """Make PCA of `model`: set its fixed components and linear paths from uint8 (N, H, W, C).

    The last layers of the corrections become zero, whatever they were.
    The components are fitted on 8,000 images at most. Latent dimensions have unit variance.
    Where the code is larger than the rank of the images, further numbers of it stand for smooth
    patterns that the components leave out. The features of the encoder are half whitened: each
    component is divided by the square root of its standard deviation.
    """
    shape = images.shape[1:]
    encoder = model.get_layer("encoder")
    decoder = model.get_layer("decoder")
    code = decoder.input_shape[1]
    sample = images[evenly_spaced(len(images), SAMPLED)]
    live = SMALL_COMPONENTS if len(images) < SMALL_SET else COMPONENTS

    mean, directions, deviations = _components(sample, max(code, live))
    coded = _complement(directions[:, :code], code, shape)
    spreads = np.pad(deviations[:code], (0, code - len(deviations[:code])), mode="edge")
    kernel = coded / spreads
    encoder.get_layer("linear").set_weights([kernel, -mean @ kernel])

    # The decoder's components are scaled, so that steps of one size suit corrections of all.
    directions = np.concatenate([coded, directions[:, code:]], axis=1)
    deviations = np.concatenate([spreads, deviations[code:]])
    size = decoder.get_layer("components").kernel.shape[0]
    directions = directions[:, :size]
    deviations = deviations[:size]
    scales = np.sqrt(deviations * deviations[0])
    basis = np.zeros((size, mean.size), np.float32)
    basis[: len(scales)] = (directions * scales).T
    decoder.get_layer("components").set_weights([basis, mean])
    linear = np.zeros((code, size), np.float32)
    np.fill_diagonal(linear, deviations[:code] / scales[:code])
    decoder.get_layer("linear").set_weights([linear])
    for layer in (encoder.get_layer("code"), decoder.get_layer("correction")):
        layer.set_weights([np.zeros(weights.shape, np.float32) for weights in layer.weights])

    # The encoder's features, of smaller images where these are large.
    pooled = average(sample, pooling(shape))
    if pooled is not sample:
        mean, directions, deviations = _components(pooled, live)
    features = encoder.get_layer("components").kernel.shape[1]
    directions = directions[:, : min(live, features)]
    deviations = deviations[:live][:features]
    scales = (deviations + NEGLIGIBLE * deviations[0]) ** -0.5
    scales /= np.sqrt(np.mean(np.square(deviations * scales)))
    kernel = np.zeros((mean.size, features), np.float32)
    kernel[:, : len(scales)] = directions * scales
    encoder.get_layer("components").set_weights([kernel, -mean @ kernel])


def component_count(shape: tuple[int, int, int], code: int) -> int:
    """Return how many components the decoder has: 256, fewer for large images, none below `code`.

    >>> sizes = ((64, 64, 3), 16), ((8, 8, 1), 2), ((256, 256, 3), 16)
    >>> tuple(component_count(shape, code) for shape, code in sizes)
    (256, 64, 21)
    """
    pixels = math.prod(shape)
    return min(max(code, min(COMPONENTS, MAX_BASIS // pixels)), max(code, pixels))


def pooling(shape: tuple[int, int, int]) -> int:
    """Return the side of the squares that are averaged for the encoder's correction.

    >>> pooling((28, 28, 1)), pooling((64, 64, 3)), pooling((128, 96, 3))
    (1, 2, 4)
    """
    return min(math.ceil(math.sqrt(math.prod(shape) / MAX_VALUES)), shape[0], shape[1])


def pooled_size(shape: tuple[int, int, int]) -> int:
    """Return how many values an image has once it is averaged down."""
    factor = pooling(shape)
    return -(-shape[0] // factor) * -(-shape[1] // factor) * shape[2]


def average(images: np.ndarray, factor: int) -> np.ndarray:
    """Return images averaged over squares of `factor` pixels, uint8 (N, H / factor, W / factor, C).

    As the model does; smaller squares stand at the ends of sides that `factor` does not divide.
    """
    if factor == 1:
        return images
    model = keras.Sequential([layers.AveragePooling2D(factor, padding="same")])
    batches = np.array_split(images, -(-len(images) // 500))
    pooled = [np.asarray(ops.convert_to_numpy(model(batch.astype("float32")))) for batch in batches]
    return np.round(np.concatenate(pooled)).astype(np.uint8)


def _components(images: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (F,), principal components (F, K) and standard deviations (K,), the largest first.

    On the scale of [0, 1], without components that are nothing but rounding; at least one.
    """
    fitted = PCA.fit(images, count, PASSES)
    directions = fitted.components[:, ::-1]
    deviations = np.maximum(fitted.deviations[::-1] / 255, 0)
    live = max(1, int((deviations > NEGLIGIBLE * deviations[0]).sum()))
    deviations = np.maximum(deviations[:live], MIN_DEVIATION)
    return fitted.mean / 255, directions[:, :live], deviations.astype(np.float32)


def _complement(directions: np.ndarray, count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """`directions` (F, K), filled up to `count` with smooth patterns of `shape`, orthonormal.

    The patterns are products of cosines, those of the lowest frequencies first, for each channel.
    """
    missing = min(count, math.prod(shape)) - directions.shape[1]
    if missing > 0:
        patterns = _cosines(shape, min(count + directions.shape[1], math.prod(shape)))
        left = patterns - directions @ (directions.T @ patterns)
        vectors, _, _ = np.linalg.svd(left, full_matrices=False)
        directions = np.concatenate([directions, vectors[:, :missing]], axis=1)
    absent = count - directions.shape[1]
    return np.pad(directions, ((0, 0), (0, absent))).astype(np.float32)


def _cosines(shape: tuple[int, int, int], count: int) -> np.ndarray:
    """Products of cosines along rows and columns, (F, count), by rising frequency."""
    height, width, channels = shape
    frequencies = sorted(
        (row**2 + column**2, row, column) for row in range(height) for column in range(width)
    )
    patterns = []
    for _, row, column in frequencies[: -(-count // channels)]:
        down = np.cos(np.pi * row * (np.arange(height) + 0.5) / height)
        across = np.cos(np.pi * column * (np.arange(width) + 0.5) / width)
        for channel in range(channels):
            pattern = np.zeros(shape)
            pattern[:, :, channel] = np.outer(down, across)
            patterns.append(pattern.reshape(-1) / np.linalg.norm(pattern))
    return np.stack(patterns[:count], axis=1)


def _hidden(units: int, dropout: float, name: str) -> keras.Sequential:
    parts = [
        layers.Dense(units, kernel_initializer="lecun_normal"),
        layers.RMSNormalization(),
        layers.Activation("gelu"),
    ]
    if dropout:
        parts.append(layers.Dropout(dropout))
    return keras.Sequential(parts, name=name)


def _clip(values: keras.KerasTensor) -> keras.KerasTensor:
    """Values clipped to [0, 1], through which gradients pass as if they were not.

    (Straight-through: Bengio, Leonard and Courville, arXiv:1308.3432, section 2.3.) A value beyond
    [0, 1] has an error, and so a gradient, only where the pixel wants it to come back.
    """
    return values + ops.stop_gradient(ops.clip(values, 0.0, 1.0) - values)
