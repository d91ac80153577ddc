"""Chosen channels, transposed images, and alpha."""

import numpy as np
import pytest
from PIL import Image
from stored_values import FORMS, HEIGHT, WIDTH, as_npys, draw, near, oracle, read

from autoencode import AutoencodeError


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [3, 4, 7, 13])
@pytest.mark.parametrize("first", [False, True])
def test_bands_are_taken_of_any_number(tmp_path, dtype, count, first):
    random = np.random.default_rng(0)
    values = random.random((8, 16, 14, count))
    values = (
        values.astype(dtype) if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)
    )
    high = 1 if dtype == "float32" else np.iinfo(dtype).max
    stored = np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if first else values
    np.save(tmp_path / "a.npy", stored)
    for source in (stored, tmp_path / "a.npy", {"images": stored}):
        found, _ = read(source, bands="2,1,0")
        near(found, oracle(values[..., [2, 1, 0]], 0, high)[..., 0])
        found, _ = read(source, bands=str(count - 1))
        near(found, oracle(values[..., count - 1], 0, high))
        with pytest.raises(
            AutoencodeError,
            match=f"`bands` asks for channel {count}, counted from 0, and there are {count}",
        ):
            read(source, bands=str(count))


@pytest.mark.parametrize("bands", [(2, 1, 0), (0,), 1])
def test_bands_of_pictures(tmp_path, bands):
    pixels = np.random.default_rng(0).integers(0, 256, (4, HEIGHT, WIDTH, 3), "uint8")
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    found, _ = read(tmp_path, bands=bands)
    taken = [bands] if isinstance(bands, int) else list(bands)
    np.testing.assert_array_equal(found, pixels[..., taken])


def test_alpha_is_a_band_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, HEIGHT, WIDTH, 4), "uint8")
    for index, image in enumerate(pixels):
        Image.fromarray(image, "RGBA").save(tmp_path / f"{index}.png")
    for source in (tmp_path, pixels):
        np.testing.assert_array_equal(read(source, bands="3")[0], pixels[..., 3:])
        np.testing.assert_array_equal(read(source, bands="0,1,2")[0], pixels[..., :3])
        np.testing.assert_array_equal(read(source, bands="3,0,1")[0], pixels[..., [3, 0, 1]])


def test_a_band_that_is_not_there_is_one_line(tmp_path):
    Image.fromarray(np.arange(30, dtype=np.uint8).reshape(6, 5) * 8).save(tmp_path / "grey.png")
    with pytest.raises(
        AutoencodeError, match=r"grey\.png: it has 1 channel.*`bands` asks for channel 2"
    ) as told:
        read(tmp_path, bands="0,1,2")
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize(
    "form", ["as_array", "as_npy", "as_npys", "as_tiffs", "as_stack", "as_list"]
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_transpose_swaps_rows_and_columns(tmp_path, form, dtype):
    values = draw(0, 1 if dtype == "float32" else np.iinfo(dtype).max, dtype)
    found, _ = read(FORMS[form](values, tmp_path), transpose=True)
    near(found, oracle(values.swapaxes(1, 2), 0, values.max()))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "bool"])
def test_alpha_lies_on_white_as_that_of_a_png_does(tmp_path, dtype):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (6, HEIGHT, WIDTH, 4), "uint8")
    pixels[..., 3] = random.choice([0, 255, 90], pixels.shape[:-1], p=[0.4, 0.4, 0.2])
    pixels[0, 0, 0, 0], pixels[0, 0, 1, 0] = 0, 255
    if dtype == "bool":
        pixels = (pixels > 127) * np.uint8(255)
    stored = {
        "uint8": pixels,
        "uint16": pixels.astype(np.uint16) * 257,
        "float32": pixels / np.float32(255),
        "float64": pixels / 255,
        "bool": pixels > 0,
    }[dtype]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, image in enumerate(pixels):
        Image.fromarray(image, "RGBA").save(folder / f"{index}.png")
    as_picture, _ = read(folder)
    share = pixels[..., 3:] / 255
    expected = np.round(255 + (pixels[..., :3] - 255.0) * share)
    np.save(tmp_path / "a.npy", stored)
    (tmp_path / "below").mkdir()
    for source in (
        stored,
        tmp_path / "a.npy",
        list(stored),
        as_npys(stored, tmp_path / "below"),
        folder,
    ):
        found, _ = read(source)
        assert np.abs(found - expected).max() <= 1
        assert np.abs(found.astype(int) - as_picture).max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("form", ["as_array", "as_npy", "as_npz", "as_npys", "as_list"])
def test_a_fourth_band_that_is_no_alpha_is_refused(tmp_path, dtype, form):
    values = np.random.default_rng(0).random((8, 16, 14, 4)) * 0.98 + 0.01
    values = (
        values.astype(dtype) if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)
    )
    source = FORMS[form](values, tmp_path)
    with pytest.raises(
        AutoencodeError, match=r"fourth channel.* is no alpha.*`bands=0,1,2`"
    ) as told:
        read(source)
    assert len(str(told.value).splitlines()) == 1
    found, _ = read(source, bands="0,1,2")
    near(
        found, oracle(values[..., :3], 0, 1 if dtype == "float32" else np.iinfo(dtype).max)[..., 0]
    )
