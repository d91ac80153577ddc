"""Every row of the table of formats in docs/datasets.md, on real files: what was written is what is read."""

import bz2
import gzip
import importlib.machinery
import io
import lzma
import re
import struct
import sys
import tarfile
import types
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from autoencode import AutoencodeError, Config, data
from autoencode.data import idx, tar_streams
from autoencode.data.choice import choose_plan
from autoencode.data.decode import decoders

DOCS = Path(__file__).parents[2] / "docs" / "datasets.md"
HEIGHT, WIDTH = 10, 12


class Written(NamedTuple):
    """A source, the images in it as uint8 (N, H, W, C), and by how much they may differ on average."""

    source: Path
    expected: np.ndarray
    tolerance: float = 0.0
    settings: dict = {}  # noqa: RUF012


def rows() -> dict[str, list[str]]:
    """The rows of the table: the endings by the name of the format."""
    table = DOCS.read_text("utf-8").split("## Formats")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return {cells[0].strip(): cells[1].split() for cells in lines[2:]}


ROWS = rows()
CASES = [(row, ending) for row, endings in ROWS.items() for ending in endings]


def read(source: object, **settings: object) -> np.ndarray:
    """All images of a source in their order, by the choices that loading makes."""
    config = Config(**settings)
    dataset = data.open_dataset(source, config)
    plan = choose_plan(dataset, config).plan
    chunks = list(dataset.read(np.arange(len(dataset)), plan, strict=True))
    return np.concatenate([chunk.pixels for chunk in chunks])


def check(written: Written) -> None:
    found = read(written.source, **written.settings)
    assert found.shape == written.expected.shape
    difference = np.abs(found.astype(int) - written.expected)
    assert difference.mean() <= written.tolerance
    images = data.load(written.source, Config(**written.settings))
    assert sum(len(part) for part in images.parts.values()) == len(written.expected)
    assert not images.skipped


def noise(count: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, HEIGHT, WIDTH, channels), "uint8")


def smooth(channels: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """One image (1, H, W, C) that lossy formats keep nearly, with another slope in each direction."""
    plane = np.add.outer(12 * np.arange(height), 5 * np.arange(width))
    return np.stack([20 + plane // (channel + 1) for channel in range(channels)], -1).astype(
        np.uint8
    )[np.newaxis]


def values(dtype: str) -> np.ndarray:
    """Stored values (H, W) that reach from end to end of `dtype`, of floats from 0 to 1."""
    random = np.random.default_rng(1)
    if np.dtype(dtype).kind == "f":
        found = random.random((HEIGHT, WIDTH)).astype(dtype)
        found[0, :2] = 0, 1
        return found
    limits = np.iinfo(dtype)
    found = random.integers(limits.min, limits.max, (HEIGHT, WIDTH), dtype, endpoint=True)
    found[0, :2] = limits.min, limits.max
    return found


def pixels_of(stored: np.ndarray) -> np.ndarray:
    """What full-range values (H, W) or (N, H, W) become, (N, H, W, 1)."""
    floats = stored.astype(np.float64)
    least, largest = 0.0, 1.0
    if stored.dtype.kind != "f":
        least, largest = float(np.iinfo(stored.dtype).min), float(np.iinfo(stored.dtype).max)
    found = np.round((floats - least) * (255 / (largest - least))).astype(np.uint8)
    return found.reshape(-1, HEIGHT, WIDTH, 1)


def on_white(rgba: np.ndarray) -> np.ndarray:
    share = rgba[..., 3:] / 255
    return np.round(255 + (rgba[..., :3] - 255.0) * share).astype(np.uint8)


# Pictures


# By Pillow's name of a format: the modes that are written, how, and the mean difference that is allowed in colour.
PILLOW = {
    "PNG": ("1 L LA P RGB RGBA I;16", {}, 0),
    "JPEG": ("L RGB", {"quality": 95}, 4),
    "MPO": ("RGB", {"quality": 95}, 4),
    "TIFF": ("1 L P RGB RGBA I;16 F", {}, 0),
    "GIF": ("1 L P", {}, 0),
    "WEBP": ("RGB RGBA", {"lossless": True}, 0),
    "AVIF": ("RGB RGBA", {"quality": 95}, 4),
    "JPEG2000": ("L RGB RGBA I;16", {}, 0),
    "BMP": ("1 L P RGB", {}, 0),
    "DIB": ("1 L P RGB", {}, 0),
    "TGA": ("L P RGB RGBA", {}, 0),
    "DDS": ("L RGB RGBA", {}, 0),
    "PCX": ("1 L P RGB", {}, 0),
    "SGI": ("L RGB RGBA", {}, 0),
    "QOI": ("RGB RGBA", {}, 0),
    "XBM": ("1", {}, 0),
    "IM": ("1 L P RGB", {}, 0),
    "MSP": ("1", {}, 0),
    "SPIDER": ("F", {}, 0),
    "BLP": ("P", {}, 0),
}


def image_of(mode: str, *, is_smooth: bool) -> tuple[Image.Image, np.ndarray]:
    """An image of a mode, and the pixels (1, H, W, C) that a viewer shows."""
    grey = smooth(1) if is_smooth else noise(1)
    colour = smooth(3) if is_smooth else noise(1, 3)
    if mode == "1":
        bits = grey[0, ..., 0] > 120
        return Image.fromarray(bits), bits[np.newaxis, ..., np.newaxis] * np.uint8(255)
    if mode == "L":
        return Image.fromarray(grey[0, ..., 0]), grey
    if mode == "P":
        image = Image.fromarray(colour[0]).quantize(64)
        return image, np.asarray(image.convert("RGB"))[np.newaxis]
    if mode == "RGB":
        return Image.fromarray(colour[0]), colour
    if mode in ("I;16", "F"):
        stored = values("uint16" if mode == "I;16" else "float32")
        return Image.fromarray(stored), pixels_of(stored)
    if is_smooth:
        alpha = np.full((1, HEIGHT, WIDTH, 1), 255, np.uint8)
    else:
        alpha = noise(1, 1, 5)
    base = grey if mode == "LA" else colour
    stacked = np.concatenate([base, alpha], -1)
    shown = on_white(np.concatenate([base.repeat(3, -1), alpha], -1) if mode == "LA" else stacked)
    return Image.fromarray(stacked[0], mode), shown


def saved(
    folder: Path, ending: str, modes: str, options: dict, tolerance: float, kind: str
) -> Iterator[Written]:
    for mode in modes.split():
        image, expected = image_of(mode, is_smooth=tolerance > 0)
        path = folder / f"{mode.replace(';', '')}{ending}"
        image.save(path, kind, **options)
        # Pillow rounds transparency in whole numbers.
        yield Written(
            path,
            _with_channels(expected, mode),
            max(tolerance, 0.5 if mode in ("LA", "RGBA") else 0),
        )


def _with_channels(expected: np.ndarray, mode: str) -> np.ndarray:
    """Grey images are read as such, whatever mode they are in."""
    return expected[..., :1] if mode == "LA" else expected


def by_pillow(folder: Path, ending: str) -> Iterator[Written]:
    kind = Image.registered_extensions()[ending]
    yield from saved(folder, ending, *PILLOW[kind], kind)


def write_png(folder: Path, ending: str) -> Iterator[Written]:
    yield from by_pillow(folder, ending)
    first, second = noise(2)
    path = folder / f"moving{ending}"
    Image.fromarray(first[..., 0]).save(
        path, "PNG", save_all=True, append_images=[Image.fromarray(second[..., 0])]
    )
    yield Written(path, first[np.newaxis])
    yield Written(path, np.stack([first, second]), settings={"frames": "all"})

    deep = np.random.default_rng(3).integers(0, 2**16, (HEIGHT, WIDTH, 3), "uint16")
    path = folder / f"deep{ending}"
    path.write_bytes(png_of_16_bit_colour(deep))
    yield Written(path, (deep >> 8).astype(np.uint8)[np.newaxis])


def png_of_16_bit_colour(deep: np.ndarray) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", deep.shape[1], deep.shape[0], 16, 2, 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in deep)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def write_jpeg(folder: Path, ending: str) -> Iterator[Written]:
    if ending == ".mpo":
        image, expected = image_of("RGB", is_smooth=True)
        other = Image.new("RGB", image.size)
        image.save(folder / "two.mpo", "MPO", quality=95, save_all=True, append_images=[other])
        yield Written(folder / "two.mpo", expected, 4)
        return
    yield from by_pillow(folder, ending)

    # A camera that was turned says how to turn back.
    upright = smooth(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright[0])))
    stored.save(folder / f"turned{ending}", "JPEG", quality=95, exif=exif)
    yield Written(folder / f"turned{ending}", upright, 4)

    large = Image.fromarray(smooth(3)[0]).resize((2400, 2000), Image.Resampling.BICUBIC)
    large.save(folder / f"large{ending}", "JPEG", quality=95)
    settings = {"size": f"{WIDTH}x{HEIGHT}", "max_pixels": 1000}
    yield Written(folder / f"large{ending}", upright, 4, settings)


def write_tiff(folder: Path, ending: str) -> Iterator[Written]:
    yield from by_pillow(folder, ending)
    for mode in ("1", "L", "RGB", "I;16", "F"):
        for packing in ("tiff_lzw", "tiff_deflate", "packbits"):
            image, expected = image_of(mode, is_smooth=False)
            path = folder / f"{mode.replace(';', '')}-{packing}{ending}"
            image.save(path, "TIFF", compression=packing)
            yield Written(path, expected)

    # Each depth, in both orders of bytes, plain and packed.
    for dtype in ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"):
        stored = values(dtype)
        for order, packing in (("<", None), ("<", "zlib"), (">", None), (">", "zlib")):
            path = folder / f"{dtype}-{'big' if order == '>' else 'little'}-{packing}{ending}"
            tifffile.imwrite(
                path, stored, byteorder=order, compression=packing, photometric="minisblack"
            )
            yield Written(path, pixels_of(stored))
    colour = noise(1, 3)
    tifffile.imwrite(folder / f"tiled{ending}", colour[0], photometric="rgb", tile=(16, 16))
    yield Written(folder / f"tiled{ending}", colour)
    planes = np.ascontiguousarray(colour[0].transpose(2, 0, 1))
    tifffile.imwrite(folder / f"planes{ending}", planes, photometric="rgb", planarconfig="separate")
    yield Written(folder / f"planes{ending}", colour)
    tifffile.imwrite(folder / f"white{ending}", colour[0, ..., 0], photometric="miniswhite")
    yield Written(folder / f"white{ending}", 255 - colour[..., :1])

    stack = np.random.default_rng(2).integers(0, 2**16, (5, HEIGHT, WIDTH), "uint16")
    for order in "<>":
        path = folder / f"stack{'big' if order == '>' else ''}{ending}"
        tifffile.imwrite(path, stack, photometric="minisblack", byteorder=order)
        yield Written(path, pixels_of(stack))
        yield Written(path, pixels_of(stack[:1]), settings={"frames": "first"})
    signed = (stack.astype(int) - 2**15).astype(np.int16)
    path = folder / f"signed-stack{ending}"
    tifffile.imwrite(path, signed, photometric="minisblack", byteorder=">", compression="zlib")
    yield Written(path, pixels_of(signed))
    yield from write_turned(folder, ending)
    yield from write_pyramids(folder, ending)


def write_turned(folder: Path, ending: str) -> Iterator[Written]:
    """One picture by each of the eight ways that a camera may have been held."""
    for dtype in ("uint8", "uint16", "int16", "float32"):
        upright = values(dtype)
        turns = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.T,
            6: np.rot90(upright),
            7: upright[::-1, ::-1].T,
            8: np.rot90(upright, -1),
        }
        for orientation, stored in turns.items():
            path = folder / f"{dtype}-{orientation}{ending}"
            tag = [(274, "H", 1, orientation, True)]
            tifffile.imwrite(
                path, np.ascontiguousarray(stored), extratags=tag, photometric="minisblack"
            )
            yield Written(path, pixels_of(upright))


def write_pyramids(folder: Path, ending: str) -> Iterator[Written]:
    full = noise(2)[..., 0]
    smaller = [full[:, ::2, ::2].copy(), full[:, ::4, ::4].copy()]
    with tifffile.TiffWriter(folder / f"below{ending}") as file:
        for page in range(2):
            file.write(full[page], subifds=2, photometric="minisblack")
            for level in smaller:
                file.write(level[page], subfiletype=1, photometric="minisblack")
    yield Written(folder / f"below{ending}", full[..., np.newaxis])
    with tifffile.TiffWriter(folder / f"beside{ending}") as file:
        for page in range(2):
            file.write(full[page], photometric="minisblack")
            file.write(smaller[0][page], subfiletype=1, photometric="minisblack")
    yield Written(folder / f"beside{ending}", full[..., np.newaxis])


def write_animation(folder: Path, ending: str) -> Iterator[Written]:
    kind = Image.registered_extensions()[ending]
    modes, options, tolerance = PILLOW[kind]
    yield from saved(folder, ending, modes, options, tolerance, kind)

    frames = [smooth(3)[0], 255 - smooth(3)[0], smooth(3)[0, ::-1, ::-1]]
    frames = [
        np.ascontiguousarray(frame[..., :1].repeat(3, -1) if kind == "GIF" else frame)
        for frame in frames
    ]
    first, *others = [
        Image.fromarray(frame[..., 0] if kind == "GIF" else frame) for frame in frames
    ]
    path = folder / f"moving{ending}"
    first.save(path, kind, save_all=True, append_images=others, duration=100, **options)
    expected = np.stack(frames)
    expected = expected[..., :1] if kind == "GIF" else expected
    yield Written(path, expected[:1], tolerance)
    yield Written(path, expected, tolerance, {"frames": "all"})


def write_pnm(folder: Path, ending: str) -> Iterator[Written]:
    modes = {".pgm": "L I;16", ".ppm": "RGB", ".pbm": "1", ".pnm": "1 L RGB I;16", ".pfm": "F"}[
        ending
    ]
    yield from saved(folder, ending, modes, {}, 0, "PPM")

    grey = noise(1)[0, ..., 0]
    if ending == ".pgm":
        text = f"P2\n# a comment\n{WIDTH} {HEIGHT}\n255\n" + "\n".join(
            " ".join(map(str, line)) for line in grey
        )
        (folder / "text.pgm").write_text(text + "\n")
        yield Written(folder / "text.pgm", grey[np.newaxis, ..., np.newaxis])
    if ending == ".pfm":  # big-endian, and its rows from the bottom to the top
        stored = values("float32")
        head = f"Pf\n{WIDTH} {HEIGHT}\n1.0\n".encode()
        (folder / "big.pfm").write_bytes(head + stored[::-1].astype(">f4").tobytes())
        yield Written(folder / "big.pfm", pixels_of(stored))


def write_icon(folder: Path, ending: str) -> Iterator[Written]:
    side = 64
    grey = smooth(1, side, side)[0, ..., 0] // 4
    colours = np.stack([grey, 255 - grey, grey // 2, np.full_like(grey, 255)], -1)
    image = Image.fromarray(colours)
    path = folder / f"icon{ending}"
    if ending == ".cur":
        image.save(folder / "icon.ico", bitmap_format="bmp", sizes=[(16, 16), (side, side)])
        content = bytearray((folder / "icon.ico").read_bytes())
        content[2] = 2
        path.write_bytes(content)
    else:
        image.save(path, sizes=[(16, 16), (side, side)])
    yield Written(path, colours[np.newaxis, ..., :3], 3, {"size": str(side)})


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


# Formats that Pillow reads and does not write, each by hand.


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
    ".psd": psd, ".fits": fits, ".fit": fits, ".fli": flic, ".flc": flic, ".ras": sun, ".gbr": gimp_brush
}  # fmt: skip
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


# Arrays


def write_npy(folder: Path, ending: str) -> Iterator[Written]:
    grey = noise(6)
    colour = noise(6, 3)
    layouts = {
        "grey": grey[..., 0],
        "last": colour,
        "one": colour[0],
        "big": grey[..., 0].astype(">u2") * 257,
    }
    layouts |= {"first": colour.transpose(0, 3, 1, 2), "column": np.asfortranarray(colour)}
    for name, stored in layouts.items():
        np.save(folder / f"{name}{ending}", stored)
        expected = {1: grey, 3: colour}[
            stored.shape[-1] if name in ("last", "one", "column") else 1
        ]
        expected = colour if name == "first" else expected
        settings = {"range": "full"} if name == "big" else {}
        yield Written(
            folder / f"{name}{ending}", expected[:1] if name == "one" else expected, 0, settings
        )

    # A folder of them: an image each, or several.
    below = folder / "slices"
    below.mkdir()
    np.save(below / f"0{ending}", grey[0, ..., 0])
    np.save(below / f"1{ending}", grey[1:3, ..., 0])
    np.save(below / f"2{ending}", grey[3])
    np.save(below / f"3{ending}", grey[4:])
    yield Written(below, grey)


def write_npz(folder: Path, ending: str) -> Iterator[Written]:
    grey = noise(6)
    for name, save in (("plain", np.savez), ("packed", np.savez_compressed)):
        save(
            folder / f"{name}{ending}",
            x_train=grey[:4, ..., 0],
            x_test=grey[4:, ..., 0],
            y_train=np.arange(4),
        )
        yield Written(folder / f"{name}{ending}", grey)
    np.savez(folder / f"any{ending}", patterns=grey[..., 0])
    yield Written(folder / f"any{ending}", grey)


def write_idx(folder: Path, ending: str) -> Iterator[Written]:
    assert ending == "...-images-idx3-ubyte(.gz)"
    pixels = noise(9)
    for packed in ("", ".gz"):
        top = folder / f"set{packed}"
        raw = top / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for part, held in (("train", pixels[:6]), ("t10k", pixels[6:])):
            idx.write(held[..., 0], raw / f"{part}-images-idx3-ubyte{packed}")
            idx.write(
                np.arange(len(held), dtype=np.uint8), raw / f"{part}-labels-idx1-ubyte{packed}"
            )
        for source in (top, top / "MNIST", raw):
            yield Written(source, pixels)
        yield Written(raw / f"train-images-idx3-ubyte{packed}", pixels[:6])

    # One of several sets is named by the beginning of its files.
    sets = folder / "gzip"
    sets.mkdir()
    for word, held in (("letters", pixels), ("digits", 255 - pixels)):
        idx.write(held[:6, ..., 0], sets / f"emnist-{word}-train-images-idx3-ubyte.gz")
        idx.write(held[6:, ..., 0], sets / f"emnist-{word}-test-images-idx3-ubyte.gz")
    yield Written(sets / "emnist-digits", 255 - pixels)

    # The other types of the format, by struct.
    for number, dtype in (
        (0x09, ">i1"),
        (0x0B, ">i2"),
        (0x0C, ">i4"),
        (0x0D, ">f4"),
        (0x0E, ">f8"),
    ):
        stored = np.stack(
            [
                values(np.dtype(dtype).newbyteorder("=").str),
                values(np.dtype(dtype).newbyteorder("=").str),
            ]
        )
        path = folder / f"type{number}-images-idx3-ubyte"
        path.write_bytes(
            struct.pack(">BBBB3I", 0, 0, number, 3, *stored.shape) + stored.astype(dtype).tobytes()
        )
        yield Written(path, pixels_of(stored))


# Tables and archives


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def write_parquet(folder: Path, ending: str) -> Iterator[Written]:
    pixels = noise(6)
    bare = pyarrow.table({"picture": [png(image) for image in pixels]})
    pyarrow.parquet.write_table(bare, folder / f"bare{ending}")
    yield Written(folder / f"bare{ending}", pixels)
    held = [{"bytes": png(image), "path": f"{index}.png"} for index, image in enumerate(pixels)]
    table = pyarrow.table({"image": held, "label": [0, 1] * 3})
    parts = folder / "set" / "data"
    parts.mkdir(parents=True)
    pyarrow.parquet.write_table(table.slice(0, 4), parts / f"train-00000-of-00001{ending}")
    pyarrow.parquet.write_table(table.slice(4), parts / f"test-00000-of-00001{ending}")
    yield Written(folder / "set", np.concatenate([pixels[4:], pixels[:4]]))


def members(pixels: np.ndarray) -> dict[str, bytes]:
    return {f"set/{'ab'[index % 2]}/{index}.png": png(image) for index, image in enumerate(pixels)}


def in_order(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[::2], pixels[1::2]])


def write_zip(folder: Path, ending: str) -> Iterator[Written]:
    pixels = noise(6)
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = folder / f"{packing}{ending}"
        with zipfile.ZipFile(path, "w", packing) as archive:
            for name, content in members(pixels).items():
                archive.writestr(name, content)
        yield Written(path, in_order(pixels))

    # As old programs of Windows write paths.
    path = folder / f"windows{ending}"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members(pixels).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"set/a/", b"set\\a\\").replace(b"set/b/", b"set\\b\\"))
    yield Written(path, in_order(pixels))
    assert data.load(path).classes == ("a", "b")


def tar_of(pixels: np.ndarray, names: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members(pixels).items():
            member = tarfile.TarInfo(names + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


PACKERS = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tgz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
}


def write_tar(folder: Path, ending: str) -> Iterator[Written]:
    pixels = noise(6)
    path = folder / f"a{ending}"
    path.write_bytes(PACKERS[ending](tar_of(pixels)))
    yield Written(path, pixels)
    shards = folder / "shards"
    shards.mkdir()
    for number in range(3):
        part = pixels[2 * number : 2 * number + 2]
        (shards / f"set-{number:04}{ending}").write_bytes(PACKERS[ending](tar_of(part)))
    yield Written(shards, pixels)


def write_zstd(folder: Path, ending: str) -> Iterator[Written]:
    """A real file where zstd is installed; test_zstd has the rest."""
    pixels = noise(6)
    path = folder / f"a{ending}"
    try:
        zstd = import_zstd()
    except ImportError:
        path.write_bytes(tar_streams.ZSTD_MAGIC + b"packed")
        with pytest.raises(AutoencodeError, match=re.escape("pip install 'autoencode[zstd]'")):
            data.load(path)
        path = folder / "a.tar"
        path.write_bytes(tar_of(pixels))
    else:
        path.write_bytes(zstd.compress(tar_of(pixels)))
    yield Written(path, pixels)


def import_zstd() -> types.ModuleType:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def write_csv(folder: Path, ending: str) -> Iterator[Written]:
    pixels = noise(6)
    sign = "\t" if ending == ".tsv" else ","
    pictures = folder / "pictures"
    pictures.mkdir()
    for index, image in enumerate(pixels):
        (pictures / f"{index}, a.png").write_bytes(png(image))
    order = [3, 0, 5, 1, 4, 2]
    for column in ("path", "file", "filename", "image"):
        name = "pictures/{}, a.png"
        lines = [column, *(f'"{name.format(index)}"' for index in order)]
        (folder / f"{column}{ending}").write_text("\n".join(lines) + "\n")
        yield Written(folder / f"{column}{ending}", pixels[order])
        lines = [sign.join((column, "label", "split"))]
        lines += [
            sign.join((f'"{name.format(index)}"', "ab"[index % 2], "train" if index else "test"))
            for index in order
        ]
        (folder / f"{column}-label{ending}").write_text("\n".join(lines) + "\n")
        yield Written(folder / f"{column}-label{ending}", pixels[order])


def write_store(folder: Path, ending: str) -> Iterator[Written]:
    assert ending == "any"
    pixels = noise(6)
    for name in ("set.store", "set", "set.png"):
        data.pack(pixels, folder / name, Config())
        images = data.load(folder / name)
        both = np.concatenate([images.train, images.test])
        order = np.concatenate([choose_plan(data.open_dataset(pixels), Config()).train])
        np.testing.assert_array_equal(images.train, pixels[order])
        yield Written(folder / name, both)


WRITERS = {
    "PNG": write_png,
    "JPEG": write_jpeg,
    "TIFF": write_tiff,
    "GIF": write_animation,
    "WebP": write_animation,
    "AVIF": write_animation,
    "JPEG 2000": by_pillow,
    "BMP": by_pillow,
    "PNM": write_pnm,
    "TGA": by_pillow,
    "DDS": by_pillow,
    "ICO": write_icon,
    "PCX": write_pcx,
    "SGI": by_pillow,
    "QOI": by_pillow,
    "XBM": write_xbm,
    "other pictures": write_other,
    "HEIC": write_heic,
    "NumPy": write_npy,
    "NumPy archive": write_npz,
    "IDX": write_idx,
    "Parquet": write_parquet,
    "zip": write_zip,
    "tar": write_tar,
    "tar.zst": write_zstd,
    "CSV of paths": write_csv,
    "packed store": write_store,
}


def test_each_row_has_a_writer_and_each_writer_a_row():
    assert set(WRITERS) == set(ROWS)
    assert all(ROWS.values())


@pytest.mark.filterwarnings("ignore:IM image format is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("row", "ending"), CASES)
def test_what_was_written_is_read(tmp_path, row, ending):
    written = 0
    for one in WRITERS[row](tmp_path, ending):
        try:
            check(one)
        except (AssertionError, AutoencodeError) as error:
            raise AssertionError(f"{one.source.name} {one.settings}: {error}") from error
        written += 1
    assert written


def test_reading_and_loading_agree_where_a_picture_has_no_ending(tmp_path):
    pixels = noise(1, 3)
    for kind, options in (
        ("PNG", {}),
        ("GIF", None),
        ("TIFF", {}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
    ):
        if options is not None:
            Image.fromarray(pixels[0]).save(tmp_path / kind, kind, **options)
            check(Written(tmp_path / kind, pixels))
    assert read(tmp_path).shape == (4, HEIGHT, WIDTH, 3)


# The extras, present and missing


HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
HEIC_LINE = "HEIC needs pillow-heif; install it with: pip install 'autoencode[heif]'"


class FakeHeif(PngImagePlugin.PngImageFile):
    """A PNG behind the head of an HEIC."""

    format = "HEIF"

    def __init__(self, file: object, name: str) -> None:
        super().__init__(io.BytesIO(file.read()[len(HEIC_HEAD) :]), name)
        self.format = "HEIF"


@pytest.fixture
def _heif_is_installed(monkeypatch):
    module = types.ModuleType("pillow_heif")
    module.__spec__ = importlib.machinery.ModuleSpec("pillow_heif", None)
    Image.init()
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    module.register_heif_opener = lambda: Image.register_open(
        "HEIF", FakeHeif, lambda head: head[4:12] == b"ftypheic"
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    decoders.installed_decoders.cache_clear()
    yield
    decoders.installed_decoders.cache_clear()


@pytest.fixture
def _heif_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr("autoencode.data.picture_files.find_spec", lambda name: None)
    decoders.installed_decoders.cache_clear()
    yield
    decoders.installed_decoders.cache_clear()


@pytest.mark.usefixtures("_heif_is_installed")
@pytest.mark.parametrize("ending", [*ROWS["HEIC"], ".HEIC"])
def test_heic_is_read_where_the_extra_is_installed(tmp_path, ending):
    pixels = noise(3, 3)
    for index, image in enumerate(pixels):
        (tmp_path / f"{index}{ending}").write_bytes(HEIC_HEAD + png(image))
    check(Written(tmp_path, pixels))
    check(Written(tmp_path / f"1{ending}", pixels[1:2]))


@pytest.mark.usefixtures("_heif_is_missing")
@pytest.mark.parametrize("ending", ROWS["HEIC"])
def test_heic_names_its_install_command_where_the_extra_is_missing(tmp_path, ending):
    (tmp_path / f"phone{ending}").write_bytes(HEIC_HEAD)
    for source in (tmp_path, tmp_path / f"phone{ending}"):
        with pytest.raises(AutoencodeError, match=re.escape(f"phone{ending}: {HEIC_LINE}")):
            data.load(source)
    Image.fromarray(noise(1)[0, ..., 0]).save(tmp_path / "a.png")
    assert [str(one) for one in data.load(tmp_path).skipped] == [f"phone{ending}\t{HEIC_LINE}"]


@pytest.mark.parametrize("ending", ROWS["tar.zst"])
def test_zstd_is_read_where_it_is_installed(tmp_path, monkeypatch, ending):
    """With a stand-in that unpacks gzip behind the first bytes of zstd."""

    def unpack(file: object) -> io.BytesIO:
        content = file.read()
        assert content.startswith(tar_streams.ZSTD_MAGIC)
        return io.BytesIO(gzip.decompress(content[4:]))

    module = types.ModuleType("zstd")
    module.open = unpack
    for name in ("backports", "compression"):
        package = types.ModuleType(name)
        package.zstd = module
        monkeypatch.setitem(sys.modules, name, package)
        monkeypatch.setitem(sys.modules, f"{name}.zstd", module)
    pixels = noise(6)
    content = tar_streams.ZSTD_MAGIC + gzip.compress(tar_of(pixels))
    (tmp_path / f"a{ending}").write_bytes(content)
    check(Written(tmp_path / f"a{ending}", pixels))
    check(Written(tmp_path, pixels))


@pytest.mark.parametrize("ending", ROWS["tar.zst"])
def test_zstd_names_its_install_command_where_it_is_missing(tmp_path, monkeypatch, ending):
    for name in ("backports", "compression", "backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / f"a{ending}").write_bytes(tar_streams.ZSTD_MAGIC + b"packed")
    for source in (tmp_path / f"a{ending}", tmp_path):
        with pytest.raises(AutoencodeError) as told:
            data.load(source)
        line = str(told.value)
        assert len(line.splitlines()) == 1
        assert "pip install 'autoencode[zstd]'" in line
        assert f"tar --zstd -xf a{ending}" in line
