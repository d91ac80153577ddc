"""The arrays that the estimator takes: their shapes, and the range of their values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoencode.data.scaling import UNIT, Scale, kind_of
from autoencode.estimator.checks import InvalidError
from autoencode.estimator.parameters import to_plain
from autoencode.images import to_pixels

# The part of a range that values must fill to be read on that range, and not on their own.
FILLED = 0.1
# How far rounding may carry floats in [0, 1] beyond it.
TOLERANCE = 1e-3
BLOCK_VALUES = 2**22  # that are scaled at a time


@dataclass(frozen=True)
class Layout:
    """How rows become images, uint8 (N, H, W, C), and images become rows again.

    `image_shape` is (H, W, C), `rows_shape` the shape of one row of X. `takes_pixels` and
    `pixel_range` are what the estimator stores under these names, see `Autoencoder`. With the
    `scale` of a run folder, values are read as in its training instead, by the type of X.
    """

    image_shape: list[int]
    rows_shape: list[int]
    takes_pixels: bool
    pixel_range: list[float]
    scale: Scale | None = None

    def check_rows(self, rows: np.ndarray, name: str = "X") -> None:
        """Raise `InvalidError`, about the argument `name`, for rows of another shape than in `fit`.

        Grey images may have an axis of one channel or none. Flat rows of another length pass:
        scikit-learn names these in words that its checks expect.
        """
        if rows.ndim == 2 and len(self.rows_shape) == 1:
            return
        received = list(rows.shape[1:])
        if rows.ndim > 2 and len(self.rows_shape) > 1:
            is_same = _with_channels(received) == _with_channels(self.rows_shape)
        else:
            is_same = received == self.rows_shape
        if not is_same:
            expected = ", ".join(map(str, self.rows_shape))
            raise InvalidError(
                f"{name}: expected rows of shape (N, {expected}), as in fit, received {rows.shape}."
            )

    def to_images(self, rows: np.ndarray, name: str = "X") -> np.ndarray:
        """Return `rows`, the argument `name`, as images, uint8 (N, H, W, C).

        Raises `InvalidError` for values that are no pixels, where rows are pixels.
        """
        least, largest = self.pixel_range
        shape = (-1, *self.image_shape)
        if self.scale is not None:
            return _read_by_scale(rows, self.scale, name).reshape(shape)
        if not self.takes_pixels:
            return _scale_rows(rows, least, largest).reshape(shape)

        if rows.ndim == 2 and rows.dtype.kind == "f" and largest == 1:
            rows = rows.clip(0, 1)
        return _read_pixels(rows, name).reshape(shape)

    def to_rows(self, floats: np.ndarray) -> np.ndarray:
        """Return images, floats (N, H, W, C) in [0, 1], in the shape and range of the rows."""
        rows = floats.reshape(-1, *self.rows_shape)
        least, largest = self.pixel_range
        if self.takes_pixels and largest == 255:
            return to_pixels(rows)
        return rows * (largest - least) + least


def choose_layout(rows: np.ndarray, image_shape: Any) -> Layout:
    """Return the layout for training rows; `image_shape` is the estimator's parameter.

    Raises `InvalidError` for rows that do not fit it, and for values without a finite range.

    >>> choose_layout(np.zeros((5, 8, 8), "uint8"), None).pixel_range
    [0, 255]
    """
    shape = _choose_image_shape(rows, image_shape)
    rows_shape = list(rows.shape[1:])
    least = float(rows.min())
    largest = float(rows.max())

    known = _known_range(rows.dtype, least, largest, are_images=rows.ndim > 2)
    if known is not None:
        return Layout(shape, rows_shape, known[1] <= 255, known)
    if not math.isfinite(largest - least):
        raise InvalidError(
            "X: expected values of a finite range, "
            f"received {least:.9g} to {largest:.9g}: scale them."
        )
    top = largest if largest > least else least + max(1.0, abs(least))
    return Layout(shape, rows_shape, False, [least, top])


def _choose_image_shape(rows: np.ndarray, image_shape: Any) -> list[int]:
    """The shape of an image, (H, W, C), of training rows."""
    given = None if image_shape is None else _with_channels(to_plain(image_shape))
    if rows.ndim > 2:
        _check_channels(rows.shape)
        shape = _with_channels(list(rows.shape[1:]))
    else:
        shape = given or [1, rows.shape[1], 1]

    fits = given is None or given == shape
    if not fits or math.prod(shape) != math.prod(rows.shape[1:]):
        raise InvalidError(
            f"X: expected rows that fit image_shape {image_shape}, received {rows.shape}: "
            "correct image_shape, or remove it."
        )
    return shape


def _with_channels(shape: list[int]) -> list[int]:
    """(H, W) or (H, W, C) as (H, W, C)."""
    return shape if len(shape) == 3 else [*shape, 1]


def _check_channels(shape: tuple[int, ...]) -> None:
    """Raise `InvalidError` unless `shape` is (N, H, W), or (N, H, W, C) with C 1 or 3."""
    if len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3)):
        return
    as_rows = "pass rows of features with X.reshape(len(X), -1)"
    if len(shape) == 4 and shape[1] in (1, 3):
        advice = "move the channels last with X.transpose(0, 2, 3, 1)"
    elif len(shape) == 4 and shape[3] == 4:
        advice = "drop the alpha channel with X[..., :3], or lay the images on white first"
    elif len(shape) == 4 and shape[1] == 4:
        advice = "move the channels last and drop alpha with X.transpose(0, 2, 3, 1)[..., :3]"
    elif len(shape) == 4:
        advice = f"choose one channel with X[..., :1], or {as_rows}"
    else:
        advice = as_rows
    raise InvalidError(
        f"X: expected (N, F), (N, H, W), or (N, H, W, C) with C 1 or 3, received {shape}: {advice}."
    )


def check_one_shape(X: Any, name: str = "X") -> None:
    """Raise `InvalidError` where the argument `name` holds arrays of several shapes, or arrays."""
    is_list = isinstance(X, (list, tuple))
    is_nested = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    if not (is_list or is_nested) or not all(isinstance(row, np.ndarray) for row in X):
        return
    shapes = list(dict.fromkeys(row.shape for row in X))
    if len(shapes) > 1:
        raise InvalidError(
            f"{name}: expected rows of one shape, received {shapes[0]} and {shapes[1]}: "
            "resize the images to one size."
        )
    if is_nested and shapes:
        raise InvalidError(
            f"{name}: expected one array of numbers, received an array of {len(X)} arrays: "
            f"pass np.stack({name})."
        )


def _known_range(
    dtype: np.dtype, least: float, largest: float, *, are_images: bool
) -> list[float] | None:
    """The range that values from `least` to `largest` are read on, or None where that is their own.

    Of images, values must fill a part of the range; a single value says nothing, and fills any.
    """
    if dtype.kind == "b":
        return [0, 1]
    if not are_images:
        if dtype == np.uint8:
            return [0, 255]
        return [0, 1] if dtype.kind == "f" and least >= 0 and largest <= 1 else None

    top, tolerance = _pixel_limits(dtype)
    if dtype == np.uint16 and largest > 255:
        top = 65535
    is_within = -tolerance <= least and largest <= top + tolerance
    is_filled = least == largest or largest - least >= FILLED * top
    return [0, top] if is_within and is_filled else None


def _pixel_limits(dtype: np.dtype) -> tuple[int, float]:
    """The value of white among pixels of `dtype`, and how far rounding may carry them beyond."""
    return (1, TOLERANCE) if dtype.kind == "f" else (255, 0)


def _scale_rows(rows: np.ndarray, least: float, largest: float) -> np.ndarray:
    """Rows as uint8 of their shape, `least` as 0 and `largest` as 255; what lies beyond is clipped.

    In float64, where numbers of every dtype are what they are, and in blocks, so that no such copy
    of all exists.
    """
    pixels = np.empty(rows.shape, np.uint8)
    size = max(1, BLOCK_VALUES // max(1, rows[0].size))
    for first in range(0, len(rows), size):
        block = rows[first : first + size].astype(np.float64, copy=False)
        pixels[first : first + size] = to_pixels((block - least) / (largest - least))
    return pixels


def _read_pixels(rows: np.ndarray, name: str) -> np.ndarray:
    """Rows of pixels as uint8 of their shape: integers up to 255, or booleans or floats up to 1.

    Raises `InvalidError` for values beyond that by more than what rounding does.
    """
    if rows.dtype == np.uint8:
        return np.ascontiguousarray(rows)
    if rows.dtype == bool:
        return rows.astype(np.uint8) * np.uint8(255)
    _check_pixels(rows, name)
    return to_pixels(rows) if rows.dtype.kind == "f" else rows.astype(np.uint8)


def _read_by_scale(rows: np.ndarray, scale: Scale, name: str) -> np.ndarray:
    """Rows as uint8 of their shape, by the range that `scale` has for their type.

    What lies beyond is clipped. Raises `InvalidError` for floats beyond [0, 1] where that is their
    range because the training had none.
    """
    kind = kind_of(rows.dtype)
    if kind == "float" and kind not in scale.ranges and scale.range_of(kind) == UNIT:
        _check_pixels(rows, name)
    pixels, _ = scale.to_pixels(rows)
    return np.ascontiguousarray(pixels)


def _check_pixels(rows: np.ndarray, name: str) -> None:
    """Raise `InvalidError` for integers beyond 0 to 255, or floats beyond [0, 1] and rounding."""
    least = float(rows.min())
    largest = float(rows.max())
    top, tolerance = _pixel_limits(rows.dtype)
    if least < -tolerance or largest > top + tolerance:
        advice = _pixel_advice(rows.dtype, least, largest)
        raise InvalidError(
            f"{name}: expected pixels as in fit, floats in [0, 1] or integers from 0 to 255, "
            f"received {rows.dtype} from {least:.9g} to {largest:.9g}: {advice}."
        )


def _pixel_advice(dtype: np.dtype, least: float, largest: float) -> str:
    if least < 0:
        return "scale them as the images in fit were"
    if dtype.kind == "f" and largest <= 255 + TOLERANCE:
        return "divide by 255 if white is 255"
    if dtype == np.uint16:
        return "divide by the value of white, 65535 if they fill 16 bits"
    return "divide by the value of white"
