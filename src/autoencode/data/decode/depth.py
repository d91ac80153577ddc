"""The values of a picture as its file stores them, where these are deeper than 8 bits."""

from __future__ import annotations

import numpy as np
from PIL import Image

from autoencode.data.decode.tiff import first_of, is_signed, read_tag


def stored_values(picture: Image.Image) -> np.ndarray | None:
    """Return the values of a picture, (H, W), as they are stored; None of unsigned 8 bits."""
    if not is_deep(picture):
        return None
    values = np.asarray(picture)
    if picture.mode == "L":
        return values.view(np.int8)
    if picture.format == "FITS" and values.dtype.itemsize == 2:
        return values.astype(np.uint16, copy=False).view(np.int16)
    if picture.mode.startswith("I;16"):
        values = values.astype(np.uint16, copy=False)
        # Pillow inverts 8 bits alone.
        is_negative = picture.format == "TIFF" and read_tag(picture, 262) == 0
        return ~values if is_negative else values
    if picture.mode == "I":
        return values.astype(_integer_dtype(picture), copy=False)
    return values


def is_deep(picture: Image.Image) -> bool:
    """Return whether values have another depth than unsigned 8 bits."""
    is_signed_bytes = picture.mode == "L" and is_signed(picture)
    return picture.mode.startswith("I") or picture.mode == "F" or is_signed_bytes


def _integer_dtype(picture: Image.Image) -> str:
    """What a picture that Pillow keeps as 32-bit integers holds in its file."""
    # They are of 16 bits.
    if picture.format in ("PNG", "PPM"):
        return "uint16"
    if picture.format != "TIFF":
        return "int32"
    if first_of(read_tag(picture, 258, 32)) == 16:
        return "int16" if is_signed(picture) else "uint16"
    return "int32" if is_signed(picture) else "uint32"
