"""Pictures written in rare formats, some of them by hand."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from written import HEIGHT, WIDTH, Written, noise, pixels_of, values
from written_pictures import PILLOW, by_pillow, image_of, saved

from autoencode import data

HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
HEIC_LINE = "HEIC needs pillow-heif; install it with: pip install 'autoencode[heif]'"


def write_pcx(folder: Path, ending: str) -> Iterator[Written]:
    if ending == ".pcx":
        yield from by_pillow(folder, ending)
        return
    pages = noise(2)
    held = []
    for page in pages:
        file = io.BytesIO()
        Image.fromarray(page[..., 0]).save(file, "PCX")
        held.append(file.getvalue())
    start = 4 * (len(held) + 2)
    places = [start, start + len(held[0])]
    head = struct.pack("<4I", 0x3ADE68B1, *places, 0)
    (folder / "fax.dcx").write_bytes(head + b"".join(held))
    yield Written(folder / "fax.dcx", pages[:1])
    yield Written(folder / "fax.dcx", pages, settings={"frames": "all"})


def write_xbm(folder: Path, ending: str) -> Iterator[Written]:
    if ending == ".xbm":
        yield from by_pillow(folder, ending)
        return
    colours = ["000000", "ff0000", "00ff7f", "ffffff"]
    places = np.random.default_rng(0).integers(0, 4, (HEIGHT, WIDTH))
    lines = [
        f"{WIDTH} {HEIGHT} 4 1",
        *(f"{letter} c #{code}" for letter, code in zip("abcd", colours, strict=True)),
    ]
    lines += ["".join("abcd"[place] for place in line) for line in places]
    body = ",\n".join(f'"{line}"' for line in lines)
    (folder / "sign.xpm").write_text(f"/* XPM */\nstatic char *sign[] = {{\n{body}\n}};\n")
    table = np.array([list(bytes.fromhex(code)) for code in colours], np.uint8)
    yield Written(folder / "sign.xpm", table[places][np.newaxis])


def psd(grey: np.ndarray) -> bytes:
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 1, HEIGHT, WIDTH, 8, 1)
    return head + struct.pack(">IIIH", 0, 0, 0, 0) + grey.tobytes()


def fits(grey: np.ndarray) -> bytes:
    bits = 8 * grey.itemsize * (-1 if grey.dtype.kind == "f" else 1)
    numbers = {"BITPIX": bits, "NAXIS": 2, "NAXIS1": WIDTH, "NAXIS2": HEIGHT}
    cards = [
        "SIMPLE  =                    T",
        *(f"{key:8}= {number:>20}" for key, number in numbers.items()),
        "END",
    ]
    head = "".join(f"{card:80}" for card in cards).encode()
    content = grey[::-1].astype(grey.dtype.newbyteorder(">")).tobytes()
    return head.ljust(2880) + content.ljust(2880, b"\0")


def flic(grey: np.ndarray) -> bytes:
    copy = struct.pack("<IH", 6 + grey.size, 16) + grey.tobytes()
    frame = struct.pack("<IHH8x", 16 + len(copy), 0xF1FA, 1) + copy
    head = struct.pack("<IHHHHHHI", 128 + len(frame), 0xAF12, 1, WIDTH, HEIGHT, 8, 3, 70).ljust(
        128, b"\0"
    )
    return head + frame


def sun(grey: np.ndarray) -> bytes:
    return struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 8, grey.size, 1, 0, 0) + grey.tobytes()


def gimp_brush(grey: np.ndarray) -> bytes:
    return struct.pack(">5I4sI", 32, 2, WIDTH, HEIGHT, 1, b"GIMP", 10) + b"dot\0" + grey.tobytes()


def pixar(colour: np.ndarray) -> bytes:
    head = bytearray(1024)
    head[:4] = b"\200\350\0\0"
    struct.pack_into("<HHHxxHH", head, 416, HEIGHT, WIDTH, 0, 14, 2)
    return bytes(head) + colour.tobytes()


def ftex(colour: np.ndarray) -> bytes:
    head = struct.pack("<4sIii", b"FTEX", 0, WIDTH, HEIGHT) + struct.pack("<iiii", 1, 1, 1, 32)
    return head + struct.pack("<i", colour.nbytes) + colour.tobytes()


def photo_cd(level: int) -> bytes:
    """A grey picture of 768 x 512, as light as `level`."""
    content = bytearray(96 * 2048)
    content[2048:2052] = b"PCD_"
    lines = bytes([level]) * (2 * 768) + bytes([156]) * 384 + bytes([137]) * 384
    return bytes(content) + lines * 256


GREY_BY_HAND = {
    ".psd": psd,
    ".fits": fits,
    ".fit": fits,
    ".fli": flic,
    ".flc": flic,
    ".ras": sun,
    ".gbr": gimp_brush,
}
COLOUR_BY_HAND = {".pxr": pixar, ".ftc": ftex, ".ftu": ftex}


def write_other(folder: Path, ending: str) -> Iterator[Written]:
    path = folder / f"hand{ending}"
    if ending in GREY_BY_HAND:
        grey = noise(1)
        path.write_bytes(GREY_BY_HAND[ending](grey[0, ..., 0]))
        yield Written(path, grey)
        if ending in (".fits", ".fit"):
            for dtype in ("int16", "int32", "float32", "float64"):
                path = folder / f"{dtype}{ending}"
                path.write_bytes(fits(values(dtype)))
                yield Written(path, pixels_of(values(dtype)))
    elif ending in COLOUR_BY_HAND:
        colour = noise(1, 3)
        path.write_bytes(COLOUR_BY_HAND[ending](colour[0]))
        yield Written(path, colour)
    elif ending == ".pcd":
        for level in (20, 150):
            path.write_bytes(photo_cd(level))
            lightness = round(1.3584 * level)  # of Photo YCC
            yield Written(path, np.full((1, 4, 6, 1), lightness), 1, {"size": "6x4"})
    elif ending == ".spider":
        yield from saved(folder, ending, *PILLOW["SPIDER"], "SPIDER")
    elif ending == ".blp":
        yield from saved(folder, ending, *PILLOW["BLP"], "BLP")
    else:
        yield from by_pillow(folder, ending)


def write_heic(folder: Path, ending: str) -> Iterator[Written]:
    """A real file where the extra is installed; test_heic has the rest."""
    try:
        import pillow_heif
    except ImportError:
        pictures = folder / "pictures"
        pictures.mkdir()
        Image.fromarray(noise(1)[0, ..., 0]).save(pictures / "a.png")
        (pictures / f"phone{ending}").write_bytes(HEIC_HEAD)
        images = data.load(pictures)
        assert [str(one) for one in images.skipped] == [f"phone{ending}\t{HEIC_LINE}"]
        yield Written(pictures / "a.png", noise(1))
        return
    image, expected = image_of("RGB", is_smooth=True)
    image = image.resize((WIDTH * 8, HEIGHT * 8), Image.Resampling.NEAREST)
    pillow_heif.from_pillow(image).save(folder / f"phone{ending}", quality=100)
    yield Written(folder / f"phone{ending}", expected, 6, {"size": f"{WIDTH}x{HEIGHT}"})
