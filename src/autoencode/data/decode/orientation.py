"""The EXIF orientation of a picture: read, seen in its size, and applied to its pixels."""

from __future__ import annotations

from PIL import Image, ImageOps

# Orientations that swap width and height.
SIDEWAYS = (5, 6, 7, 8)


def read_orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation that is still to be applied, 1 to 8; 1 is upright."""
    # Asking a picture without EXIF for it costs a tenth of decoding it; PNG may hold it at its end.
    if picture.format == "JPEG" and "exif" not in picture.info:
        return 1
    # Pillow turns a TIFF itself when it loads it, and reports the size that it has then.
    if picture.format == "TIFF":
        return 1
    return picture.getexif().get(0x0112, 1)


def swaps_sides(orientation: int, *, transpose: bool) -> bool:
    """Return whether width and height change places by `orientation`, and by `transpose` after it.

    >>> swaps_sides(6, transpose=False), swaps_sides(6, transpose=True)
    (True, False)
    """
    return (orientation in SIDEWAYS) != transpose


def apply_orientation(picture: Image.Image, orientation: int) -> Image.Image:
    """Return `picture` turned and mirrored as its EXIF `orientation` asks.

    An upright one is returned itself.
    """
    return picture if orientation == 1 else ImageOps.exif_transpose(picture)
