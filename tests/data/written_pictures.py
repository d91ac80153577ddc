"""Pictures written in the common formats."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from written import HEIGHT, WIDTH, Written, noise, on_white, pixels_of, smooth, values

# By Pillow's name of a format: the modes that are written, how, and the mean difference that is
# allowed in colour.
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
    alpha = np.full((1, HEIGHT, WIDTH, 1), 255, np.uint8) if is_smooth else noise(1, 1, 5)
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
            with_channels(expected, mode),
            max(tolerance, 0.5 if mode in ("LA", "RGBA") else 0),
        )


def with_channels(expected: np.ndarray, mode: str) -> np.ndarray:
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
