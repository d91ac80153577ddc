"""One picture as a viewer shows it, and what cannot be read with its reason."""

import numpy as np
import pytest
from PIL import Image
from small_pictures import content, noise, picture

from autoencode.data import decode

PLAN = decode.Plan(8, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_give_back_the_pixels(kind, channels):
    pixels = noise(1, 8, 8, channels)[0]
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode.decode(content(picture(pixels), kind, **options), decode.Plan(8, 8, channels))
    np.testing.assert_array_equal(found, pixels)


def test_jpeg_and_gif_come_near():
    smooth = np.asarray(picture(noise(1, 3, 3, 3)[0]).resize((64, 64), Image.Resampling.BICUBIC))
    for kind, most in (("JPEG", 4), ("GIF", 20)):
        found = decode.decode(content(Image.fromarray(smooth), kind), decode.Plan(64, 64, 3))
        assert np.abs(found.astype(int) - smooth).mean() < most


def test_exif_rotation_is_applied():
    pixels = noise(1, 4, 6, 3)[0]
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it 90 degrees clockwise
    found = decode.decode(content(picture(pixels), exif=exif), decode.Plan(6, 4, 3))
    np.testing.assert_array_equal(found, np.rot90(pixels, -1))
    assert (decode.probe(content(picture(pixels), exif=exif)).width) == 4


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("P", (8, 8), 0), (0, 0, 0)),
        (
            Image.new("RGBA", (8, 8), (255, 0, 0, 0)),
            (255, 255, 255),
        ),  # transparent: the page shows through
        (Image.new("RGBA", (8, 8), (255, 0, 0, 255)), (255, 0, 0)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 128)), (127, 127, 127)),
        (Image.new("LA", (8, 8), (10, 255)), (10, 10, 10)),
        (Image.new("1", (8, 8), 1), (255, 255, 255)),
        (Image.fromarray(np.full((8, 8), 65535, np.uint16)), (255, 255, 255)),
        (Image.fromarray(np.full((8, 8), 25700, np.uint16)), (100, 100, 100)),
    ],
    ids=[
        "palette",
        "transparent",
        "opaque",
        "half",
        "grey alpha",
        "bilevel",
        "16 bit white",
        "16 bit",
    ],
)
def test_modes_look_as_in_a_viewer(image, expected):
    np.testing.assert_array_equal(decode.decode(content(image), PLAN), np.full((8, 8, 3), expected))


def test_other_containers_of_colour():
    red = decode.decode(content(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), PLAN)
    assert red[0, 0, 0] > 200
    assert red[0, 0, 1] < 60
    floats = decode.decode(content(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), PLAN)
    np.testing.assert_array_equal(floats, 128)
    frames = content(
        Image.new("L", (8, 8), 9), "GIF", save_all=True, append_images=[Image.new("L", (8, 8), 200)]
    )
    np.testing.assert_array_equal(decode.decode(frames, PLAN), 9)


@pytest.mark.parametrize(
    ("how", "rows"),
    [("pad", [0, 0, 200, 200, 200, 200, 0, 0]), ("crop", [200] * 8), ("stretch", [200] * 8)],
)
def test_fit(how, rows):
    wide = content(Image.new("L", (16, 8), 200))
    np.testing.assert_array_equal(decode.decode(wide, decode.Plan(8, 8, 1, how))[:, 3, 0], rows)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_any_damaged_byte_is_told_or_harmless(kind):
    whole = content(picture(noise(1, 12, 10, 3)[0]), kind)
    random = np.random.default_rng(0)
    for place in random.integers(0, len(whole), 60):
        damaged = (
            whole[:place]
            + bytes([whole[place] ^ int(random.integers(1, 256))])
            + whole[place + 1 :]
        )
        for file in (damaged, whole[:place]):
            try:
                assert decode.decode(file, PLAN).shape == (8, 8, 3)
            except decode.Unreadable as error:
                assert str(error)


def test_a_decompression_bomb_is_refused():
    bomb = content(Image.new("1", (60_000, 60_000)))
    assert len(bomb) < 2**20
    with pytest.raises(decode.Unreadable, match="pixels"):
        decode.decode(bomb, PLAN)
