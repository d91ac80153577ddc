"""The command with sources: train on a folder, look, pack, and one line for broken files."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from small_pictures import fill, noise

from autoencode import AutoencodeError, Config, data, runs


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "autoencode", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
    )


@pytest.mark.parametrize("engine", ["jax", "tensorflow", "torch"])
@pytest.mark.parametrize(("height", "width", "channels"), [(23, 17, 3), (9, 1, 1)])
def test_a_folder_of_pictures_trains(tmp_path, height, width, channels, engine):
    fill(tmp_path / "pics", noise(60, height, width, channels))
    (tmp_path / "pics" / "bad.png").write_text("x")
    words = (
        "--epochs",
        "2",
        "--batch-size",
        "16",
        "--code",
        "3",
        "--engine",
        engine,
        "--run",
        "run",
    )
    done = command("train", "pics", *words, cwd=tmp_path)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert engine != "jax" or done.stderr == ""
    run = runs.Run.open(tmp_path / "run")
    assert run.record["engine"] == engine
    assert run.record["images"]["shape"] == [height, width, channels]
    assert (
        tmp_path / "run" / "skipped.txt"
    ).read_text() == "bad.png\tit is not a picture of a known format\n"
    assert "bad.png: it is not a picture" in done.stdout
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"{width} x {height}" in page


def test_look_and_pack_from_the_command_line(tmp_path):
    pixels = noise(20, 12, 9, 3)
    pixels[3] = pixels[4]
    fill(tmp_path / "pics", pixels)
    looked = command("look", "pics", cwd=tmp_path)
    assert looked.stderr == ""
    assert "18 images to train, 2 to test" in looked.stdout
    assert "most common: 9x12 (20)" in looked.stdout
    assert "1 images are copies" in looked.stdout
    with Image.open(tmp_path / "look-pics" / "contact-sheet.png") as sheet:
        assert sheet.mode == "RGB"
    packed = command("pack", "pics", "pics.store", "--size", "6", cwd=tmp_path)
    assert "20 images of 6x6, rgb, in pics.store" in packed.stdout
    again = command("pack", "pics", "pics.store", cwd=tmp_path)
    assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
    trained = command(
        "train",
        "pics.store",
        "--epochs",
        "1",
        "--batch-size",
        "8",
        "--json",
        "--run",
        "run",
        cwd=tmp_path,
    )
    assert json.loads(trained.stdout)["epoch"] == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", b"PK\x03\x04 and no more"),
        ("a.tar.gz", gzip.compress(b"no archive", mtime=0)),
        ("a.tar", b"no archive"),
        ("a.npy", b"\x93NUMPY\x01\x00"),
        ("a.npz", b"PK\x03\x04"),
        ("a.parquet", b"PAR1PAR1"),
        ("a.store", b"autoencode-store\x01\x00\x00\x00"),
        ("a.bin", b"anything"),
        ("a-ubyte", b"\x00\x00\x08\x03\x00\x00"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AutoencodeError) as told:
        data.load(str(tmp_path / name), Config())
    assert len(str(told.value).splitlines()) == 1
    assert name.split(".")[0] in str(told.value)
