"""What users and machines do wrong: one clear line, the exit status, nothing half-written."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoencode import AutoencodeError, Config, Images, pipeline, runs
from autoencode.data import mnist
from autoencode.system.files import is_temporary


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess:
    words = (sys.executable, "-m", "autoencode", *words)
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=cwd)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 1), "uint8")
    images, config = Images("noise", pixels, pixels[:12]), Config(epochs=2, batch_size=16, code=4)
    return pipeline.run(images, config, tmp_path_factory.mktemp("finished") / "run")


@pytest.mark.parametrize(
    ("words", "status", "part"),
    [
        (("train", "mnits"), 2, "did you mean 'mnist'"),
        (("train", "--engine", "jaks"), 2, "did you mean 'jax'"),
        (("train", "--model", "artikle"), 2, "did you mean 'article'"),
        (("train", "--epoch", "3"), 2, "--epochs"),
        (("train", "--epochs", "three"), 2, "--epochs"),
        (("train", "--code", "0"), 2, "--code must be a whole number from 1"),
        (("train", "--examples", "-1"), 2, "--examples must be a whole number from 1"),
        (("train", "--examples", "101"), 2, "--examples must be a whole number from 1 to 100"),
        (("train", "n" * 300), 1, "File name too long"),
        (("train", "--learning-rate", "-1"), 2, "above 0"),
        (("train", "--learning-rate", "nan"), 2, "above 0"),
        (("train", "--batch-size", "70000"), 2, "at most 60000"),
        (("train", "--run", "full"), 1, "not empty"),
        (("train", "--run", "full/mine.txt/run"), 1, "Not a directory"),
        (("trian",), 2, "train"),
        (("show", "full"), 1, "not a run folder"),
        (("show", "nowhere"), 1, "not a run folder"),
    ],
)
def test_a_wrong_call_is_one_line_and_leaves_nothing(tmp_path, words, status, part):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    done = command(*words, cwd=tmp_path)
    assert done.returncode == status
    assert len(done.stderr.splitlines()) == 1
    assert part in done.stderr
    assert files(tmp_path) == {"mine.txt"}
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["full"]


def test_an_empty_folder_of_the_users_own_stays(tmp_path):
    (tmp_path / "own").mkdir()
    assert command("train", "--batch-size", "70000", "--run", "own", cwd=tmp_path).returncode == 2
    assert (tmp_path / "own").is_dir()


@pytest.mark.parametrize("size", [100, 5_000, 20_000, 60_000, 100_000])
def test_a_write_that_fails_leaves_whole_files(tmp_path, size):
    code = (  # a longer file fails as on a full disk
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "from autoencode.cli import main; main()"
    )
    words = [sys.executable, "-c", code, "train", "--epochs", "2", "--run", "run"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "could not write" in done.stderr
    for path in tmp_path.rglob("*"):
        assert not is_temporary(path.name)
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path.suffix == ".npy":
            np.load(path, allow_pickle=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_finishes_the_folder_of_the_epochs_so_far(tmp_path, number):
    words = [
        sys.executable,
        "-m",
        "autoencode",
        "train",
        "--epochs",
        "500",
        "--json",
        "--run",
        "run",
    ]
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert sum(line.startswith("autoencode: stopped early") for line in errors.splitlines()) == 1
    assert "Traceback" not in errors
    run = runs.Run.open(tmp_path / "run")
    epochs = len(run.metrics())
    assert 3 <= epochs < 500
    assert {
        "report.html",
        "output.gif",
        "curve.png",
        "model.keras",
        f"example{epochs - 1}.png",
    } <= files(run.folder)


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    words = f"{sys.executable} -m autoencode train --epochs 30 --run run | head -n 1"
    done = subprocess.run(
        words, shell=True, check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr == ""
    assert (tmp_path / "run" / "report.html").exists()


def test_without_a_terminal_there_are_no_control_characters_and_quiet_is_silent(tmp_path):
    plain = command("train", "--epochs", "2", "--run", "plain", cwd=tmp_path)
    assert plain.stderr == ""
    assert plain.stdout.isprintable() or set(
        filter(lambda c: not c.isprintable(), plain.stdout)
    ) == {"\n"}
    assert [line.split()[1] for line in plain.stdout.splitlines() if line.startswith("epoch")] == [
        "1/2",
        "2/2",
    ]
    quiet = command("train", "--epochs", "1", "--quiet", "--run", "quiet", cwd=tmp_path)
    assert (quiet.stdout, quiet.stderr) == ("", "")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("config.json", lambda data: data[:40]),
        ("config.json", lambda data: b"[]"),
        ("config.json", lambda data: data.replace(b'"engine"', b'"motor"')),
        ("metrics.jsonl", lambda data: data[:-30]),
        ("metrics.jsonl", lambda data: data.replace(b'"loss"', b'"less"')),
        ("metrics.jsonl", lambda data: b"\xff" + data),
        ("baseline.json", lambda data: data[:5]),
        ("arrays/originals.npy", lambda data: data[:50]),
        ("arrays/reconstructions1.npy", lambda data: data[:-50]),
        ("arrays/reconstructions1.npy", lambda data: b""),
    ],
)
def test_a_damaged_run_folder_says_which_file(finished, tmp_path, name, damage):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    done = command("show", "run", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{Path('run') / name} is damaged" in done.stderr


def test_a_folder_of_a_newer_version_says_so(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    record = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(record | {"format": 99}))
    with pytest.raises(AutoencodeError, match="newer autoencode"):
        runs.Run.open(folder)


def test_any_damage_to_the_bundled_file_is_told_or_harmless(tmp_path, monkeypatch):
    whole, originals = mnist.FILE.read_bytes(), mnist.load()
    monkeypatch.setattr(mnist, "FILE", tmp_path / "mnist.npz")
    drawn = np.random.default_rng(0).integers(0, len(whole), 12).tolist()
    places = [*drawn, 0, 30, len(whole) - 1, len(whole) - 200]
    told = 0
    for place in places:
        mnist.FILE.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            images = mnist.load()
        except AutoencodeError as error:
            told += "missing or damaged" in str(error)
        else:
            assert np.array_equal(images.train, originals.train)
            assert np.array_equal(images.test, originals.test)
    assert told >= 12
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        mnist.FILE.write_bytes(whole[:size])
        with pytest.raises(AutoencodeError, match="missing or damaged"):
            mnist.load()
    os.unlink(mnist.FILE)
    with pytest.raises(AutoencodeError, match="missing or damaged"):
        mnist.load()
