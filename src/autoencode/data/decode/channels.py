"""The channels of a picture: grey, colour, transparency and chosen bands become 8-bit L or RGB."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce

import numpy as np
from PIL import Image

from autoencode.data.decode.depth import stored_values
from autoencode.data.decode.limits import Unreadable
from autoencode.data.decode.plan import Tally
from autoencode.data.scaling import Scale

# Pixels that are converted at a time.
STRIP = 2**20
TRANSPARENT = ("RGBA", "LA", "PA", "La", "RGBa")
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
# Levels by which the channels of a grey picture may differ after JPEG.
TOLERANCE = 8


def _take_bands(picture: Image.Image, bands: tuple[int, ...]) -> Image.Image:
    """The channels `bands` of a picture of 8 bits, as its file holds them: alpha is the last."""
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert({"La": "LA", "RGBa": "RGBA"}[picture.mode])
    elif picture.mode not in ("L", "LA", "RGB", "RGBA"):
        is_transparent = picture.mode == "PA" or "transparency" in picture.info
        picture = picture.convert("RGBA" if is_transparent else "RGB")
    channels = picture.split()
    check_bands(bands, len(channels))
    taken = [channels[band] for band in bands]
    return taken[0] if len(taken) == 1 else Image.merge("RGB", taken)


def check_bands(bands: tuple[int, ...], count: int) -> None:
    """Raise `Unreadable` where a picture of `count` channels lacks one of `bands`."""
    if max(bands) >= count:
        held = "1 channel" if count == 1 else f"{count} channels"
        asked = f"`bands` asks for channel {max(bands)}, counted from 0"
        raise Unreadable(f"it has {held}, and {asked}")


def is_grey(pixels: np.ndarray) -> bool:
    """Whether the channels of uint8 (H, W, C) differ by no more than JPEG makes them."""
    channels = [pixels[..., channel] for channel in range(pixels.shape[2])]
    # Ten times faster than along the last axis.
    spread = reduce(np.maximum, channels) - reduce(np.minimum, channels)
    return int(spread.max()) <= TOLERANCE


def make_plain(
    picture: Image.Image,
    scale: Scale,
    tally: Tally,
    bands: tuple[int, ...] | None = None,
    *,
    keep: bool = False,
) -> Image.Image:
    """Return `picture` as 8-bit L or RGB, its values scaled, transparency laid on white.

    With `bands`, these channels of it are returned. It may be closed by that, unless `keep`. Raises
    `Unreadable` where it has no such channels.
    """
    values = stored_values(picture)
    if bands is not None and (values is not None or picture.mode == "1"):
        check_bands(bands, 1)
    if values is not None:
        pixels, cut = scale.to_pixels(values)
        tally.add_array(values, cut)
        return Image.fromarray(pixels)

    if picture.mode == "1":
        tally.add("bool", math.prod(picture.size), 0)
        return picture.convert("L")
    if bands is not None:
        plain = _take_bands(picture, bands)
    elif picture.mode in TRANSPARENT or "transparency" in picture.info:
        plain = _on_white(picture, keep=keep)
    else:
        plain = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    return _scale_eight_bits(plain, scale, tally)


def _scale_eight_bits(picture: Image.Image, scale: Scale, tally: Tally) -> Image.Image:
    if scale.is_identity("uint8"):
        tally.add("uint8", math.prod(picture.size), 0)
        return picture
    least, largest = scale.range_of("uint8")
    table, _ = scale.to_pixels(np.arange(256, dtype=np.uint8))
    histogram = np.array(picture.histogram()).reshape(-1, 256)
    levels = np.arange(256)
    cut = int(histogram[:, (levels < least) | (levels > largest)].sum())
    tally.add("uint8", int(histogram.sum()), cut)
    return picture.point(table.tolist() * len(picture.getbands()))


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The rows of a picture of `size`, a few at a time: conversions of a whole would need several
    times its memory.
    """
    rows = max(1, STRIP // size[0])
    return ((first, min(first + rows, size[1])) for first in range(0, size[1], rows))


def _on_white(picture: Image.Image, *, keep: bool) -> Image.Image:
    picture.load()
    page = Image.new("RGB", picture.size)
    for first, last in _strips(picture.size):
        strip = picture.crop((0, first, picture.width, last)).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        page.paste(Image.alpha_composite(white, strip).convert("RGB"), (0, first))
    if not keep:
        # A large one would stay in memory beside the page.
        picture.close()
    return page
