"""Images to codes and back, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autoencode.data.streaming import Stream
from autoencode.images import to_pixels
from autoencode.inference.results import Codes
from autoencode.inference.rows import row_fields
from autoencode.inference.saved_model import Opened


def encode(opened: Opened, stream: Stream, *, refine: int = 0) -> Codes:
    """Return the codes of all images of `stream` that can be read.

    `refine` as for `Trained.encode`. Raises `UsageError` where the codes of a quantized model are
    to be refined.
    """
    opened.saved.check_refinable(refine)
    bits = opened.saved.bits
    values = encode_stream(opened, stream, refine)
    return Codes(values=values, bits=bits, **row_fields(stream))


def encode_stream(opened: Opened, stream: Stream, refine: int = 0) -> np.ndarray:
    """Return the codes alone, float32 (N, K); `refine` as for `Trained.encode`."""
    codes = np.empty((len(stream), opened.trained.code), np.float32)
    filled = 0
    for images in stream.batches(opened.trained.batch_size):
        codes[filled : filled + len(images)] = opened.encode(images, refine)
        filled += len(images)
    return codes[:filled]


def decode(opened: Opened, codes: np.ndarray) -> np.ndarray:
    """Return the images, uint8 (N, H, W, C), of `codes`, float (N, K)."""
    return to_pixels(opened.decode(codes))


def decode_batches(opened: Opened, codes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the images of `codes`, float (N, K), in batches, uint8 (n, H, W, C)."""
    size = opened.trained.batch_size
    for first in range(0, len(codes), size):
        yield decode(opened, codes[first : first + size])
