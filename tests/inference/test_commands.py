"""The commands that use a trained model, from the command line."""

import json
import os
import subprocess
import sys
from unittest import mock

import pytest
from inference_support import called, fill, pictures_with_some_broken
from PIL import Image

from autoencode.cli import main
from autoencode.system import marks


def test_the_command_tells_the_auroc_of_a_folder_of_defects(run, digits, tmp_path):
    folders = {"train/good": 40, "test/good": 12, "test/cut": 5, "test/bent": 4}
    index = 0
    for name, count in folders.items():
        (tmp_path / "parts" / name).mkdir(parents=True)
        for _ in range(count):
            Image.fromarray(digits[0][index, ..., 0]).save(
                tmp_path / "parts" / name / f"{index:03}.png"
            )
            index += 1
    train = ["train", "parts", "--epochs", "1", "--code", "4", "--run", "own", "--quiet"]
    words = ["--false-alarms", "0.4"]
    done = called(
        [
            train,
            ["anomalies", "own", "parts", "--part", "test", *words, "--out", "a"],
            ["anomalies", "own", "parts", *words, "--out", "b"],
            [
                "anomalies",
                "own",
                "parts/test",
                "--normal",
                "parts/train/good",
                *words,
                "--out",
                "c",
            ],
            ["anomalies", "own", "parts/test", *words, "--out", "d"],
        ],
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (
        lines.count("only the 52 images labelled good of the 61 in parts are taken as normal") == 3
    )
    assert sum("(4 images against 12 normal)" in line for line in lines) == 3
    assert (
        sum(
            line.startswith("AUROC of cut: ") and "(5 images against 52 normal)" in line
            for line in lines
        )
        == 1
    )
    assert sum(line.startswith("AUROC of all defects: ") for line in lines) == 4
    assert sum("include those the model was trained on; --part test" in line for line in lines) == 1


def test_every_command_from_the_command_line(run, source, tmp_path):
    calls = [
        ["info", str(run)],
        ["reconstruct", str(run), str(source), "--part", "test", "--examples", "3"],
        ["encode", str(run), str(source), "--out", "table/codes.csv"],
        ["decode", str(run), "table/codes.csv"],
        ["denoise", str(run), str(source), "--add", "mask:0.3"],
        ["sample", str(run), "--count", "9", "--seed", "2"],
        ["interpolate", str(run), "0", "1", "--steps", "4"],
        ["map", str(run), str(source), "--out", "here", "--method", "pca"],
        ["info", str(run), "--json"],
    ]
    done = called(calls, tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)
    for part in (
        "digits-1: images of 8x8, grey, to 4 numbers and back (16 values a number)",
        "noise gaussian:0.3",
        "30 of 300 images drawn for testing by split seed 3",
        "codes.csv and codes.png in table",
        "dB with noise",
        "9 new images, their codes drawn near those of 270 training images",
        "4 images from A to B",
        "map.csv, map.png and map-grid.png in here",
    ):
        assert part in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["epochs"] == 2
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    marked = {path.parent for path in written if path.name == marks.MARKER}
    assert marked == {path.parent for path in written}
    assert {str(path) for path in written if path.name != marks.MARKER} == {
        "reconstruct-digits-1/reconstructions.npz", "reconstruct-digits-1/reconstructions.png",
        "table/codes.csv", "table/codes.png",
        "decode-digits-1/images.npz", "decode-digits-1/images.png",
        "denoise-digits-1/denoised.npz", "denoise-digits-1/denoised.png",
        "sample-digits-1/samples.npz", "sample-digits-1/samples.png",
        "interpolate-digits-1/interpolation.gif", "interpolate-digits-1/interpolation.png",
        "here/map.csv", "here/map.png", "here/map-grid.png",
    }  # fmt: skip


def test_what_a_command_skips_is_listed_beside_its_results(run, digits, tmp_path):
    pictures_with_some_broken(tmp_path / "some", digits[0][:20])
    fill(tmp_path / "all", digits[0][:5], "")
    done = called([["encode", str(run), "some", "--out", f"{name}.csv"] for name in "ab"], tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [f"broken{number}.png\tit is not a picture of a known format" for number in range(7)]
    assert (tmp_path / "a-skipped.txt").read_text().splitlines() == lines
    assert "7 pictures skipped, all of them in a-skipped.txt:" in done.stdout
    assert "and 2 more" in done.stdout
    done = called([["encode", str(run), "all", "--out", "b.csv", "--overwrite"]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "b-skipped.txt").exists()


def test_normal_images_that_are_skipped_are_reported_and_refused_if_strict(run, digits, tmp_path):
    pictures_with_some_broken(tmp_path / "normal", digits[0][:40])
    fill(tmp_path / "fine", digits[0][50:60], "")
    (fill(tmp_path / "new", digits[0][50:60], "") / "bad.png").write_bytes(b"no picture")
    words = ["--normal", "normal", "--false-alarms", "0.4"]
    done = called(
        [
            ["anomalies", str(run), "new", *words],
            ["anomalies", str(run), "fine", *words, "--strict", "--out", "b"],
        ],
        tmp_path,
    )
    listed = (tmp_path / "anomalies-digits-1" / "anomalies-skipped.txt").read_text().splitlines()
    expected = ["bad.png", *(f"broken{number}.png" for number in range(7))]
    assert sorted(line.split("\t")[0] for line in listed) == expected
    assert "8 pictures skipped" in done.stdout
    assert "`strict` allows no picture to be skipped" in done.stderr
    assert not (tmp_path / "b").exists()


WRONG = [
    ("encode nowhere digits.npz", 2, "there is nothing at nowhere"),
    ("encode text.keras digits.npz", 1, "expected a whole .keras file"),
    ("encode empty digits.npz", 1, "not a run folder"),
    ("encode early digits.npz", 1, "no model.keras yet"),
    ("encode run digitz.npz", 2, "there is nothing at 'digitz.npz'"),
    ("encode run digits.npz --part tset", 2, "did you mean 'test'"),
    ("encode run digits.npz --fit squash", 2, "unknown fit"),
    ("encode run digits.npz --engine jaks", 2, "did you mean 'jax'"),
    ("encode run digits.npz --out codes.txt", 2, ".npz or .csv or .parquet"),
    ("encode run digits.npz --out digits.npz", 2, "is there already"),
    ("encode run digits.npz --out text.keras/codes.csv", 2, "is a file, expected a folder"),
    ("encode run digitz.npz --out deep/in/folders", 2, "there is nothing at 'digitz.npz'"),
    ("decode run none.csv", 2, "there is nothing at none.csv"),
    ("decode run empty", 2, "expected codes in a file"),
    ("decode run text.keras", 2, "expected codes in a file"),
    ("denoise run digits.npz --add fog", 2, "unknown noise"),
    ("encode run digits.npz --refine -1", 2, "Must be >= 0"),
    ("sample run --count 0", 2, "Must be >= 1"),
    ("sample run --seed -1", 2, "Must be >= 0"),
    ("interpolate run here.png 1", 2, "expected a picture's path or the index"),
    ("interpolate run 0 1 --spherical", 2, "expects a variational model"),
    ("interpolate run 0 1 --steps 1", 2, "Must be >= 2"),
    ("interpolate run 0 1 --steps 1001", 2, "Must be <= 1000"),
    ("interpolate run 0 1 --frame-seconds 0.01", 2, "Must be >= 0.02"),
    ("map run digits.npz --method tsne", 2, "unknown method"),
    ("train digits.npz --code 2.9", 2, '--code: unable to convert "2.9" into int'),
    ("encode run digits.npz --refine 1.5", 2, '--refine: unable to convert "1.5" into int'),
    ("info text.keras", 1, "expected a whole .keras file"),
]


@pytest.mark.filterwarnings(
    "ignore:Cyclopts application invoked without tokens"
)  # as a shell invokes it
@pytest.mark.parametrize(("words", "status", "part"), WRONG, ids=[words for words, _, _ in WRONG])
def test_a_wrong_call_is_one_line_and_leaves_nothing(
    tmp_path, monkeypatch, capsys, run, source, words, status, part
):
    (tmp_path / "run").symlink_to(run)
    (tmp_path / "digits.npz").symlink_to(source)
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "empty").mkdir()
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "config.json").write_bytes((run / "config.json").read_bytes())
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["autoencode", *words.split()])
    with mock.patch.dict(os.environ), pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert (ended.value.code, len(told.splitlines())) == (status, 1)
    assert part in told
    assert sorted(tmp_path.iterdir()) == before


def test_sigterm_leaves_nothing(run, source, tmp_path):
    code = (
        "import os, signal, sys\nfrom autoencode.cli import file_formats, main\n"
        "write = file_formats.write_arrays\n"
        "def written(*words):\n    write(*words)\n    os.kill(os.getpid(), signal.SIGTERM)\n"
        "file_formats.write_arrays = written\nmain()\n"
    )
    words = [sys.executable, "-c", code, "encode", str(run), str(source), "--out", "a/b"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (
        143,
        "autoencode: interrupted\n",
        [],
    )
