"""The pages and frames of one picture file become pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from autoencode.data.decode.array_images import channels_last, fit_array, frame_of, is_one_image
from autoencode.data.decode.channels import make_plain
from autoencode.data.decode.limits import (
    MAX_PIXELS,
    Unreadable,
    as_unreadable,
    check_pixels,
    hold_decoded,
)
from autoencode.data.decode.opening import open_picture
from autoencode.data.decode.orientation import apply_orientation, read_orientation, swaps_sides
from autoencode.data.decode.plan import Plan, Tally
from autoencode.data.decode.resizing import fit, inner_size
from autoencode.data.decode.tiff import REDUCED, in_native_order, read_tag


def decode(file: Any, plan: Plan, tally: Tally | None = None) -> np.ndarray:
    """Return the picture in `file` as uint8 (H, W, C) of `plan`; raise `Unreadable` with the
    reason.

    `file` is a path (str), the content (bytes), a PIL image or an array. EXIF rotation is applied,
    transparency laid on white, other depths than 8 bits are scaled as the plan says, of an
    animation the first frame is taken.
    """
    decoded = next(decode_frames(file, (0,), plan, tally))
    # Of several pages alone, a reason stands in the place of one.
    if isinstance(decoded, Unreadable):
        raise decoded
    return decoded


def decode_frames(
    file: Any, frames: Sequence[int], plan: Plan, tally: Tally | None = None
) -> Iterator[np.ndarray | Unreadable]:
    """Give the pictures of `file` at ascending `frames`, counted from 0, each as `decode` does.

    For a page that cannot be read among others of a TIFF, the reason is given in its place.
    """
    tally = Tally() if tally is None else tally
    with open_picture(file, plan.max_pixels) as picture:
        if isinstance(picture, np.ndarray):
            for frame in frames:
                yield fit_array(frame_of(picture, frame, plan.bands), plan, tally)
            return
        for frame in frames:
            try:
                seek_frame(picture, frame, plan)
                image = _decode_one(picture, plan, tally, is_last=frame == frames[-1])
            except Exception as error:
                if not has_more_pages(picture, frames):
                    raise
                image = as_unreadable(error)
            yield image


def has_more_pages(picture: Image.Image, frames: Sequence[int]) -> bool:
    """Whether `frames` are several pages, each of which is read by itself: frames of animations
    build on one another.
    """
    return picture.format == "TIFF" and len(frames) > 1


def seek_frame(picture: Image.Image, frame: int, plan: Plan) -> None:
    """Go to a page or frame, counted from 0; raise `Unreadable` where it has too many pixels."""
    if frame:
        picture.seek(frame)
        check_pixels(picture, plan.max_pixels)
    if picture.format == "TIFF" and isinstance(picture, ImageFile.ImageFile):
        picture.tile = [in_native_order(tile) for tile in picture.tile]


def _decode_one(picture: Image.Image, plan: Plan, tally: Tally, *, is_last: bool) -> np.ndarray:
    orientation = read_orientation(picture)
    is_sideways = swaps_sides(orientation, transpose=plan.transpose)
    frame = (plan.height, plan.width) if is_sideways else (plan.width, plan.height)
    inner = inner_size(picture.size, frame, plan.fit)
    full_pixels = math.prod(picture.size)
    if plan.bands is None:
        # JPEG alone: decodes straight to a smaller picture.
        picture.draft("L" if plan.channels == 1 else "RGB", inner)

    with hold_decoded(picture, full_pixels):
        picture = apply_orientation(picture, orientation)
        plain = make_plain(picture, plan.scale, tally, plan.bands, keep=not is_last)
        if plan.transpose:
            plain = plain.transpose(Image.Transpose.TRANSPOSE)
        return fit(plain, plan)


def count_frames(file: Any, bands: tuple[int, ...] | None = None) -> tuple[list[int], int]:
    """Return the indices of the images of `file`, and how many more pages are but smaller copies of
    another.

    With `bands`, an array of three axes is one image of any number of channels. Raises `Unreadable`
    where the file cannot be opened.
    """
    with open_picture(file, MAX_PIXELS, check=False) as picture:
        if isinstance(picture, np.ndarray):
            array = channels_last(picture, bands)
            return list(range(1 if is_one_image(array, bands) else len(array))), 0
        count = getattr(picture, "n_frames", 1)
        if picture.format != "TIFF" or count == 1:
            return list(range(count)), 0
        frames = []
        for frame in range(count):
            picture.seek(frame)
            if not int(read_tag(picture, 254, 0)) & REDUCED:
                frames.append(frame)
        return frames, count - len(frames)
