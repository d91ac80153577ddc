"""What an adversarial user found: wrong scales, and pipes that a program would wait for."""

import os
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from broken_sources import found, noise, save_pictures

from autoencode import AutoencodeError, Config, UsageError, data
from autoencode.data import streaming
from autoencode.data.parallel import on_all_cores
from autoencode.data.ranges import parse_range
from autoencode.data.scaling import Scale, show_value


@pytest.mark.parametrize(("dtype", "most"), [("uint8", 16), ("uint16", 4096)])
def test_packed_pixels_are_not_scaled_again(tmp_path: Path, dtype: str, most: int) -> None:
    array = noise(20, 6, 5, dtype=dtype, most=most)
    packed = data.pack(array, tmp_path / "a.store", Config())
    assert packed.ranges

    for source in (str(tmp_path / "a.store"), packed):
        for options in ({"transpose": True}, {"size": "5x6", "colour": "grey"}):
            again = data.load(source, Config(**options))
            direct = data.load(array, Config(**options))
            np.testing.assert_array_equal(again.train, direct.train)
            assert not any("lie outside" in note for note in again.notes)


def test_range_of_packed_pixels_is_said_to_be_unused(tmp_path: Path) -> None:
    data.pack(noise(20, 6, 5, dtype="uint16", most=4096), tmp_path / "a.store", Config())
    plain = data.load(str(tmp_path / "a.store"))
    asked = data.load(str(tmp_path / "a.store"), Config(range="0:100"))
    np.testing.assert_array_equal(asked.train, plain.train)
    assert any("`range=0:100` is not used" in note for note in asked.notes)


def test_range_is_applied_to_named_datasets() -> None:
    images = data.load("mnist", Config(range="0:100"))
    raw = data.load("mnist").train[:50].astype(float)
    np.testing.assert_array_equal(images.train[:50], np.round(np.minimum(raw, 100) * 2.55))


def test_other_scale_of_a_store_is_told(tmp_path: Path) -> None:
    data.pack(noise(20, 6, 5, dtype="uint16", most=4096), tmp_path / "a.store", Config())
    stored = data.load(str(tmp_path / "a.store"))
    dataset = data.open_dataset(str(tmp_path / "a.store"))
    read = streaming.stream(dataset, stored.shape, scale=Scale({"uint16": (0, 65535)}))
    pixels = np.concatenate(list(read.batches(64)))
    np.testing.assert_array_equal(pixels, np.concatenate([stored.train, stored.test]))
    assert any("name the source that it was made of" in note for note in read.notes)


def test_wide_integers_are_taken_as_the_8_bits_of_a_training() -> None:
    pixels = noise(3, 4)
    for dtype in ("int32", "uint32", "int64", "uint64"):
        np.testing.assert_array_equal(
            Scale({"uint8": (0, 255)}).to_pixels(pixels.astype(dtype))[0], pixels
        )
    assert Scale({"uint16": (0, 4095)}).range_of("int64")[1] > 4095


def test_range_beyond_floats_is_refused() -> None:
    for text in ("0:1e400", "-1e308:1e308"):
        with pytest.raises(UsageError, match="below 1e308"):
            parse_range(text)


def test_huge_values_are_shown_without_a_warning() -> None:
    assert show_value(1.25e300) == "1.25e+300"


def test_pipes_sockets_and_devices_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_pictures(tmp_path / "set")
    for name in (
        "a.png",
        "b.npy",
        "c.zip",
        "d.parquet",
        "e.csv",
        "none",
        "train-images-idx3-ubyte",
    ):
        os.mkfifo(folder / name)
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(folder)  # names of sockets are short
        server.bind("s.jpg")
        os.symlink("/dev/zero", folder / "z.png")
        os.symlink("self.png", folder / "self.png")
        images = data.load(str(folder))
    names = {skipped.name: skipped.reason for skipped in images.skipped}
    assert set(names) == {
        "a.png", "b.npy", "c.zip", "d.parquet", "s.jpg", "self.png", "train-images-idx3-ubyte",
        "z.png",
    }  # fmt: skip
    assert all(
        "a pipe, a socket or a device" in reason
        for name, reason in names.items()
        if name != "self.png"
    )
    assert found(images) == 4 + 8 + 2


@pytest.mark.parametrize("name", ["p.npy", "p.png", "p.zip", "p.csv", "p"])
def test_a_pipe_is_no_source(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(AutoencodeError, match="a pipe, a socket or a device: save"):
        data.load(str(tmp_path / name))


def test_a_pipe_that_is_named_among_files_is_skipped(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path)
    os.mkfifo(folder / "p.jpg")
    images = data.load([folder / "0.png", folder / "1.png", folder / "p.jpg"])
    assert [(one.name, one.reason[:12]) for one in images.skipped] == [("p.jpg", "it is a pipe")]


def test_jobs_that_wait_are_not_begun_after_a_stop() -> None:
    begun = []
    gate = threading.Event()

    def work(job: int) -> int:
        begun.append(job)
        if job:
            gate.wait(5)
        return job

    results = on_all_cores(work, iter(range(1000)), lambda job: 0)
    assert next(results) == 0
    threading.Timer(0.2, gate.set).start()
    results.close()
    assert len(begun) <= 2 * (os.cpu_count() or 1) + 1
