"""Which of Pillow's decoders opens a file, and no other than those of the list."""

from __future__ import annotations

import struct
from contextlib import suppress
from functools import cache
from typing import Any

from PIL import Image, JpegImagePlugin, TiffImagePlugin

from autoencode.data import formats
from autoencode.data.decode.limits import MAX_PIXELS, Unreadable
from autoencode.data.decode.tiff import MORE_TIFF, describe_tiff

EARLY_DECODERS = ("PNG", "GIF", "BMP", "PPM")
JPEG_MAGIC = b"\xff\xd8\xff"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# What begins a picture within an icon, and where its two sides stand after that: PNG, and JPEG 2000
# as file and stream.
EMBEDDED = {PNG_MAGIC: 16, b"ihdr": 4, b"\xff\x4f\xff\x51": 8}


@cache
def installed_decoders() -> tuple[str, ...]:
    """Return the decoders of `formats.DECODERS` that are installed."""
    Image.init()
    for kind, modes in MORE_TIFF.items():
        TiffImagePlugin.OPEN_INFO.setdefault(kind, modes)
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return tuple(name for name in formats.DECODERS if name in Image.OPEN)


def open_by_decoder(file: Any, prefix: bytes) -> Image.Image:
    """Open by one of the decoders on the list, and by no other; `prefix` are the first bytes.

    Image.open would refuse a picture by its full size, although a JPEG can be decoded straight to a
    smaller one.
    """
    file.seek(0)
    # Of several pictures in one file, as phones write them, this reads the first.
    if prefix.startswith(JPEG_MAGIC):
        return JpegImagePlugin.JpegImageFile(file)

    # Five decoders, where all of them take 50 ms to import.
    Image.preinit()
    for names in (EARLY_DECODERS, installed_decoders):
        for name in names if isinstance(names, tuple) else names():
            factory, accept = Image.OPEN[name]
            file.seek(0)
            try:
                accepted = not accept or accept(prefix)
                # A decoder that lacks a library says so in words.
                if accepted is not True:
                    continue
                if name in ("ICO", "CUR", "ICNS"):
                    _check_embedded(file)
                    file.seek(0)
                return factory(file, "")
            except (SyntaxError, IndexError, TypeError, KeyError, EOFError, struct.error):
                continue
    raise Unreadable(_why_unknown(file, prefix))


def _why_unknown(file: Any, prefix: bytes) -> str:
    """Why no decoder takes a file that begins with `prefix`."""
    ending = formats.sniff_ending(prefix)
    if ending == ".tif":
        # A damaged directory of tags raises almost anything.
        with suppress(Exception):
            return describe_tiff(file)
    if ending and ending in formats.PICTURES:
        return f"it is damaged: it begins as a {ending} file, and no decoder takes it"
    return "it is not a picture of a known format"


def _check_embedded(file: Any) -> None:
    """Raise `Unreadable` where an icon holds a picture larger than its directory says, which is
    decoded all the same.
    """
    content = file.read()
    for magic, offset in EMBEDDED.items():
        position = content.find(magic)
        while position >= 0:
            first = position + offset
            sides = struct.unpack(">II", content[first : first + 8].ljust(8, b"\0"))
            _check_size(*sides, MAX_PIXELS // 16)
            position = content.find(magic, position + len(magic))

    for entry in range(6, 6 + 16 * min(int.from_bytes(content[4:6], "little"), 256), 16):
        offset = int.from_bytes(content[entry + 12 : entry + 16], "little")
        header = content[offset : offset + 12]
        # The header of a bitmap.
        if len(header) == 12 and header[:4] == b"\x28\0\0\0":
            width, height = struct.unpack("<ii", header[4:])
            _check_size(abs(width), abs(height), MAX_PIXELS // 16)


def _check_size(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise Unreadable(
            f"it holds a picture of {width:,} x {height:,} pixels, more than an icon's {most:,}"
        )
