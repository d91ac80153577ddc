"""New images, and the way between two: sample and interpolate."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from autoencode import data
from autoencode.data import decode, preprocessing
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, UsageError
from autoencode.images import to_pixels
from autoencode.inference.codes import encode_stream
from autoencode.inference.results import Samples
from autoencode.inference.sampling import new_codes
from autoencode.inference.saved_model import Opened, Saved, find_source


def find_training_source(saved: Saved, source: data.Source | None) -> data.Source | None:
    """Return the source whose training images tell what new codes are like.

    None where none is needed. The codes of a variational model are standard normal, and a saved
    estimator keeps those of its training images: only another `source` replaces them. Without a
    `source`, a run's own is meant. Raises `UsageError` where that is unknown or gone, or where a
    variational model is given one.
    """
    if saved.is_variational:
        if source is not None:
            raise UsageError(
                "`source` says what the codes of a model that is not variational are like, and "
                f"{saved.name} is variational: remove `source`."
            )
        return None
    if source is None and saved.codes is not None:
        return None
    return find_source(saved, source)


def learn_codes(opened: Opened, stream: Stream | None) -> np.ndarray | None:
    """Return the codes, float32 (N, K), that new ones are drawn like; None for a variational model.

    `stream` gives the training images of `find_training_source`, where it found any.
    """
    if stream is not None:
        return encode_stream(opened, stream)
    return None if opened.saved.is_variational else opened.saved.codes


def sample(
    opened: Opened, training_codes: np.ndarray | None, *, count: int = 64, seed: int = 0
) -> Samples:
    """Return `count` new images, their codes drawn with the random `seed`.

    The codes are drawn from Gaussians fitted to `training_codes`, float32 (N, K), or without them
    from a standard normal distribution, as those of a variational model are.
    """
    codes = new_codes(opened.trained.code, count, seed, training_codes)
    return Samples(to_pixels(opened.decode(codes)), codes)


def check_spherical(saved: Saved) -> None:
    """Raise `UsageError` where the codes of `saved` lie about no sphere."""
    if saved.settings and not saved.is_variational:
        raise UsageError(
            f"`spherical` expects a variational model, and {saved.name} is not: remove `spherical`."
        )


def interpolate(
    opened: Opened, first: np.ndarray, last: np.ndarray, *, steps: int, spherical: bool = False
) -> np.ndarray:
    """Return the images, uint8 (steps, H, W, C), on the way from one image to another.

    `first` and `last` are uint8 (H, W, C). The way leads between their codes, straight or, if
    `spherical`, along the sphere; the first and last images are the reconstructions of both.
    """
    first_code, last_code = opened.encode(np.stack([first, last]))
    interpolate_codes = interpolate_sphere if spherical else interpolate_line
    codes = interpolate_codes(first_code, last_code, np.linspace(0, 1, steps))
    return to_pixels(opened.decode(codes.astype(np.float32)))


def interpolate_line(first: np.ndarray, last: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return points (N, K) on the straight line from `first` to `last`, both (K,).

    They lie at `shares` (N,) of the way.

    >>> interpolate_line(np.zeros(2), np.ones(2), np.array([0, 0.5])).tolist()
    [[0.0, 0.0], [0.5, 0.5]]
    """
    return first + shares[:, np.newaxis] * (last - first)


def interpolate_sphere(first: np.ndarray, last: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return points (N, K) on the arc about 0 from `first` to `last`, both (K,).

    They lie at `shares` (N,) of the angle. Standard normal codes of many dimensions lie near a
    sphere, and a straight line would cut through its empty inside. (Shoemake, "Animating rotation
    with quaternion curves", SIGGRAPH 1985; for codes: White, arXiv:1609.04468.)

    >>> ends = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    >>> interpolate_sphere(*ends, np.array([0.5])).round(4).tolist()
    [[0.7071, 0.7071]]
    """
    lengths = np.linalg.norm(first) * np.linalg.norm(last)
    angle = np.arccos(np.clip(first @ last / lengths, -1, 1)) if lengths else 0.0
    # Between one direction or opposite ones, there is no arc, or any.
    if np.sin(angle) < 1e-6:
        return interpolate_line(first, last, shares)
    ahead = shares[:, np.newaxis]
    return (np.sin((1 - ahead) * angle) * first + np.sin(ahead * angle) * last) / np.sin(angle)


def read_picture(opened: Opened, path: str | Path, fit: str | None = None) -> np.ndarray:
    """Return the picture at `path` as the model expects it, uint8 (H, W, C).

    `fit` is by default that of the training. Raises `AutoencodeError` where it cannot be read.
    """
    config = opened.saved.data_config(fit=fit)
    height, width, channels = opened.trained.shape
    plan = dataclasses.replace(
        preprocessing.look_plan(config),
        height=height,
        width=width,
        channels=channels,
        scale=opened.saved.scale or decode.Scale(),
    )
    try:
        return decode.decode(path, plan)
    except decode.Unreadable as error:
        raise AutoencodeError(f"{path} cannot be read as a picture: {error}.") from error
