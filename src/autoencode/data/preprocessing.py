"""What a set of images becomes: size, colour and range, as the settings say or as a look at the
images suggests.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from autoencode.config import DataConfig
from autoencode.data.ranges import parse_range
from autoencode.errors import UsageError, unknown

if TYPE_CHECKING:
    from autoencode.data.decode import Plan, Probe

FITS = ("pad", "crop", "stretch")
COLOURS = ("auto", "grey", "rgb")
FRAMES = ("auto", "first", "all")
VALIDATIONS = ("join", "test", "drop")
# Pixels up to which images of one size keep it.
KEPT = 128
# Pixels of the longer side otherwise.
CHOSEN = 64
MAX_SIDE = 4096


def parse_size(size: str) -> tuple[int, int] | None:
    """Return (height, width) of "28" or "64x48" (width x height), None of "auto"; raise
    `UsageError` for anything else.

    >>> parse_size("64x48")
    (48, 64)
    """
    if size == "auto":
        return None
    found = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", size)
    width, height = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise UsageError(
            f"`size` must be auto, a number or WIDTHxHEIGHT, each from 1 to {MAX_SIDE}, received "
            f"{size!r}."
        )
    return height, width


def parse_bands(bands: str) -> tuple[int, ...] | None:
    """Return the channels that "3" or "2,1,0" names, None of "all"; raise `UsageError` for anything
    else.

    >>> parse_bands("2,1,0")
    (2, 1, 0)
    """
    if bands == "all":
        return None
    channels: tuple[int, ...] = ()
    if re.fullmatch(r"\d{1,4}(,\d{1,4})*", bands):
        channels = tuple(map(int, bands.split(",")))
    if len(channels) not in (1, 3):
        raise UsageError(
            f"`bands` must be all, one channel or three, such as 0,1,2, received {bands!r}."
        )
    return channels


def check_options(config: DataConfig) -> None:
    """Raise `UsageError` unless the settings are among what is known."""
    parse_size(config.size)
    parse_bands(config.bands)
    parse_range(config.range)
    known = {"fit": FITS, "colour": COLOURS, "frames": FRAMES, "validation": VALIDATIONS}
    for name, values in known.items():
        if getattr(config, name) not in values:
            raise unknown(name, getattr(config, name), values)


def look_plan(config: DataConfig) -> Plan:
    """Return what images are looked at by, before their size, colour and range are chosen."""
    # Imported here: a built-in dataset needs no decoder.
    from autoencode.data.decode import Plan

    bands = parse_bands(config.bands)
    return Plan(
        1, 1, 1, config.fit, bands=bands, transpose=config.transpose, max_pixels=config.max_pixels
    )


def choose_shape(
    probes: Sequence[Probe], config: DataConfig
) -> tuple[tuple[int, int, int], list[str]]:
    """Return height, width and channels for images of which `probes` is a sample, and a line for
    each open choice.
    """
    notes = []
    size = parse_size(config.size)
    if size is None:
        size, why = _suggest_size(probes)
        notes.append(f"size {size[1]}x{size[0]} chosen: {why}")
    colour = config.colour
    if colour == "auto":
        coloured = sum(not probe.grey for probe in probes)
        colour = "rgb" if coloured else "grey"
        why = "no picture is coloured"
        if coloured:
            why = f"{coloured} of {len(probes)} pictures looked at are coloured"
        notes.append(f"colour {colour} chosen: {why}")
    return (*size, 1 if colour == "grey" else 3), notes


def _suggest_size(probes: Sequence[Probe]) -> tuple[tuple[int, int], str]:
    sizes = {(probe.height, probe.width) for probe in probes}
    if len(sizes) == 1:
        height, width = sizes.pop()
        if max(height, width) <= KEPT:
            return (height, width), "every picture looked at has it"
    width, height = median_size(probes)
    scale = min(1, CHOSEN / max(height, width))
    chosen = max(1, round(height * scale)), max(1, round(width * scale))
    return (
        chosen,
        f"the median picture is {width:g}x{height:g}, and {CHOSEN} pixels are the longest side by "
        "itself",
    )


def median_size(probes: Sequence[Probe]) -> tuple[float, float]:
    """Return the median width and the median height of the images looked at, in pixels."""
    width = statistics.median(probe.width for probe in probes)
    height = statistics.median(probe.height for probe in probes)
    return width, height
