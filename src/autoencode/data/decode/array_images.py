"""Arrays as images: which axis holds channels, which image is a frame, and values to pixels."""

from __future__ import annotations

import numpy as np

from autoencode.data.decode.alpha import is_alpha, lay_on_white
from autoencode.data.decode.channels import check_bands
from autoencode.data.decode.limits import Unreadable
from autoencode.data.decode.plan import Plan, Tally
from autoencode.data.decode.resizing import fit, picture_of

# Channels that an image may have, unless `bands` says which to take.
CHANNELS = (1, 3, 4)


def fit_array(values: np.ndarray, plan: Plan, tally: Tally) -> np.ndarray:
    """Return one image, (H, W) or (H, W, C) of any numeric dtype, as uint8 (H, W, C) of `plan`."""
    values = values if values.ndim == 3 else values[..., np.newaxis]
    pixels = array_to_pixels(values[np.newaxis], plan, tally)[0]
    return pixels if pixels.shape == plan.shape else fit(picture_of(pixels), plan)


def array_to_pixels(values: np.ndarray, plan: Plan, tally: Tally) -> np.ndarray:
    """Return images (N, H, W, C) of any numeric dtype as uint8 (N, H, W, C) with C 1 or 3, in their
    own size.

    Of four channels the last is alpha, and the rest is laid on white; `plan.bands` takes others
    instead.
    """
    if plan.bands is not None:
        values = values[..., list(plan.bands)]
    alpha = values[..., 3:] if values.shape[3] == 4 else None
    colours = values[..., :3] if alpha is not None else values

    pixels, cut = plan.scale.to_pixels(colours)
    tally.add_array(colours, cut)
    if alpha is not None:
        pixels = lay_on_white(pixels, alpha)
    return pixels.swapaxes(1, 2) if plan.transpose else pixels


def select_colours(values: np.ndarray, plan: Plan) -> np.ndarray:
    """Return the colours of images (..., H, W, C): the bands that `plan` asks for, or all but
    alpha.
    """
    if plan.bands is not None:
        return values[..., list(plan.bands)]
    return values[..., :3]


def channels_last(array: np.ndarray, bands: tuple[int, ...] | None = None) -> np.ndarray:
    """Return an image, or several, with its channels in the last axis.

    They are 1, 3 or 4, or with `bands` any number.
    """
    if array.ndim < 3 or array.shape[-1] in CHANNELS:
        return array
    count, *size = array.shape[-3:]
    is_first = count in CHANNELS or (bands is not None and count < min(size))
    return np.moveaxis(array, -3, -1) if is_first else array


def is_one_image(array: np.ndarray, bands: tuple[int, ...] | None) -> bool:
    """Return whether an array is one image: (H, W), or (H, W, C) with C 1, 3, 4, or any with
    `bands`.
    """
    if array.ndim == 3:
        return bands is not None or array.shape[2] in CHANNELS
    return array.ndim == 2


def frame_of(array: np.ndarray, frame: int, bands: tuple[int, ...] | None) -> np.ndarray:
    """Return the image (H, W) or (H, W, C) at `frame`.

    Raises `Unreadable` where it has other channels.
    """
    array = channels_last(array, bands)
    image = array if is_one_image(array, bands) else array[frame]
    count = image.shape[2] if image.ndim == 3 else 1
    if bands is not None:
        check_bands(bands, count)
    elif count not in CHANNELS:
        raise Unreadable(f"expected 1, 3 or 4 channels, received {count}: choose some with `bands`")
    elif count == 4 and not is_alpha(image):
        raise Unreadable(
            "its fourth channel is no alpha channel (most of its values are neither 0 nor the "
            "largest of their type): choose three channels with `bands=0,1,2`, or one"
        )
    return image
