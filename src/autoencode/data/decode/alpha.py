"""The fourth channel of an array: whether it is alpha, and colours seen through it on white."""

from __future__ import annotations

import numpy as np

# Share of the values of alpha that are 0 or the largest.
OPAQUE_SHARE = 0.5


def lay_on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return uint8 (N, H, W, 3) seen through `alpha`, (N, H, W, 1), on a white page.

    Alpha may have any numeric dtype. Its largest value is that of the type, 1 in floats.

    >>> lay_on_white(np.zeros((1, 1, 1, 3), "uint8"), np.zeros((1, 1, 1, 1), "uint8")).tolist()
    [[[[255, 255, 255]]]]
    """
    share = np.clip(alpha.astype(np.float32) / _opaque_value(alpha.dtype), 0, 1)
    return np.round(255 + (pixels - np.float32(255)) * share).astype(np.uint8)


def _opaque_value(dtype: np.dtype) -> float:
    """The value of alpha that hides the page: the largest of the type, 1 in floats."""
    return 1.0 if dtype.kind in "fb" else float(np.iinfo(dtype).max)


def alpha_share(image: np.ndarray) -> float:
    """Return the share of values in the last of four channels, (..., 4), of 0 or the largest."""
    alpha = image[..., 3]
    return float(np.mean((alpha == 0) | (alpha == _opaque_value(alpha.dtype))))


def is_alpha(image: np.ndarray) -> bool:
    """Return whether the last of four channels, (..., 4), is alpha: half is 0 or the largest."""
    return alpha_share(image) >= OPAQUE_SHARE
