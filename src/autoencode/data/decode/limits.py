"""How large a picture may be, how many bytes decoding it holds, and the error of one that cannot be
read.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

from PIL import Image, UnidentifiedImageError

from autoencode.data.budget import decoded_bytes
from autoencode.errors import AutoencodeError, reason

# Of one picture: 67 million, 268 MB as Pillow keeps RGB; more is taken for a decompression bomb.
MAX_PIXELS = 2**26
# Bytes of a file, or of a picture, up to which none are held for it.
SMALL = 2**22
# Bytes of one file.
MAX_BYTES = 2**28
# Of a progressive JPEG, whose coefficients are decoded before it is made smaller.
MAX_PROGRESSIVE_PIXELS = 2**28
NOT_REGULAR = "it is a pipe, a socket or a device"


class Unreadable(AutoencodeError):
    """A picture that cannot be read; its text is the reason alone."""


def as_unreadable(error: Exception) -> Unreadable:
    """Return what Pillow raises on broken and hostile files as the reason they cannot be read."""
    if isinstance(error, Unreadable):
        return error
    if isinstance(error, UnidentifiedImageError):
        return Unreadable("it is not a picture of a known format")
    if isinstance(error, Image.DecompressionBombError):
        return Unreadable(f"it holds more than {MAX_PIXELS:,} pixels")
    # Decoders raise almost anything: OSError, SyntaxError, struct.error, MemoryError.
    words = reason(error)
    return Unreadable(f"it is damaged ({words})" if words.startswith("decoder error") else words)


def hold_decoded(picture: Image.Image, full_pixels: int) -> Any:
    """Return a context that holds the bytes that decoding takes; small pictures hold none."""
    cost = _decoding_cost(picture, full_pixels)
    return nullcontext() if cost <= SMALL else decoded_bytes.hold(cost)


def check_pixels(picture: Image.Image, max_pixels: int) -> None:
    """Raise `Unreadable` where a picture is too large to be decoded.

    A JPEG is decoded straight to a smaller one.
    """
    pixels = math.prod(picture.size)
    if picture.format == "JPEG":
        is_progressive = bool(picture.info.get("progressive"))
        max_pixels = max(max_pixels, MAX_PROGRESSIVE_PIXELS if is_progressive else 2**32)
    if pixels > max_pixels:
        raise Unreadable(
            f"it holds {pixels:,} pixels, more than {max_pixels:,}: make it smaller, or allow it "
            "with "
            f"`max_pixels={pixels}`"
        )


def _decoding_cost(picture: Image.Image, full_pixels: int) -> int:
    """The bytes that decoding and converting take at the most: twice what Pillow keeps of the
    picture.

    A progressive JPEG has all coefficients of its `full_pixels` in memory as well, of two bytes.
    """
    size = 1 if picture.mode in ("1", "L", "P") else 4
    cost = 2 * size * math.prod(picture.size)
    is_progressive = picture.format == "JPEG" and picture.info.get("progressive")
    return cost + 3 * full_pixels if is_progressive else cost


def check_bytes(size: int) -> None:
    """Raise `Unreadable` where a file of `size` bytes is empty, or too large to be read."""
    if size == 0:
        raise Unreadable("the file is empty")
    if size > MAX_BYTES:
        raise Unreadable(f"the file holds {size:,} bytes, more than {MAX_BYTES:,}")
