"""What the program writes says so: folders that it makes, and pictures, whose pixels stay."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoencode import AutoencodeError, Config, Images, comparison, pipeline, runs
from autoencode.cli import file_formats, output_files
from autoencode.plots import charts, grids
from autoencode.system import marks

MODES = {"L": (60, 50), "RGB": (7, 300, 3)}


def picture(mode: str) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, MODES[mode], "uint8")
    return Image.fromarray(pixels)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    grids.write_png(image, file)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG, by the words of its specification."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


# Pictures


@pytest.mark.parametrize("mode", MODES)
def test_a_png_is_marked_right_after_its_head_and_keeps_its_pixels(mode):
    image = picture(mode)
    content = png(image)
    assert content[33:].startswith(chunk(b"tEXt", b"autoencode\0written by autoencode"))
    assert marks.is_marked_picture(content[:256])
    with Image.open(io.BytesIO(content)) as found:
        assert found.text == {"autoencode": "written by autoencode"}
        assert found.mode == mode
        np.testing.assert_array_equal(np.asarray(found), np.asarray(image))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_gif_is_marked_within_the_head_and_keeps_its_pixels(mode, frames):
    images = [picture(mode).rotate(90 * number) for number in range(frames)]
    file, plain = io.BytesIO(), io.BytesIO()
    grids.write_gif([png(image) for image in images], file, 0.5)
    images[0].save(
        plain, format="GIF", save_all=True, append_images=images[1:], duration=500, loop=0
    )
    assert marks.is_marked_picture(file.getvalue()[: marks.HEAD_BYTES])
    assert not marks.is_marked_picture(plain.getvalue())
    with Image.open(file) as found, Image.open(plain) as expected:
        assert found.n_frames == expected.n_frames == frames
        assert found.info["comment"] == b"autoencode: written by autoencode"
        for number in range(frames):
            found.seek(number)
            expected.seek(number)
            assert found.info["duration"] == expected.info["duration"]
            pixels = (np.asarray(one.convert("RGB")) for one in (found, expected))
            np.testing.assert_array_equal(*pixels)


def test_a_figure_is_marked():
    file = io.BytesIO()
    charts.write_curve(charts.draw_curve([1.0, 0.5], [1.0, 0.6], 0.4, 3), file)
    assert marks.is_marked_picture(file.getvalue()[:256])
    assert Image.open(file).size == (800, 500)


def foreign(kind: str, **words: object) -> bytes:
    file = io.BytesIO()
    picture("L").save(file, format=kind, **words)
    return file.getvalue()


def with_text(keyword: str, text: str) -> bytes:
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text(keyword, text)
    return foreign("PNG", pnginfo=info)


UNMARKED = {
    "a PNG": foreign("PNG"),
    "a PNG with another text": with_text("Software", "autoencode"),
    "a PNG with a longer keyword": with_text("autoencoder", "written by autoencode"),
    "a GIF": foreign("GIF"),
    "a GIF with another comment": foreign("GIF", comment="autoencode is what I read about"),
    "a JPEG with our comment": foreign("JPEG", comment=marks.PICTURE_COMMENT),
    "nothing": b"",
    "the head of a PNG": marks.PNG,
    "the head of a GIF": b"GIF89a",
    "words": b"autoencode\0written by autoencode",
    "a PNG whose chunk is longer than it": marks.PNG + b"\xff\xff\xff\xfftEXt" + b"autoenc",
}


@pytest.mark.parametrize("name", UNMARKED)
def test_what_others_write_has_no_mark(name):
    content = UNMARKED[name]
    assert not marks.is_marked_picture(content[: marks.HEAD_BYTES])


def test_any_cut_or_changed_head_is_looked_at_without_an_error():
    draw = np.random.default_rng(0)
    file = io.BytesIO()
    grids.write_gif([png(picture("L"))], file, 1)
    for whole in (png(picture("RGB"))[:256], file.getvalue()[: marks.HEAD_BYTES]):
        for size in range(len(whole)):
            marks.is_marked_picture(whole[:size])
        for _ in range(500):
            changed = bytearray(whole)
            for place in draw.integers(0, len(whole), 3):
                changed[place] = draw.integers(256)
            assert marks.is_marked_picture(bytes(changed)) in (True, False)


def test_text_within_the_pixels_is_no_mark():
    content = foreign("PNG")
    first = content.index(b"IDAT") - 4
    late = chunk(b"tEXt", b"autoencode\0written by autoencode")
    assert not marks.is_marked_picture(content[:first] + chunk(b"IDAT", b"") + late)
    assert marks.is_marked_picture(content[:first] + late)


# Folders


def test_old_runs_and_comparisons_are_known_by_their_files():
    known = marks.is_marked_folder
    assert known(["config.json", "metrics.jsonl", "example0.png"])
    assert known(["config.json", "state.json"])
    assert known(iter([marks.MARKER]))
    assert known(["comparison.json", "leaderboard.csv", "error.png"])
    assert not known(["config.json", "1.png"])
    assert not known(["metrics.jsonl", "state.json", "1.png"])
    assert not known([])


def test_a_marker_is_one_line_and_follows_no_link(tmp_path):
    marks.write_marker(tmp_path)
    marks.write_marker(tmp_path)
    assert len((tmp_path / ".autoencode").read_text().splitlines()) == 1
    (tmp_path / "planted").mkdir()
    (tmp_path / "target").write_text("mine")
    (tmp_path / "planted" / ".autoencode").symlink_to(tmp_path / "target")
    marks.write_marker(tmp_path / "planted")
    assert (tmp_path / "target").read_text() == "mine"


def test_a_folder_with_nothing_but_a_marker_is_removed_and_no_other(tmp_path):
    for name in ("empty", "marked", "full"):
        (tmp_path / name).mkdir()
    for name in ("marked", "full"):
        marks.write_marker(tmp_path / name)
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for name in ("empty", "marked", "full", "missing"):
        marks.remove_empty(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    assert set(os.listdir(tmp_path / "full")) == {"mine.txt", ".autoencode"}


def test_a_folder_that_is_written_to_meanwhile_stays_marked(tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    folder.mkdir()
    marks.write_marker(folder)
    remove = Path.rmdir

    def write_first(path: Path) -> None:
        (path / "another").mkdir()
        remove(path)

    monkeypatch.setattr(Path, "rmdir", write_first)
    marks.remove_empty(folder)
    assert set(os.listdir(folder)) == {"another", ".autoencode"}


NOISE = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 1), "uint8")
IMAGES, CONFIG = Images("noise", NOISE, NOISE[:12]), Config(epochs=1, batch_size=16, code=4)


def test_a_run_and_the_folder_of_runs_are_marked_with_all_their_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = pipeline.run(IMAGES, CONFIG)
    assert folder == Path("runs/noise-1")
    assert (folder / ".autoencode").is_file()
    assert set(os.listdir("runs")) == {"noise-1", ".autoencode"}
    drawn = [*folder.glob("*.png"), *folder.glob("*.gif")]
    assert len(drawn) == 3
    for path in drawn:
        assert marks.is_marked_picture(path.read_bytes()[: marks.HEAD_BYTES]), path
    with pytest.raises(AutoencodeError, match="already holds a run"), runs.claim(folder, "noise"):
        pass


def test_a_folder_of_runs_that_is_the_users_own_is_not_marked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    with runs.claim(None, "noise") as folder:
        (folder / "kept").write_text("a file of a run")
    assert os.listdir("runs") == ["noise-1"]


def test_a_run_that_wrote_nothing_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with runs.claim(None, "noise") as folder:
        assert (folder / ".autoencode").is_file()
    assert os.listdir() == []
    Path("own").mkdir()
    with runs.claim("own", "noise"):
        pass
    assert os.listdir("own") == []
    marks.write_marker(Path("own"))  # what a killed call leaves
    with runs.claim("own", "noise") as folder:
        (folder / "kept").write_text("a file of a run")
    assert set(os.listdir("own")) == {"kept", ".autoencode", "lock"}


def test_a_comparison_is_marked_and_a_refused_one_can_be_tried_again(tmp_path):
    folder = tmp_path / "all"
    for _ in range(2):
        assert comparison.claim_folder(folder, "mnist", Config()) == folder
        assert set(os.listdir(folder)) == {"comparison.json", ".autoencode"}
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(AutoencodeError, match="is not empty and holds no comparison"):
        comparison.claim_folder(folder, "mnist", Config())


def test_results_are_marked_where_their_folder_was_made_for_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own").mkdir()
    for out in (None, Path("own"), Path("new/deep")):
        with output_files.claim_files("decode", "digits-1", out) as place:
            file_formats.write_sheet(place.file.with_suffix(".png"), NOISE)
    marked = {str(path.parent) for path in Path().rglob(".autoencode")}
    assert marked == {"decode-digits-1", "new/deep"}
    for path in Path().rglob("*.png"):
        assert marks.is_marked_picture(path.read_bytes()[:256])
    elsewhere = Path("a/b")
    with (
        output_files.claim_files("encode", "digits-1"),
        output_files.claim_files("map", "digits-1", elsewhere),
    ):
        pass
    assert set(os.listdir()) == {"own", "new", "decode-digits-1"}


# The contact sheet


def look(*words: str, cwd: Path) -> subprocess.CompletedProcess:
    words = (sys.executable, "-m", "autoencode", "look", "noise.npy", *words)
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=cwd)


def test_a_contact_sheet_lies_in_a_folder_of_its_own_or_where_out_says(tmp_path):
    np.save(tmp_path / "noise.npy", NOISE)
    places = {
        (): "look-noise/contact-sheet.png",
        ("--out", "here"): "here/contact-sheet.png",
        ("--out", "there/a.png"): "there/a.png",
        ("--sheet", "b.png"): "b.png",
    }
    for words, place in places.items():
        for _ in range(2):  # the sheet of an earlier look is replaced
            done = look(*words, cwd=tmp_path)
            assert (done.returncode, done.stderr) == (0, "")
            assert f"contact sheet in {place}" in done.stdout
        assert marks.is_marked_picture((tmp_path / place).read_bytes()[:256])
    assert {str(path.parent.name) for path in tmp_path.rglob(".autoencode")} == {
        "look-noise",
        "here",
        "there",
    }


def test_a_contact_sheet_replaces_no_other_file_unless_it_may(tmp_path):
    np.save(tmp_path / "noise.npy", NOISE)
    picture("L").save(tmp_path / "own.png")
    before = (tmp_path / "own.png").read_bytes()
    done = look("--out", "own.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")  # nothing was looked at
    assert "own.png is there already" in done.stderr
    assert (tmp_path / "own.png").read_bytes() == before
    assert look("--out", "own.png", "--overwrite", cwd=tmp_path).returncode == 0
    assert marks.is_marked_picture((tmp_path / "own.png").read_bytes()[:256])
    done = look("--out", "a.jpg", cwd=tmp_path)
    assert done.stderr == (
        "autoencode: --out takes a folder or a file that ends in .png, received a.jpg.\n"
    )
