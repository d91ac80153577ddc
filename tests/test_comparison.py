"""Comparisons: every training once, PCA against scikit-learn, stopped and continued, and what is told of wrong calls."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from autoencode import sources


def command(*words, cwd):
    words = [sys.executable, "-m", "autoencode", "compare", *words]
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("comparison")
    images = sources.load("mnist")
    np.savez(
        path / "small.npz",
        x_train=images.train[:500],
        y_train=images.train_labels[:500],
        x_test=images.test[:100],
        y_test=images.test_labels[:100],
    )
    return path


WORDS = ("small.npz", "--models", "dense", "--codes", "2,3", "--seeds", "2", "--epochs", "1", "--width", "0.1")


@pytest.fixture(scope="module")
def compared(folder):
    done = command(*WORDS, "--folder", "all", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_leaderboard_holds_every_training_and_pca_first(folder, compared):
    from sklearn.decomposition import PCA

    rows = list(csv.DictReader((folder / "all" / "leaderboard.csv").read_text().splitlines()))
    assert [(row["model"], row["code"], row["seeds"]) for row in rows] == [
        ("pca", "2", "1"),
        ("dense", "2", "2"),
        ("pca", "3", "1"),
        ("dense", "3", "2"),
    ]
    arrays = np.load(folder / "small.npz")
    train, test = (arrays[name].reshape(-1, 784) / 255 for name in ("x_train", "x_test"))
    pca = PCA(3, svd_solver="full").fit(train)
    expected = np.mean((pca.inverse_transform(pca.transform(test)) - test) ** 2)
    assert float(rows[2]["mse"]) == pytest.approx(expected, abs=1e-5)
    singles = [
        json.loads((folder / "all" / f"dense-code3-seed{seed}" / "measures.json").read_text()) for seed in (0, 1)
    ]
    for key in ("mse", "psnr", "ssim", "probe", "neighbours"):
        assert float(rows[3][key]) == pytest.approx(np.mean([one[key] for one in singles]))
        assert float(rows[3][f"{key}_deviation"]) == pytest.approx(np.std([one[key] for one in singles], ddof=1))
        assert rows[2][f"{key}_deviation"] == ""  # of one
    lines = (folder / "all" / "leaderboard.md").read_text().splitlines()
    assert lines == [line for line in compared if line.startswith("|")]
    assert len(lines) == 2 + len(rows)


def test_the_measured_error_is_that_of_the_last_epoch(folder, compared):
    run = folder / "all" / "dense-code2-seed1"
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert json.loads((run / "measures.json").read_text())["mse"] == pytest.approx(last["val_loss"], rel=1e-6)


def test_its_pictures_are_whole(folder, compared):
    for name, size in (("reconstructions", (120 + 10 * 104, 3 * 104)), ("error", (800, 500))):
        with Image.open(folder / "all" / f"{name}.png") as page:
            assert page.size == size


def test_what_is_there_is_not_trained_again_and_what_was_cut_off_is(folder, compared):
    kept, cut = (folder / "all" / f"dense-code3-seed{seed}" for seed in (0, 1))
    before = (kept / "model.keras").stat().st_mtime_ns
    (cut / "measures.json").unlink()
    (cut / "model.keras").unlink()
    done = command(*WORDS, "--folder", "all", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (kept / "model.keras").stat().st_mtime_ns == before
    assert (cut / "model.keras").exists()
    assert done.stdout.count("(was there)") == 5
    assert [line.split("|")[3] for line in done.stdout.splitlines() if line.startswith("|")] == [
        line.split("|")[3] for line in compared if line.startswith("|")
    ]


def test_a_training_that_was_killed_goes_on_where_it_was(folder):
    words = ["small.npz", "--models", "article", "--codes", "2", "--seeds", "1", "--epochs", "300"]
    words = [sys.executable, "-m", "autoencode", "compare", *words, "--folder", "killed"]
    process = subprocess.Popen(words, cwd=folder, start_new_session=True)
    metrics = folder / "killed" / "article-code2-seed0" / "metrics.jsonl"
    while process.poll() is None and not (metrics.parent / "checkpoint" / "1.checkpoint").exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    first = metrics.read_text().splitlines()[0]  # with the seconds that it took
    assert not (metrics.parent / "measures.json").exists()
    subprocess.run(words, cwd=folder, check=True)
    lines = metrics.read_text().splitlines()
    assert (lines[0], len(lines)) == (first, 300)
    assert json.loads((metrics.parent / "measures.json").read_text())["epochs"] == 300


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("small.npz", "--models", "dens"), "unknown model 'dens': did you mean 'dense'"),
        (("small.npz", "--codes", "two"), "--codes takes whole numbers with commas between, received 'two'"),
        (("small.npz", "--seeds", "0"), "at least one"),
        (("small.npz", "--folder", "all", "--epochs", "2"), "holds a comparison of small.npz with other settings"),
        (("small.npz", "--folder", "."), "is not empty and holds no comparison"),
        (("small.npz", "--model", "dense"), "compare takes --models, received --model dense: say --models dense"),
        (("small.npz", "--code", "9"), "compare takes --codes, received --code 9: say --codes 9"),
        (("nothing",), "unknown source 'nothing'"),
    ],
)
def test_a_wrong_call_is_one_line(folder, compared, words, told):
    done = command(*words, cwd=folder)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
