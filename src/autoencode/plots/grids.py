"""Images side by side, as PNG and GIF. Knows no model and no run folder.

The picture of an epoch is the original tutorial's figure of 18 x 4 inches at 100 dpi, laid out
where Matplotlib puts its axes, but drawn by Pillow: 20 axes take Matplotlib half a second, and 20
pasted tiles take 10 ms.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from autoencode.plots.colours import INK
from autoencode.system import marks

# Pixels of a contact sheet.
SHEET_TILE = 96
SHEET_GAP = 8
# Pixels of the names beside and above one, and between what is set apart.
NAME_WIDTH = 120
NAME_HEIGHT = 24
APART = 20
# Pixels of the page for each column, and of the page: 1800 x 400 for ten.
COLUMN = 180
HEIGHT = 400
# Images in a row of a figure; more are placed below.
MAX_COLUMNS = 20
# matplotlib's default margins and gaps, as fractions of the page and of an axes box.
LEFT = 0.125
RIGHT = 0.9
TOP = 0.88
BOTTOM = 0.11
GAP = 0.2


def draw_examples(originals: np.ndarray, reconstructions: np.ndarray) -> Image.Image:
    """Return the picture of an epoch: the originals in a row, their reconstructions below.

    Both are uint8 (E, H, W, C); ten of them give 1800 x 400 pixels. Every tile keeps one scale, 0
    black and 255 white, where matplotlib's imshow would stretch each to its own range and make
    epochs hard to compare. Beyond twenty they go on below.

    >>> draw_examples(np.zeros((10, 28, 28, 1), "uint8"), np.zeros((10, 28, 28, 1), "uint8")).size
    (1800, 400)
    """
    count, height, width, channels = originals.shape
    columns = min(count, MAX_COLUMNS)
    page_width = COLUMN * columns
    page = Image.new(
        "L" if channels == 1 else "RGB", (page_width, HEIGHT * -(-count // columns)), "white"
    )
    box_width = page_width * (RIGHT - LEFT) / (columns + GAP * (columns - 1))
    box_height = HEIGHT * (TOP - BOTTOM) / (2 + GAP)
    scale = min(box_width / width, box_height / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    for row, images in enumerate((originals, reconstructions)):
        top = HEIGHT * (1 - TOP) + row * box_height * (1 + GAP) + (box_height - size[1]) / 2
        for index, pixels in enumerate(images):
            band, column = divmod(index, columns)
            left = page_width * LEFT + column * box_width * (1 + GAP) + (box_width - size[0]) / 2
            page.paste(draw_tile(pixels, size), (round(left), round(top) + HEIGHT * band))
    return page


def draw_sheet(
    images: np.ndarray, columns: int, *, tile: int = SHEET_TILE, gap: int = SHEET_GAP
) -> Image.Image:
    """Return a contact sheet of images, uint8 (N, H, W, C), in rows of `columns`.

    Each is `tile` pixels on its longer side.

    >>> draw_sheet(np.zeros((6, 28, 28, 1), "uint8"), columns=3).size
    (312, 208)
    """
    count, height, width, channels = images.shape
    scale = tile / max(height, width)
    tile_width = max(1, round(width * scale))
    tile_height = max(1, round(height * scale))
    mode = "L" if channels == 1 else "RGB"
    rows = -(-count // columns)
    page = Image.new(mode, (columns * (tile_width + gap), rows * (tile_height + gap)), "white")
    for index, pixels in enumerate(images):
        row, column = divmod(index, columns)
        left = column * (tile_width + gap)
        top = row * (tile_height + gap)
        page.paste(draw_tile(pixels, (tile_width, tile_height)), (left + gap // 2, top + gap // 2))
    return page


def draw_tile(pixels: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Return an image, uint8 (H, W, C), at `size`.

    One that grows keeps its pixels as squares, one that shrinks is averaged.
    """
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return picture.resize(
        size,
        Image.Resampling.NEAREST
        if math.prod(size) >= math.prod(picture.size)
        else Image.Resampling.LANCZOS,
    )


def draw_path(first: np.ndarray, between: np.ndarray, last: np.ndarray) -> Image.Image:
    """Return a row of images: `first`, set apart and named A, then `between`, then `last`, named B.

    `first` and `last` are uint8 (H, W, C), `between` uint8 (N, H, W, C). Beyond twenty they go on
    below.

    >>> digit = np.zeros((28, 28, 1), "uint8")
    >>> draw_path(digit, np.stack([digit] * 10), digit).size
    (1288, 128)
    """
    ends = [draw_sheet(end[np.newaxis], 1) for end in (first, last)]
    row = draw_sheet(between, min(len(between), MAX_COLUMNS))
    left = ends[0].width + APART
    right = ends[0].width + APART + row.width + APART
    page = Image.new(row.mode, (right + ends[1].width, row.height + NAME_HEIGHT), "white")
    drawing = ImageDraw.Draw(page)
    font = ImageFont.load_default(16)
    # Where the last of `between` stands.
    bottom = row.height - ends[1].height
    for name, picture, x, y in (
        ("A", ends[0], 0, 0),
        ("", row, left, 0),
        ("B", ends[1], right, bottom),
    ):
        page.paste(picture, (x, y + NAME_HEIGHT))
        drawing.text((x + picture.width / 2, y + NAME_HEIGHT / 2 + 2), name, INK, font, anchor="mm")
    return page


def draw_rows(rows: Mapping[str, np.ndarray]) -> Image.Image:
    """Return rows of images, uint8 (E, H, W, C) each, with the name of each row at its left.

    Beyond twenty images they go on below.

    >>> images = np.zeros((10, 28, 28, 1), "uint8")
    >>> draw_rows({"original": images, "pca": images}).size
    (1160, 208)
    """
    count = len(next(iter(rows.values())))
    bands = [_band(rows, first) for first in range(0, count, MAX_COLUMNS)]
    height = bands[0].height + APART
    page = Image.new("RGB", (bands[0].width, len(bands) * height - APART), "white")
    for place, band in enumerate(bands):
        page.paste(band, (0, place * height))
    return page


def _band(rows: Mapping[str, np.ndarray], first: int) -> Image.Image:
    parts = [images[first : first + MAX_COLUMNS] for images in rows.values()]
    sheets = [draw_sheet(part, columns=len(part)) for part in parts]
    # Of a row, whose name is higher than very flat images.
    height = max(sheets[0].height, NAME_HEIGHT)
    page = Image.new("RGB", (NAME_WIDTH + sheets[0].width, len(sheets) * height), "white")
    drawing = ImageDraw.Draw(page)
    font = ImageFont.load_default(16)
    for place, (name, sheet) in enumerate(zip(rows, sheets, strict=True)):
        middle = place * height + height // 2
        drawing.text((SHEET_GAP, middle), name, INK, font, anchor="lm")
        page.paste(sheet, (NAME_WIDTH, middle - sheet.height // 2))
    return page


def write_png(picture: Image.Image, file: BinaryIO) -> None:
    """Write `picture` as PNG, marked as written by this program, see `marks`."""
    mark = PngImagePlugin.PngInfo()
    mark.add_text(marks.KEYWORD, marks.PICTURE_TEXT)
    picture.save(file, format="PNG", compress_level=6, pnginfo=mark)


def write_gif(pictures: Sequence[bytes], file: BinaryIO, seconds: float) -> None:
    """Write `pictures`, PNG files, as a GIF that shows each for `seconds` and then starts again.

    The GIF is marked as written by this program, see `marks`.
    """
    first, *rest = (Image.open(io.BytesIO(picture)) for picture in pictures)
    first.save(
        file,
        format="GIF",
        save_all=True,
        append_images=rest,
        duration=round(seconds * 1000),
        loop=0,
        comment=marks.PICTURE_COMMENT,
    )


def shortened(name: str, letters: int) -> str:
    """Return `name` with at most so many `letters`, without its middle.

    Names of classes often differ at the end alone.

    >>> shortened("brain tumour, glioma", 12)
    'brain …lioma'
    """
    if len(name) <= letters:
        return name
    last = (letters - 1) // 2
    return f"{name[: letters - 1 - last]}…{name[-last:]}"


def coloured(heat: np.ndarray) -> np.ndarray:
    """Return heat, float (N, H, W), as colours from black over red to yellow, uint8 (N, H, W, 3).

    The largest is brightest.

    >>> coloured(np.zeros((2, 28, 28))).shape
    (2, 28, 28, 3)
    """
    from matplotlib import colormaps

    return colormaps["inferno"](heat / (heat.max() or 1), bytes=True)[..., :3]
