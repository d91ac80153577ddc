"""What a model makes of images: the errors and codes of all, the pixels of a few."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from autoencode.engines import Engine
from autoencode.images import Images, evenly_spaced
from autoencode.system.memmap import release
from autoencode.training.events import Evaluation

# Pixels in a batch of test images: 4 MB as float32.
EVALUATION_VALUES = 2**20
# Pixels of training images that are looked at once the model is trained.
MAX_TRAIN_VALUES = 2**26


def evaluate(engine: Engine, images: np.ndarray, examples: int) -> Evaluation:
    """Return what the engine's model makes of uint8 (N, H, W, C).

    The reconstructions of the first `examples` are kept.
    """
    first: list[np.ndarray] = []
    codes: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    extremes: list[float] = []
    for batch in batches_of(images):
        reconstructed = engine.reconstruct(batch)
        if sum(map(len, first)) < examples:
            first.append(reconstructed.images)
        codes.append(reconstructed.codes)
        errors.append(reconstructed.errors)
        extremes += [float(reconstructed.least), float(reconstructed.largest)]
    release(images)
    count = len(images)
    none = np.empty((0, *images.shape[1:]), np.uint8)
    return Evaluation(
        examples=np.concatenate([none, *first])[: min(examples, count)],
        errors=np.concatenate(errors)[:count],
        codes=np.concatenate(codes)[:count],
        least=min(extremes),
        largest=max(extremes),
    )


def train_error(engine: Engine, images: Images) -> float:
    """Return the mean squared error of training images, without noise and augmentation.

    As many as there are test images are taken at most, drawn evenly.
    """
    most = max(1, MAX_TRAIN_VALUES // math.prod(images.shape))
    drawn = images.train[evenly_spaced(len(images.train), min(len(images.test), most))]
    release(images.train)
    return evaluate(engine, drawn, 0).error


def batches_of(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yield batches of one shape, so that they need one compiled program.

    The last is filled up with its last image.
    """
    largest = max(1, EVALUATION_VALUES // math.prod(images.shape[1:]))
    size = math.ceil(len(images) / math.ceil(len(images) / largest))
    for first in range(0, len(images), size):
        batch = images[first : first + size]
        yield np.concatenate([batch, batch[-1:].repeat(size - len(batch), 0)])
