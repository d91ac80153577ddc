"""One picture file becomes pixels, as a viewer would show it.

Knows Pillow and sizes; no folder and no archive.
"""

from autoencode.data.decode.alpha import OPAQUE_SHARE, alpha_share, is_alpha, lay_on_white
from autoencode.data.decode.array_images import (
    CHANNELS,
    array_to_pixels,
    channels_last,
    fit_array,
    select_colours,
)
from autoencode.data.decode.frames import count_frames, decode, decode_frames
from autoencode.data.decode.limits import MAX_BYTES, MAX_PIXELS, NOT_REGULAR, Unreadable
from autoencode.data.decode.plan import Plan, Tally
from autoencode.data.decode.probing import Probe, probe, probe_array, read_extent, read_sample
from autoencode.data.decode.resizing import fit, picture_of
from autoencode.data.scaling import Scale

__all__ = [
    "CHANNELS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "NOT_REGULAR",
    "OPAQUE_SHARE",
    "Plan",
    "Probe",
    "Scale",
    "Tally",
    "Unreadable",
    "alpha_share",
    "array_to_pixels",
    "channels_last",
    "count_frames",
    "decode",
    "decode_frames",
    "fit",
    "fit_array",
    "is_alpha",
    "lay_on_white",
    "picture_of",
    "probe",
    "probe_array",
    "read_extent",
    "read_sample",
    "select_colours",
]
