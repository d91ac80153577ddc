"""What TIFF alone needs: byte order, kinds that Pillow does not list, signs, and words for what is
not read.
"""

from __future__ import annotations

from typing import Any

from PIL import Image, TiffImagePlugin

# What Pillow calls big-endian values of a TIFF, and the same in the byte order of this machine.
NATIVE_MODES = {
    "I;16BS": "I;16NS",
    "I;32B": "I;32N",
    "I;32BS": "I;32NS",
    "F;32BF": "F;32NF",
    "F;64BF": "F;64NF",
}
# Kinds of TIFF that Pillow can unpack and does not list: byte order, photometric, sample format,
# fill order, bits and extra samples.
MORE_TIFF = {
    (b"II", 1, (3,), 1, (64,), ()): ("F", "F;64F"),
    (b"MM", 1, (3,), 1, (64,), ()): ("F", "F;64BF"),
    (b"MM", 1, (1,), 1, (32,), ()): ("I", "I;32B"),
    (b"MM", 0, (1,), 1, (16,), ()): ("I;16B", "I;16B"),
}
# Bit of the TIFF tag NewSubfileType: a smaller copy of another page.
REDUCED = 1


def in_native_order(tile: Any) -> Any:
    """Correct what Pillow says of packed values in a big-endian TIFF.

    libtiff unpacks them into the byte order of this machine; Pillow knows so of unsigned 16 bits
    alone.
    """
    if tile.codec_name != "libtiff":
        return tile
    mode, *others = tile.args
    return tile._replace(args=(NATIVE_MODES.get(mode, mode), *others))


def describe_tiff(file: Any) -> str:
    """Return what the values of a TIFF are, in words."""
    file.seek(0)
    tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
    file.seek(tags.next)
    tags.load(file)
    bits = first_of(tags[258])
    kinds = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
    kind = kinds.get(first_of(tags.get(339, 1)), "undefined")
    channels = tags.get(277, 1)
    return (
        f"it is a TIFF of {channels} {'channel' if channels == 1 else 'channels'} of {bits}-bit "
        f"{kind} values in a form "
        "that is not read: save them with np.save('picture.npy', tifffile.imread('picture.tif'))"
    )


def is_signed(picture: Image.Image) -> bool:
    """Return whether a TIFF says that its integers have a sign; without a word they have none."""
    return picture.format == "TIFF" and first_of(read_tag(picture, 339, 1)) == 2


def read_tag(picture: Any, tag: int, default: Any = None) -> Any:
    """Return a tag of a TIFF; of Pillow's pictures, those alone have any."""
    return picture.tag_v2.get(tag, default)


def first_of(value: Any) -> Any:
    """Return the first value of a tag that holds one for each channel."""
    return value[0] if isinstance(value, tuple) else value
