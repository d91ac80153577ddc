"""New images, and the way between two: sample and interpolate. Knows streams and places; no screen."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np

from autoencode.data import decode, preprocessing
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, UsageError
from autoencode.images import to_pixels
from autoencode.inference import outputs
from autoencode.inference.opening import Opened, Saved
from autoencode.inference.outputs import Place
from autoencode.inference.sampling import new_codes
from autoencode.plots import grids

FRAME = 256  # pixels of a frame of the GIF, on its longer side
STILL = 4  # frames for which the GIF rests at either end


def sample(
    opened: Opened, learnt: np.ndarray | None, place: Place, *, count: int = 64, seed: int = 0
) -> dict[str, int]:
    """Write `count` new images, drawn from `seed`, with their codes, and a contact sheet of the first hundred.

    `learnt` are the codes of training images, float32 (N, K), to which Gaussians are fitted; without them the codes are
    standard normal, as those of a variational model are. The file holds `images`, uint8 (count, H, W, C), and `codes`.
    Returns their number.
    """
    codes = new_codes(opened.trained.code, count, seed, learnt)
    images = to_pixels(opened.decode(codes))
    outputs.write_arrays(place.file, {"images": images, "codes": codes})
    outputs.write_sheet(place.beside(), images)
    return {"images": len(images)}


def interpolate(
    opened: Opened,
    ends: tuple[np.ndarray, np.ndarray],
    place: Place,
    *,
    steps: int = 10,
    spherical: bool = False,
    frame_seconds: float = 0.1,
) -> np.ndarray:
    """Write the way from one image to another as a row of `steps` images and as a GIF, there and back.

    `ends` are uint8 (H, W, C). The way is straight between their codes, or along the sphere where `spherical` is said.
    Returns the images on the way, uint8 (steps, H, W, C): the first and last are the reconstructions of both.
    """
    first, last = opened.encode(np.stack(ends))
    images = walk(opened, first, last, steps=steps, spherical=spherical)
    outputs.write_png(place.beside(), grids.draw_path(ends[0], images, ends[1]))
    frames = [_frame(one) for one in images]
    rest = [frames[0]] * STILL, [frames[-1]] * STILL
    outputs.write_gif(
        place.file, [*rest[0], *frames[1:-1], *rest[1], *frames[-2:0:-1]], frame_seconds
    )
    return images


def walk(
    opened: Opened, first: np.ndarray, last: np.ndarray, *, steps: int, spherical: bool
) -> np.ndarray:
    """Return the images, uint8 (steps, H, W, C), on the way between two codes, both (K,), see `interpolate`."""
    way = (sphere if spherical else line)(first, last, np.linspace(0, 1, steps))
    return to_pixels(opened.decode(way.astype(np.float32)))


def line(first: np.ndarray, last: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the points (N, K) on the straight line from `first` to `last`, both (K,), at `shares` (N,) of the way.

    >>> line(np.zeros(2), np.ones(2), np.array([0, 0.5])).tolist()
    [[0.0, 0.0], [0.5, 0.5]]
    """
    return first + shares[:, np.newaxis] * (last - first)


def sphere(first: np.ndarray, last: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the points (N, K) on the arc about 0 from `first` to `last`, both (K,), at `shares` (N,) of the angle.

    Standard normal codes of many numbers lie near a sphere, and a straight line would cut through its empty inside.
    (Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985; for codes: White, arXiv:1609.04468.)

    >>> sphere(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.5])).round(4).tolist()
    [[0.7071, 0.7071]]
    """
    lengths = np.linalg.norm(first) * np.linalg.norm(last)
    angle = np.arccos(np.clip(first @ last / lengths, -1, 1)) if lengths else 0.0
    if np.sin(angle) < 1e-6:  # one direction or opposite ones: there is no arc, or any
        return line(first, last, shares)
    ahead = shares[:, np.newaxis]
    return (np.sin((1 - ahead) * angle) * first + np.sin(ahead * angle) * last) / np.sin(angle)


def check(saved: Saved, words: tuple[str, str], *, spherical: bool) -> None:
    """Raise `UsageError` where a word names no picture and is no index, or `spherical` where codes lie about no sphere."""
    for word in words:
        if not word.isdecimal() and not Path(word).is_file():
            raise UsageError(
                f"expected a picture's path or the index of an image of `source`, received {word!r}."
            )
    if spherical and saved.settings and not saved.is_variational:
        raise UsageError(
            f"`spherical` expects a variational model, and {saved.name} is none: leave it out."
        )


def check_source(saved: Saved, source: str | None) -> None:
    """Raise `UsageError` where a source is named whose images would not be read."""
    if saved.is_variational and source is not None:
        raise UsageError(
            f"`source` tells what the codes of a model that is not variational are like, and {saved.name} is: leave it out."
        )


def picture(word: str, opened: Opened, stream: Stream | None, fit: str | None) -> np.ndarray:
    """Return the image, uint8 (H, W, C), that `word` names: a picture's path, or the index of an image of `stream`.

    Raises `UsageError` where there is no such index, `AutoencodeError` where the picture cannot be read.
    """
    if word.isdecimal():
        return stream.image(int(word))
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
        return decode.decode(word, plan)
    except decode.Unreadable as error:
        raise AutoencodeError(f"{word} cannot be read as a picture: {error}.") from error


def _frame(image: np.ndarray) -> bytes:
    written = io.BytesIO()
    grids.write_png(grids.draw_sheet(image[np.newaxis], 1, tile=FRAME, gap=0), written)
    return written.getvalue()
