"""Which axes of an array are images, rows, columns and channels. No values change."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np

from autoencode.data.decode import CHANNELS, OPAQUE_SHARE, alpha_share, channels_last, is_alpha
from autoencode.errors import AutoencodeError
from autoencode.images import evenly_spaced
from autoencode.system.memmap import release

# Images whose fourth channel is looked at.
LOOKED_AT = 50
# Pixels a side of a flat row that is taken for an image.
MIN_SQUARE = 4


def as_images(
    array: Any, what: str, bands: tuple[int, ...] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Return `array` as (N, H, W, C), its values as they are and mostly without a copy, and notes
    of what was taken for what.

    Takes (N, H, W), (N, H, W, C) and (N, C, H, W) with C 1, 3 or 4 (any with `bands`), one image
    (H, W, C) with C 3 or 4, and (N, F) where F is a square. Raises `AutoencodeError` for anything
    else.

    >>> as_images(np.ones((5, 4, 4)), "mine")[0].shape
    (5, 4, 4, 1)
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        is_array = isinstance(array, np.ndarray)
        received = f"{array.dtype} {array.shape}" if is_array else type(array).__name__
        raise AutoencodeError(
            f"{what}: expected an array of numbers (N, H, W) or (N, H, W, C), received {received}."
        )
    if 0 in array.shape:
        raise AutoencodeError(
            f"{what}: expected at least one image of at least one pixel, received {array.shape}."
        )

    notes: list[str] = []
    if array.ndim == 2:
        array, note = _rows_as_squares(array, what)
        notes.append(note)
    elif array.ndim == 3:
        array, found = _three_axes(array, what)
        notes += found
    elif array.ndim == 4:
        array = _with_channels_last(array, what, bands)
    else:
        raise AutoencodeError(
            f"{what}: expected (N, H, W) or (N, H, W, C), received {array.shape}."
        )

    check_channels(array, what, bands)
    return array, notes


def _rows_as_squares(array: np.ndarray, what: str) -> tuple[np.ndarray, str]:
    count, size = array.shape
    side = isqrt(size)
    is_square = side * side == size and side >= MIN_SQUARE and count != size
    if not is_square:
        raise AutoencodeError(
            f"{what}: expected images (N, H, W) or (N, H, W, C), received {array.shape}: one grey "
            "image is "
            "x[np.newaxis], flat rows are x.reshape(-1, HEIGHT, WIDTH), or x.reshape(-1, HEIGHT, "
            "WIDTH, 3) of colours."
        )
    note = f"{what}: {count:,} rows of {size:,} values taken for grey images of {side}x{side}"
    return array.reshape(count, side, side, 1), note


def _three_axes(array: np.ndarray, what: str) -> tuple[np.ndarray, list[str]]:
    first, height, width = array.shape
    is_colour = width == 3 or (width == 4 and is_alpha(array))
    if is_colour and first > 4 and height > 4:
        return array[np.newaxis], [
            (
                f"{what}: {array.shape} taken for one image of {height}x{first} with {width} "
                f"channels; {first} images of "
                f"{width}x{height} would be x[..., np.newaxis]"
            )
        ]
    notes = []
    if width == 4 and first > 4 and height > 4:
        notes.append(
            f"{what}: {array.shape} taken for {first} grey images of {width}x{height}, as the last "
            "axis holds no alpha; "
            "one image of four channels would be x[np.newaxis]"
        )
    if first in (3, 4) and height > 4 and width > 4:
        notes.append(
            f"{what}: {array.shape} taken for {first} grey images of {width}x{height}; one image "
            "with its channels "
            "first would be np.moveaxis(x, 0, -1)"
        )
    return array[..., np.newaxis], notes


def _with_channels_last(array: np.ndarray, what: str, bands: tuple[int, ...] | None) -> np.ndarray:
    moved = channels_last(array, bands)
    if bands is None and moved.shape[3] not in CHANNELS:
        raise AutoencodeError(
            f"{what}: expected (N, H, W, C) with C 1, 3 or 4, received {array.shape}: choose one "
            "channel or three with "
            f"`bands=0,1,2`; volumes are slices by x.reshape(-1, {array.shape[2]}, "
            f"{array.shape[3]})."
        )
    return moved


def check_channels(array: np.ndarray, what: str, bands: tuple[int, ...] | None = None) -> None:
    """Raise `AutoencodeError` unless images (N, H, W, C) have the channels `bands`.

    Without bands, they may have colours and alpha.
    """
    count = array.shape[3]
    if bands is not None:
        if max(bands) >= count:
            raise AutoencodeError(
                f"{what}: `bands` asks for channel {max(bands)}, counted from 0, and there are "
                f"{count}."
            )
        return
    if count == 4 and not _has_alpha(array):
        raise AutoencodeError(
            f"{what}: the fourth channel of {array.shape} is no alpha channel (most of its values "
            "are neither 0 nor the "
            "largest of their type): choose three channels with `bands=0,1,2`, or one."
        )


def _has_alpha(array: np.ndarray) -> bool:
    shares = []
    for index in evenly_spaced(len(array), LOOKED_AT):
        shares.append(alpha_share(array[index]))
        release(array)
    return float(np.mean(shares)) >= OPAQUE_SHARE
