"""A look at a picture: its size, depth and colour, and the extent of its values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from autoencode.data.decode.array_images import frame_of, select_colours
from autoencode.data.decode.channels import GREY, is_grey, make_plain
from autoencode.data.decode.depth import is_deep, stored_values
from autoencode.data.decode.frames import has_more_pages, seek_frame
from autoencode.data.decode.limits import Unreadable, hold_decoded
from autoencode.data.decode.opening import open_picture
from autoencode.data.decode.orientation import read_orientation, swaps_sides
from autoencode.data.decode.plan import Plan, Tally
from autoencode.data.extents import Extent, add_extent, kind_of, measure_extent
from autoencode.data.scaling import Scale


@dataclass(frozen=True)
class Probe:
    """What a look at one picture shows: its size as a viewer shows it, whether it is grey, the
    extent of its values.

    `kind` is what the values are stored as; `extent` is that of a smaller copy for 8-bit colour.
    """

    width: int
    height: int
    grey: bool
    kind: str
    extent: Extent


ANY_PLAN = Plan(1, 1, 1)  # size and scale are not used


def probe(file: Any, frame: int = 0, plan: Plan = ANY_PLAN) -> Probe:
    """Look at a picture.

    Raises `Unreadable` with the reason. Of `plan`, the size and the scale are not used.
    """
    with open_picture(file, plan.max_pixels) as picture:
        if isinstance(picture, np.ndarray):
            return probe_array(frame_of(picture, frame, plan.bands), plan)
        seek_frame(picture, frame, plan)
        width, height = picture.size
        if swaps_sides(read_orientation(picture), transpose=plan.transpose):
            width, height = height, width
        mode = picture.mode
        full_pixels = math.prod(picture.size)
        picture.draft(None, (64, 64))
        with hold_decoded(picture, full_pixels):
            values = stored_values(picture)
            if values is not None:
                return Probe(width, height, True, kind_of(values.dtype), measure_extent(values))
            plain = make_plain(picture, Scale(), Tally(), plan.bands)
            plain.thumbnail((64, 64), Image.Resampling.BOX)
            pixels = np.asarray(plain)
        grey = mode in GREY or pixels.ndim == 2 or is_grey(pixels)
        kind = "bool" if mode == "1" else "uint8"
        return Probe(width, height, grey, kind, measure_extent(pixels))


def probe_array(values: np.ndarray, plan: Plan) -> Probe:
    """Look at one image, (H, W) or (H, W, C) of any numeric dtype."""
    values = values if values.ndim == 3 else values[..., np.newaxis]
    if plan.bands is not None:
        values = values[..., list(plan.bands)]
    height, width = values.shape[:2]
    if plan.transpose:
        height, width = width, height
    colours = values[..., :3]
    channels = [colours[..., channel] for channel in range(colours.shape[2])]
    grey = len(channels) == 1 or (
        is_grey(colours) if values.dtype == np.uint8 else _are_same(channels)
    )
    return Probe(width, height, grey, kind_of(values.dtype), measure_extent(colours))


def _are_same(channels: list[np.ndarray]) -> bool:
    return all(np.array_equal(channels[0], channel) for channel in channels[1:])


def read_extent(
    file: Any, frames: Sequence[int], plan: Plan, *, skips_uint8: bool = False
) -> dict[str, Extent]:
    """Return the extent of all values of a picture by the kind they are stored as; of one that
    cannot be read, nothing.

    With `skips_uint8`, pictures of 8 bits are not decoded.
    """
    extents: dict[str, Extent] = {}
    for kind, values in _read_values(file, frames, plan, skips_uint8=skips_uint8):
        add_extent(extents, kind, _extent_of(values))
    return extents


def _extent_of(values: np.ndarray | Image.Image) -> Extent:
    if isinstance(values, np.ndarray):
        return measure_extent(values)
    # This makes no copy.
    extrema = np.array(values.getextrema())
    return Extent(float(extrema.min()), float(extrema.max()))


def read_sample(file: Any, frames: Sequence[int], plan: Plan, count: int) -> dict[str, np.ndarray]:
    """Return up to `count` finite values of each frame of a picture, evenly drawn, by the kind they
    are stored as.
    """
    samples: dict[str, list[np.ndarray]] = {}
    for kind, values in _read_values(file, frames, plan):
        flat = np.asarray(values).reshape(-1)
        drawn = flat[:: max(1, len(flat) // count)]
        samples.setdefault(kind, []).append(drawn[np.isfinite(drawn)])
    return {kind: np.concatenate(drawn) for kind, drawn in samples.items()}


def _read_values(
    file: Any, frames: Sequence[int], plan: Plan, *, skips_uint8: bool = False
) -> Iterator[tuple[str, np.ndarray | Image.Image]]:
    """The values of each frame as they are stored, or, of 8 bits, as a plain picture."""
    with suppress(Unreadable), open_picture(file, plan.max_pixels) as picture:
        for frame in frames:
            if isinstance(picture, np.ndarray):
                values = frame_of(picture, frame, plan.bands)
                colours = select_colours(values, plan) if values.ndim == 3 else values
                yield kind_of(values.dtype), colours
                continue
            try:
                seek_frame(picture, frame, plan)
                if skips_uint8 and not is_deep(picture):
                    continue
                with hold_decoded(picture, math.prod(picture.size)):
                    values = stored_values(picture)
                    if values is not None:
                        yield kind_of(values.dtype), values
                        continue
                    kind = "bool" if picture.mode == "1" else "uint8"
                    yield (
                        kind,
                        make_plain(picture, Scale(), Tally(), plan.bands, keep=len(frames) > 1),
                    )
            except Exception:
                if not has_more_pages(picture, frames):
                    raise
