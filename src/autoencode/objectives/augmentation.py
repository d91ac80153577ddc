"""Images moved a little, anew in every epoch, so that a model does not overfit them.

Shift, rotation, scale and elastic distortion are one field of displacements, applied along rows and
then along columns (two passes: Catmull and Smith, SIGGRAPH 1980). Each pass is a sum over the few
whole displacements in reach, weighted by the cubic kernel of Keys (IEEE Transactions on Acoustics,
Speech, and Signal Processing 29, 1981, 1153-1160), a = -0.5: linear interpolation blurs, and a
model that learns from blurred images reconstructs sharp ones worse (0.0063 and not 0.0060).
Multiplications and additions of whole images, where gathering pixels one by one takes ten times as
long on a CPU.
"""

import math

import keras
import numpy as np
from keras import ops, random

UNCHANGED = 0.2  # share of the images that are left as they are, since test images are
# Points a side between which the elastic field runs smoothly (after Simard, Steinkraus and Platt,
# ICDAR 2003).
COARSE = 4


class Augment(keras.layers.Layer):
    """Images (N, H, W, C), each moved by random amounts of its own, at most those given.

    What comes in from outside repeats the border.

    "mix" blends each image with the one before it in the batch, of which it takes a random share up
    to the strength given (after Zhang and others, arXiv:1710.09412, section 2, with uniform
    shares).
    """

    def __init__(self, strengths: dict[str, float]) -> None:
        super().__init__(name="augment", dtype="float32")
        self._strengths = strengths
        self._seeds = random.SeedGenerator()

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        if probability := self._strengths.get("flip"):
            flipped = self._uniform(images, (1, 1, 1), 0, 1) < probability
            images = ops.where(flipped, ops.flip(images, 2), images)
        if self._strengths.keys() - {"flip", "mix"}:
            images = self._warped(images)
        if most := self._strengths.get("mix"):
            share = self._uniform(images, (1, 1, 1), 0, most)
            images = images + share * (ops.roll(images, 1, axis=0) - images)
        return images

    def _warped(self, images):
        height, width = images.shape[1:3]
        down = (np.arange(height, dtype=np.float32) - (height - 1) / 2)[None, :, None]
        across = (np.arange(width, dtype=np.float32) - (width - 1) / 2)[None, None, :]
        shift, angle, scale, elastic = (
            self._strengths.get(name, 0.0) for name in ("shift", "rotate", "scale", "elastic")
        )
        move_x, move_y = (self._uniform(images, (1, 1), -shift, shift) for _ in range(2))
        turn = self._uniform(images, (1, 1), -angle, angle) * (math.pi / 180)
        grow = self._uniform(images, (1, 1), -scale, scale)
        # Catmull and Smith: rows are moved so that columns, moved after them, end where the turned
        # and scaled pixel lies.
        field_x = (
            ((1 + grow) / ops.cos(turn) - 1) * across + ops.tan(turn) * (move_y - down) + move_x
        )
        field_y = (
            (1 + grow) * ops.sin(turn) * across + ((1 + grow) * ops.cos(turn) - 1) * down + move_y
        )
        if elastic:
            field_x = field_x + elastic * self._smooth(images)
            field_y = field_y + elastic * self._smooth(images)
        moved = self._uniform(images, (1, 1), 0, 1) >= UNCHANGED
        field_x, field_y = (ops.where(moved, field, 0.0) for field in (field_x, field_y))
        # (N, C, H, W): four times as fast with the pixels of a row side by side.
        planes = ops.moveaxis(images, 3, 1)
        reach_x, reach_y = _reaches(height, width, shift, angle, scale, elastic)
        planes = _moved(planes, field_x[:, None], 3, reach_x)
        planes = _moved(planes, field_y[:, None], 2, reach_y)
        return ops.moveaxis(ops.clip(planes, 0, 1), 1, 3)  # the kernel overshoots at edges

    def _smooth(self, images):
        """A field (N, H, W) in [-1, 1] that runs linearly between points drawn on a coarse grid."""
        points = self._uniform(images, (COARSE, COARSE), -1, 1)
        rows, columns = (ops.convert_to_tensor(_interpolation(size)) for size in images.shape[1:3])
        return ops.einsum("hp,npq,wq->nhw", rows, points, columns)

    def _uniform(self, images, shape, least, most):
        return random.uniform((ops.shape(images)[0], *shape), least, most, seed=self._seeds)


def _reaches(height, width, shift, angle, scale, elastic):
    """The whole steps that the fields reach along rows and columns, one more for the kernel."""
    turn = angle * math.pi / 180
    right = (width - 1) / 2
    below = (height - 1) / 2
    x = ((1 + scale) / math.cos(turn) - 1) * right + math.tan(turn) * (below + shift)
    y = (1 + scale) * math.sin(turn) * right + max(scale, 1 - (1 - scale) * math.cos(turn)) * below
    # Nothing comes from further than the other border.
    return tuple(
        min(math.ceil(1 + shift + elastic + most), size - 1)
        for most, size in ((x, width), (y, height))
    )


def _moved(images, field, axis, reach):
    """Return images (N, C, H, W) whose pixel at x comes from x + field(x) along `axis`.

    Where the kernel reaches over the border, the weights of the pixels within are scaled up to 1.
    (Repeating the border instead keeps XLA from vectorising: 27 ms for 256 images of 28 x 28, and
    not 4.)
    """
    size = images.shape[axis]
    place = np.arange(size).reshape((size, 1) if axis == 2 else (size,))
    field = ops.clip(field, -place.astype(np.float32), (size - 1 - place).astype(np.float32))
    beside = [[0, 0] for _ in images.shape]
    beside[axis] = [reach, reach]
    wide = ops.pad(images, beside)
    total = 0.0
    weights = 0.0
    for step in range(-reach, reach + 1):
        begin = step + reach
        part = wide[:, :, begin : begin + size] if axis == 2 else wide[..., begin : begin + size]
        weight = _kernel(ops.abs(field - step)) * (
            (place + step >= 0) & (place + step < size)
        ).astype(np.float32)
        total = total + weight * part
        weights = weights + weight
    return total / weights


def _kernel(distance):
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return ops.where(distance < 1, near, ops.where(distance < 2, far, 0.0))


def _interpolation(size: int) -> np.ndarray:
    """Weights (size, COARSE) that draw lines between points spread evenly from end to end."""
    places = np.linspace(0, COARSE - 1, size)[:, None] if size > 1 else np.zeros((1, 1))
    return np.maximum(0, 1 - np.abs(places - np.arange(COARSE))).astype(np.float32)
