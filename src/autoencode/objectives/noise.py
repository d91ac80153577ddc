"""Noise on the encoder's input: the target stays clean, so the model learns to remove it.

(Denoising autoencoders: Vincent, Larochelle, Bengio and Manzagol, ICML 2008.)
"""

import keras
from keras import ops, random


class Corrupt(keras.layers.Layer):
    """Images (N, H, W, C) with noise of the given strengths, kept in [0, 1]."""

    def __init__(self, strengths: dict[str, float], seed: int | None = None) -> None:
        super().__init__(name="corrupt", dtype="float32")
        self._strengths = strengths
        self._seeds = random.SeedGenerator(seed)

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        for name, strength in self._strengths.items():
            images = NOISES[name](images, strength, self._seeds)
        return images


def gaussian(images, deviation, seed):
    """Add normal noise with `deviation`, on the scale of [0, 1], and cut at 0 and 1."""
    return ops.clip(images + random.normal(ops.shape(images), 0.0, deviation, seed=seed), 0, 1)


def mask(images, share, seed):
    """Set a `share` of the pixels to 0, all channels of a pixel together."""
    return images * ops.cast(_uniform(images, seed) >= share, images.dtype)


def salt(images, share, seed):
    """Set half of a `share` of the pixels to 0, the other half to 1 (salt and pepper)."""
    drawn = _uniform(images, seed)
    return ops.where(drawn < share / 2, 0.0, ops.where(drawn < share, 1.0, images))


NOISES = {"gaussian": gaussian, "mask": mask, "salt": salt}


def _uniform(images, seed):
    count, height, width, _ = ops.shape(images)
    return random.uniform((count, height, width, 1), seed=seed)
