"""What an adversarial user found: wrong pixels, and messages that were not true."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from broken_sources import RANDOM, noise, save_pictures, tifffile

from autoencode import AutoencodeError, Config, data
from autoencode.data import decode, loading
from autoencode.data.choice import choose_plan
from autoencode.data.decode import Plan, Unreadable


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_16_bits_of_a_negative_are_inverted(
    tmp_path: Path, byteorder: str, compression: str | None
) -> None:
    values = noise(8, 9, dtype="uint16", most=65536)
    options = {"photometric": "miniswhite", "byteorder": byteorder, "compression": compression}
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    pixels = decode.decode(str(tmp_path / "a.tif"), Plan(8, 9, 1))
    np.testing.assert_array_equal(pixels[..., 0], np.round((65535 - values.astype(float)) / 257))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((6, 7, 3), "float32"), "3 channels of 32-bit floating-point"),
        (np.zeros((6, 7, 5), "uint8"), "5 channels of 8-bit unsigned"),
        (np.zeros((6, 7), "uint64"), "1 channel of 64-bit unsigned"),
        (np.zeros((6, 7), "complex64"), "1 channel of 64-bit complex"),
    ],
)
def test_a_tiff_that_is_not_read_says_what_it_holds(
    tmp_path: Path, values: np.ndarray, words: str
) -> None:
    planes = "contig" if values.ndim > 2 else None
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig=planes)
    with pytest.raises(Unreadable, match=words):
        decode.decode(str(tmp_path / "a.tif"), Plan(6, 7, 1))


def test_a_damaged_picture_is_no_unknown_format() -> None:
    with pytest.raises(Unreadable, match=r"it is damaged: it begins as a \.png file"):
        decode.decode(b"\x89PNG\r\n\x1a\n" + bytes(40), Plan(4, 4, 1))
    with pytest.raises(Unreadable, match="not a picture of a known format"):
        decode.decode(b"nothing that is known", Plan(4, 4, 1))


def test_nan_is_counted_apart_from_values_outside_the_range(tmp_path: Path) -> None:
    values = RANDOM.random((10, 10)).astype("float32")
    values[:3, 0] = [np.nan, np.inf, -np.inf]
    for index in range(4):
        tifffile.imwrite(tmp_path / f"{index}.tif", values, photometric="minisblack")
    notes = data.load(str(tmp_path)).notes
    assert any("12 of 400 values are NaN or infinite" in note for note in notes)
    assert not any("lie outside" in note for note in notes)


def test_channels_that_are_not_there(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path)
    with pytest.raises(AutoencodeError, match="it has 3 channels, and `bands` asks for channel 7"):
        data.load(str(folder), Config(bands="7"))
    with pytest.raises(
        AutoencodeError, match="mnist: `bands` asks for channel 1, counted from 0, and there are 1"
    ):
        data.load("mnist", Config(bands="1"))
    with pytest.raises(AutoencodeError, match="allow it with `max_pixels=30`"):
        data.load(str(folder), Config(max_pixels=2))


def test_four_grey_columns_are_noted() -> None:
    images = data.load(noise(10, 8, 4))
    assert any("taken for 10 grey images of 4x8" in note for note in images.notes)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "the source is empty"),
        ("file:///pictures", "name the path alone, '/pictures'"),
        (["a.png", None], "a list of str and NoneType"),
        ([{}], "received an empty one"),
        ([((np.zeros((4, 4)), 1), 2)], "at 0: expected what NumPy takes"),
        ([(np.zeros((3, 4, 4, 1)), [1, 2])], "received 2 for 3"),
    ],
)
def test_sources_of_python_that_are_none(source: object, words: str) -> None:
    with pytest.raises(AutoencodeError, match=words):
        data.load(source)


def test_an_empty_dataset_of_python() -> None:
    class Empty:
        def __len__(self) -> int:
            return 0

        def __getitem__(self, index: int) -> np.ndarray:
            raise IndexError(index)

    with pytest.raises(AutoencodeError, match="Empty is empty"):
        data.load(Empty())


def test_labels_that_are_no_classes_are_told() -> None:
    images = data.load([(noise(4, 4), 0.5), (noise(4, 4), 1.5)])
    assert any("the labels are no classes, and are skipped" in note for note in images.notes)


def test_messages_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz")
    with pytest.raises(AutoencodeError, match="holds no array of numbers, it is empty"):
        data.load(str(tmp_path / "a.npz"))
    with pytest.raises(AutoencodeError, match="^array: expected finite numbers"):
        data.load(np.full((4, 5, 5), np.nan))


def test_the_command_ends_at_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.zip")
    call = [sys.executable, "-m", "autoencode", "look", "p.zip"]
    done = subprocess.run(
        call, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_ready_pixels_stay_where_they_are(tmp_path: Path) -> None:
    packed = data.pack(noise(20, 6, 5, most=16), tmp_path / "a.store", Config())
    dataset = data.as_dataset(packed)
    choice = choose_plan(dataset, Config())
    assert loading._take_arrays(dataset, choice).train is packed.train
