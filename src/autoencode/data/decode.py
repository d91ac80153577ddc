"""One picture file becomes pixels, as a viewer would show it. Knows Pillow and sizes; no folder and no archive."""

from __future__ import annotations

import io
import math
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import reduce

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from autoencode.errors import AutoencodeError, reason

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
MOST_PIXELS = 2**26  # of one picture: 67 million, 268 MB as Pillow keeps RGB; more is taken for a decompression bomb
LARGE = 2**23  # pixels; of pictures with more, one is decoded at a time
STRIP = 2**20  # pixels that are converted at a time
MOST_BYTES = 2**28  # of one file
TRANSPARENT = ("RGBA", "LA", "PA", "La", "RGBa")
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
TOLERANCE = 8  # levels by which the channels of a grey picture may differ after JPEG

# Pictures over MOST_PIXELS are refused here, with the reason; Pillow would warn on the screen of some smaller ones.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


_one_large = threading.Lock()
# Pieces of this size go back to the system as soon as a picture is done with; of smaller ones, each thread keeps its own.
Image.core.set_block_size(2**26)


class Unreadable(AutoencodeError):
    """A picture that cannot be read; its text is the reason alone."""


@dataclass(frozen=True)
class Plan:
    """What every picture becomes: `height` x `width` pixels with `channels` (1 grey, 3 RGB), fitted as `fit` says.

    "pad" keeps the whole picture and fills up with black, "crop" fills the frame and cuts off what stands out,
    "stretch" changes the proportions.
    """

    height: int
    width: int
    channels: int
    fit: str = "pad"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels


def decode(file: bytes | str, plan: Plan) -> np.ndarray:
    """Return the picture in `file`, its path (str) or content (bytes), as uint8 (H, W, C) of `plan`; raise `Unreadable` with the reason.

    EXIF rotation is applied, transparency laid on white, 16-bit values are scaled to 8, of an animation the first frame
    is taken.
    """
    with _opened(file) as picture:
        orientation = _orientation(picture)
        height, width = (plan.width, plan.height) if orientation in SIDEWAYS else (plan.height, plan.width)
        inner = _inner_size(picture.size, (width, height), plan.fit)
        picture.draft("L" if plan.channels == 1 else "RGB", inner)  # JPEG alone: decodes straight to a smaller picture
        picture = ImageOps.exif_transpose(picture) if orientation != 1 else picture
        return fit(_plain(picture), plan)


def fit(picture: Image.Image, plan: Plan) -> np.ndarray:
    """Return `picture`, mode L or RGB, as uint8 (H, W, C) of `plan`."""
    mode = "L" if plan.channels == 1 else "RGB"
    picture = picture if picture.mode == mode else picture.convert(mode)
    frame = plan.width, plan.height
    inner = _inner_size(picture.size, frame, plan.fit)
    if math.prod(inner) > MOST_PIXELS:
        raise Unreadable(f"at {inner[0]:,} x {inner[1]:,} pixels, which {plan.fit} makes of it, it would fill memory")
    if picture.size != inner:
        picture = picture.resize(inner, Image.Resampling.LANCZOS)
    if inner != frame:
        left, top = (frame[0] - inner[0]) // 2, (frame[1] - inner[1]) // 2  # negative where "crop" cuts off
        page = Image.new(mode, frame)
        page.paste(picture, (left, top))
        picture = page
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(plan.shape)  # twice as fast as asarray


@dataclass(frozen=True)
class Probe:
    """What a look at one picture shows: its size as a viewer shows it, whether it is grey, its least and largest value."""

    width: int
    height: int
    grey: bool
    least: int
    largest: int


def probe(file: bytes | str) -> Probe:
    """Look at a picture; raise `Unreadable` with the reason."""
    with _opened(file) as picture:
        width, height = picture.size
        if _orientation(picture) in SIDEWAYS:
            width, height = height, width
        mode = picture.mode
        picture.draft(None, (64, 64))
        plain = _plain(picture)
        plain.thumbnail((64, 64), Image.Resampling.BOX)
        pixels = np.asarray(plain)
        grey = mode in GREY or pixels.ndim == 2 or is_grey(pixels)
        return Probe(width, height, grey, int(pixels.min()), int(pixels.max()))


def is_grey(pixels: np.ndarray) -> bool:
    """Whether the channels of uint8 (H, W, C) differ by no more than JPEG makes them."""
    channels = [pixels[..., channel] for channel in range(pixels.shape[2])]
    spread = reduce(np.maximum, channels) - reduce(np.minimum, channels)  # ten times faster than along the last axis
    return int(spread.max()) <= TOLERANCE


@contextmanager
def _opened(file: bytes | str) -> Iterator[Image.Image]:
    """Open a picture, and turn whatever Pillow raises on broken and hostile files into `Unreadable`."""
    try:
        if isinstance(file, str):
            # In one go and without a buffer: Pillow reads headers byte by byte, and a buffer costs a tenth of decoding.
            with open(file, "rb", buffering=0) as opened:
                _check_bytes(os.fstat(opened.fileno()).st_size)
                file = opened.read()
        _check_bytes(len(file))
        with Image.open(io.BytesIO(file)) as picture:
            pixels = math.prod(picture.size)
            if pixels > MOST_PIXELS:
                raise Unreadable(f"it holds {pixels:,} pixels, more than {MOST_PIXELS:,}")
            with _one_large if pixels > LARGE else nullcontext():
                yield picture
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable("it is not a picture of a known format") from error
    except Image.DecompressionBombError as error:
        raise Unreadable(f"it holds more than {MOST_PIXELS:,} pixels") from error
    except Exception as error:  # decoders raise almost anything: OSError, SyntaxError, struct.error, MemoryError
        raise Unreadable(reason(error)) from error


def _orientation(picture: Image.Image) -> int:
    # Asking a picture without EXIF for it costs a tenth of decoding it; PNG may hold it at its end, TIFF in its tags.
    if picture.format == "JPEG" and "exif" not in picture.info:
        return 1
    return picture.getexif().get(0x0112, 1)


def _check_bytes(size: int) -> None:
    if size == 0:
        raise Unreadable("the file is empty")
    if size > MOST_BYTES:
        raise Unreadable(f"the file holds {size:,} bytes, more than {MOST_BYTES:,}")


def _plain(picture: Image.Image) -> Image.Image:
    """The picture as 8-bit L or RGB, transparency laid on white."""
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        top, pixels = values.max(initial=0, where=np.isfinite(values)), np.empty(values.shape, np.uint8)
        for first, last in _strips(picture.size):
            pixels[first:last] = _eight_bits(values[first:last], picture.mode, top)
        return Image.fromarray(pixels)
    if picture.mode in TRANSPARENT or "transparency" in picture.info:
        return _on_white(picture)
    return picture if picture.mode in ("L", "RGB") else picture.convert("L" if picture.mode == "1" else "RGB")


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The rows of a picture of `size`, a few at a time: conversions of a whole would need several times its memory."""
    rows = max(1, STRIP // size[0])
    return ((first, min(first + rows, size[1])) for first in range(0, size[1], rows))


def _on_white(picture: Image.Image) -> Image.Image:
    picture.load()
    page = Image.new("RGB", picture.size)
    for first, last in _strips(picture.size):
        strip = picture.crop((0, first, picture.width, last)).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        page.paste(Image.alpha_composite(white, strip).convert("RGB"), (0, first))
    picture.close()  # a large one would stay in memory beside the page
    return page


def _eight_bits(values: np.ndarray, mode: str, top: float) -> np.ndarray:
    """Grey values of other depths as uint8: 16 bits always scaled, 32 bits where they exceed 255, floats up to 1.

    `top` is the largest of the whole picture.
    """
    values = np.nan_to_num(values.astype(np.float64))
    if mode.startswith("I;16") or (mode == "I" and top > 255):
        values = values / 257  # 65535 is white
    elif mode == "F" and top <= 1:
        values = values * 255
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _inner_size(size: tuple[int, int], frame: tuple[int, int], how: str) -> tuple[int, int]:
    """The size (width, height) at which a picture of `size` lies in or over `frame`."""
    if how == "stretch":
        return frame
    ratios = frame[0] / size[0], frame[1] / size[1]
    scale = min(ratios) if how == "pad" else max(ratios)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
