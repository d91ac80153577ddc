"""A trained Keras model, ready to be used: images to codes, codes to images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from autoencode import engines, metrics
from autoencode.errors import AutoencodeError
from autoencode.inference import refinement
from autoencode.system.memmap import release

if TYPE_CHECKING:
    import keras


# Rows that go through a model at once: many where there are many, else few, the rest filled up with
# zeros. So there are two programs, and a row alone gives what it gives among others.
MANY = 2048
FEW = 256
MAX_VALUES = 2**22  # in one batch: 16 MB as float32
KEPT_CODES = 10_000  # of training images, which tell where codes lie; more say the same


class Trained:
    """A Keras model with the layers `encoder` and `decoder`, used on any number of rows.

    `shape` is that of an image, (H, W, C), `code` the size of a code, `notes` what was assumed of
    the model, a line each.
    Raises `AutoencodeError` where `model` is not such a model, see `models.halves`.

    >>> Trained(model).encode(np.zeros((5, 28, 28, 1), "uint8")).shape  # doctest: +SKIP
    (5, 16)
    """

    def __init__(self, model: keras.Model) -> None:
        from autoencode.models import halves  # which imports Keras

        self.model = model
        self.encoder, self.decoder, self.shape, self.code, self.notes = halves.split(model)

    @property
    def batch_size(self) -> int:
        """Images that go through at once."""
        return _rows(self.shape)

    def encode(self, images: np.ndarray, refine: int = 0) -> np.ndarray:
        """Return the codes, float32 (N, code), of images, uint8 (N, H, W, C).

        `refine` steps of gradient descent follow the encoder's own code, see `refinement`.
        """
        self._check_images(images)
        encode = partial(self._refined, steps=refine) if refine else self._encode
        return _through(encode, images, (self.code,))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the images, float32 (N, H, W, C), mostly within [0, 1], of codes (N, code)."""
        if codes.ndim != 2 or codes.shape[1] != self.code:
            raise AutoencodeError(f"expected codes (N, {self.code}), received {codes.shape}.")
        return _through(self._decode, np.asarray(codes, np.float32), self.shape)

    def reconstruct_batches(
        self, images: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield images, uint8 (N, H, W, C), in batches, each with its codes and reconstructions.

        Codes are float32 (n, code), reconstructions float32 (n, H, W, C).
        """
        size = self.batch_size
        for first in range(0, len(images), size):
            batch = images[first : first + size]
            codes = self.encode(batch)
            yield batch, codes, self.decode(codes)
            release(images)

    def errors(self, images: np.ndarray) -> np.ndarray:
        """Return the mean squared error of each reconstruction, float32 (N,), pixels in [0, 1].

        `images` are uint8 (N, H, W, C).
        """
        return np.concatenate(
            [
                metrics.squared_errors(batch, floats)
                for batch, _, floats in self.reconstruct_batches(images)
            ]
        )

    def _refined(self, images: np.ndarray, steps: int) -> np.ndarray:
        errors_and_gradients = partial(self._errors_and_gradients, images=images)
        return refinement.refine(self._encode(images), errors_and_gradients, steps)

    def _check_images(self, images: np.ndarray) -> None:
        if images.dtype != np.uint8 or images.shape[1:] != self.shape:
            shape = ", ".join(map(str, self.shape))
            raise AutoencodeError(
                f"expected images of uint8 (N, {shape}), as the model was trained on, "
                f"received {images.dtype} {images.shape}."
            )

    @cached_property
    def _encode(self) -> Callable[[np.ndarray], np.ndarray]:
        return engines.compiled(self.encoder)

    @cached_property
    def _errors_and_gradients(self) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
        return engines.errors_and_gradients(self.decoder)

    @cached_property
    def _decode(self) -> Callable[[np.ndarray], np.ndarray]:
        return engines.compiled(self.decoder)


def _rows(shape: tuple[int, ...]) -> int:
    return max(1, min(MANY, MAX_VALUES // int(np.prod(shape))))


def _through(
    function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    results = np.empty((len(rows), *shape), np.float32)
    size = _rows(max(rows.shape[1:], shape, key=np.prod))
    first = 0
    while first < len(rows):
        step = size if first + size <= len(rows) else min(FEW, size)
        batch = rows[first : first + step]
        count = len(batch)
        if count < step:
            batch = np.pad(batch, [(0, step - count)] + [(0, 0)] * (rows.ndim - 1))
        results[first : first + step] = function(batch)[:count]
        first += step
        release(rows)
    return results
