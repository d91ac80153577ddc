"""Which size and colour a set of pictures gets: what the user said, or what a look at the pictures suggests."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence

from autoencode.data.decode import Plan, Probe
from autoencode.errors import UsageError, unknown

FITS = ("pad", "crop", "stretch")
COLOURS = ("auto", "grey", "rgb")
KEPT = 128  # pixels: pictures of one size keep it up to here
CHOSEN = 64  # pixels: the longer side otherwise
MOST = 4096


def parse_size(size: str) -> tuple[int, int] | None:
    """Return (height, width) of "28" or "64x48" (width x height), None of "auto"; raise `UsageError` of anything else.

    >>> parse_size("64x48")
    (48, 64)
    """
    if size == "auto":
        return None
    found = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", size)
    width, height = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not (0 < width <= MOST and 0 < height <= MOST):
        raise UsageError(f"--size must be auto, a number or WIDTHxHEIGHT, each from 1 to {MOST}, received {size!r}.")
    return height, width


def check(size: str, fit: str, colour: str) -> None:
    """Raise `UsageError` unless the three options are among what is known."""
    parse_size(size)
    if fit not in FITS:
        raise unknown("fit", fit, FITS)
    if colour not in COLOURS:
        raise unknown("colour", colour, COLOURS)


def choose(probes: Sequence[Probe], size: str, fit: str, colour: str) -> tuple[Plan, list[str]]:
    """Return the plan for pictures of which `probes` is a sample, and a line for each choice that was left open."""
    notes = []
    shape = parse_size(size)
    if shape is None:
        shape, why = _suggest(probes)
        notes.append(f"size {shape[1]}x{shape[0]} chosen: {why}")
    if colour == "auto":
        coloured = sum(not probe.grey for probe in probes)
        colour = "rgb" if coloured else "grey"
        share = f"{coloured} of {len(probes)} pictures looked at are coloured" if coloured else "no picture is coloured"
        notes.append(f"colour {colour} chosen: {share}")
    return Plan(*shape, 1 if colour == "grey" else 3, fit), notes


def _suggest(probes: Sequence[Probe]) -> tuple[tuple[int, int], str]:
    sizes = {(probe.height, probe.width) for probe in probes}
    if len(sizes) == 1:
        height, width = sizes.pop()
        if max(height, width) <= KEPT:
            return (height, width), "every picture looked at has it"
    height = statistics.median(probe.height for probe in probes)
    width = statistics.median(probe.width for probe in probes)
    scale = min(1, CHOSEN / max(height, width))
    chosen = max(1, round(height * scale)), max(1, round(width * scale))
    return chosen, f"the median picture is {width:g}x{height:g}, and {CHOSEN} pixels are the longest side by itself"
