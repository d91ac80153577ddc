"""A picture is resized, and padded, cropped or stretched to the size of the plan."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from autoencode.data.decode.limits import MAX_PIXELS, Unreadable
from autoencode.data.decode.plan import Plan


def fit(picture: Image.Image, plan: Plan) -> np.ndarray:
    """Return `picture`, mode L or RGB, its bands taken, as uint8 (H, W, C) of `plan`."""
    mode = "L" if plan.channels == 1 else "RGB"
    picture = picture if picture.mode == mode else picture.convert(mode)
    frame = plan.width, plan.height
    inner = inner_size(picture.size, frame, plan.fit)
    if math.prod(inner) > MAX_PIXELS:
        raise Unreadable(
            f"at {inner[0]:,} x {inner[1]:,} pixels, which {plan.fit} makes of it, it would fill "
            "memory"
        )
    if picture.size != inner:
        picture = picture.resize(inner, Image.Resampling.LANCZOS)
    if inner != frame:
        # Negative where "crop" cuts off.
        left = (frame[0] - inner[0]) // 2
        top = (frame[1] - inner[1]) // 2
        page = Image.new(mode, frame)
        page.paste(picture, (left, top))
        picture = page
    # Twice as fast as asarray.
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(plan.shape)


def picture_of(pixels: np.ndarray) -> Image.Image:
    """Return uint8 (H, W, C) with C 1 or 3 as a PIL image."""
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def inner_size(size: tuple[int, int], frame: tuple[int, int], how: str) -> tuple[int, int]:
    """Return the size (width, height) at which a picture of `size` lies in or over `frame`."""
    if how == "stretch":
        return frame
    ratios = frame[0] / size[0], frame[1] / size[1]
    scale = min(ratios) if how == "pad" else max(ratios)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
