"""Comparisons: every training once, PCA against scikit-learn, resumed, and wrong calls."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from autoencode import data, runs
from autoencode.system import files


def command(*words, cwd):
    words = [sys.executable, "-m", "autoencode", "compare", *words]
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("comparison")
    images = data.load("mnist")
    np.savez(
        path / "small.npz",
        x_train=images.train[:500],
        y_train=images.train_labels[:500],
        x_test=images.test[:100],
        y_test=images.test_labels[:100],
    )
    shutil.copy(path / "small.npz", path / "other.npz")
    return path


WORDS = (
    *("small.npz", "--models", "dense", "--codes", "2,3", "--seeds", "2"),
    *("--epochs", "1", "--width", "0.1"),
)


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
        json.loads((folder / "all" / f"dense-code3-seed{seed}" / "measures.json").read_text())
        for seed in (0, 1)
    ]
    for key in ("mse", "psnr", "ssim", "probe", "neighbours"):
        assert float(rows[3][key]) == pytest.approx(np.mean([one[key] for one in singles]))
        assert float(rows[3][f"{key}_deviation"]) == pytest.approx(
            np.std([one[key] for one in singles], ddof=1)
        )
        assert rows[2][f"{key}_deviation"] == ""  # of one
    lines = (folder / "all" / "leaderboard.md").read_text().splitlines()
    assert lines == [line for line in compared if line.startswith("|")]
    assert len(lines) == 2 + len(rows)


def test_the_measured_error_is_that_of_the_last_epoch(folder, compared):
    run = folder / "all" / "dense-code2-seed1"
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert json.loads((run / "measures.json").read_text())["mse"] == pytest.approx(
        last["val_loss"], rel=1e-6
    )


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
    assert [line.split("|")[4] for line in done.stdout.splitlines() if line.startswith("|")] == [
        line.split("|")[4] for line in compared if line.startswith("|")
    ]


def test_a_training_that_was_killed_is_resumed(folder):
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


def test_a_training_that_cannot_be_resumed_is_named_and_stays(folder, compared):
    run = shutil.copytree(folder / "all", folder / "newer") / "dense-code3-seed1"
    (run / "measures.json").write_text("")  # as after a loss of power
    record = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(record | {"format": 99}))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = command(*WORDS, "--folder", "newer", cwd=folder)
    assert done.returncode == 1
    assert "newer autoencode" in done.stderr.splitlines()[-1]
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_training_as_well_and_says_how_to_resume(folder, number, status):
    name = f"ended-{status}"
    words = ["small.npz", "--models", "article", "--codes", "2", "--seeds", "1"]
    words = [sys.executable, "-m", "autoencode", "compare", *words]
    words += ["--epochs", "100000", "--folder", name]
    process = subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True)
    run = folder / name / "article-code2-seed0"
    while process.poll() is None and not (run / "checkpoint" / "1.checkpoint").exists():
        time.sleep(0.01)
    process.send_signal(number)  # to the parent alone
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert errors == "autoencode: stopped early, 1 of 2 done; the same command goes on\n"
    assert not files.is_locked(run / "lock")
    assert runs.Run.open(run).state()["state"] == "stopped"


def test_seeds_share_the_test_images_and_a_name_stands_once(folder):
    draw = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for number in range(40):
        Image.fromarray(draw.integers(0, 256, (8, 8), "uint8")).save(
            folder / "pictures" / f"{number}.png"
        )
    words = ["pictures", "--models", "article, article", "--codes", "2,2", "--seeds", "2"]
    done = command(*words, "--epochs", "1", "--folder", "shared", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((folder / "shared" / "leaderboard.csv").read_text().splitlines()))
    assert [(row["model"], row["seeds"]) for row in rows] == [("pca", "1"), ("article", "2")]
    first, second = (
        folder / "shared" / f"article-code2-seed{seed}" / "arrays" / "originals.npy"
        for seed in (0, 1)
    )
    expected = np.load(folder / "shared" / "pca-code2" / "originals.npy")
    np.testing.assert_array_equal(np.load(first), expected)
    np.testing.assert_array_equal(np.load(second), expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("small.npz", "--models", "dens"), "unknown model 'dens': did you mean 'dense'"),
        (
            ("small.npz", "--codes", "two"),
            "--codes takes whole numbers with commas between, received 'two'",
        ),
        (("small.npz", "--seeds", "0"), "at least one"),
        (
            ("small.npz", "--folder", "all", "--epochs", "2"),
            "all holds a comparison with --width 0.1 and not 1.0, --epochs 1 and not 2: choose",
        ),
        (
            ("other.npz", "--folder", "all"),
            "all holds a comparison of small.npz, and not of other.npz",
        ),
        (
            ("small.npz", "--seed", "4294967295"),
            "--seed must be a whole number from 0 to 4294967295, received 4294967297",
        ),
        (("small.npz", "--seeds", "1001"), "--seeds from 1 to 1000"),
        (
            ("small.npz", "--batch-size", "501"),
            "--batch-size 501 is larger than the 500 training images",
        ),
        (
            ("small.npz", "--batch-size", "449", "--models", "article,conv"),
            "leaves one of 450 alone: choose 448",
        ),
        (
            ("small.npz", "--models", "own.py:build"),
            "--models own.py:build names a file that is not",
        ),
        (("small.npz", "--models", "own.py"), "'own.py' is a file: name the function in it too"),
        (
            ("small.npz", "--models", "one/own.py:build,two/own.py:build"),
            "--models holds two own models called own.build, one/own.py:build and two/own.py:build",
        ),
        (("small.npz", "--folder", "."), "is not empty and holds no comparison"),
        (
            ("small.npz", "--model", "dense"),
            "compare takes --models, received --model dense: give --models dense",
        ),
        (("small.npz", "--code", "9"), "compare takes --codes, received --code 9: give --codes 9"),
        (("nothing",), "unknown source 'nothing'"),
    ],
)
def test_a_wrong_call_is_one_line(folder, compared, words, message):
    for name in ("one", "two"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "own.py").write_text("def build(shape, code, width): ...\n")
    done = command(*words, cwd=folder)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout  # nothing was trained


COPY = """
from autoencode.models import article
def build(shape, code, width):
    return article.build(shape, code, width)
"""
OWN = ("small.npz", "--models", "article,copies/mine.py:build", "--codes", "2", "--seeds", "1")
SAME = (
    *("--optimizer", "adam", "--learning-rate", "0.001", "--schedule", "constant"),
    *("--batch-size", "50", "--holdout", "0", "--epochs", "3", "--folder", "own"),
)


@pytest.fixture(scope="module")
def with_own(folder):
    (folder / "copies").mkdir()
    (folder / "copies" / "mine.py").write_text(COPY)
    done = command(*OWN, *SAME, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "own"


def test_an_own_model_out_of_a_file_has_a_row(with_own):
    """A copy of a built-in model ends with the same figures."""
    rows = list(csv.DictReader((with_own / "leaderboard.csv").read_text().splitlines()))
    assert [row["model"] for row in rows] == ["pca", "article", "mine.build"]
    assert rows[1]["mse"] == rows[2]["mse"]
    run = with_own / "mine.build-code2-seed0"
    assert (run / "report.html").exists()
    # It repeats the training, and `train --resume` knows the model by it.
    assert "--model copies/mine.py:build" in runs.Run.open(run).record["command"]
    # The doctor warns after the second epoch and at the end: each finding is told once.
    for entry in ("article", "mine.build"):
        measured = json.loads((with_own / f"{entry}-code2-seed0/measures.json").read_text())
        (finding,) = measured["findings"]
        assert finding.startswith("it is worse than the mean image")


def test_a_changed_file_is_another_model(folder, with_own):
    path = folder / "copies" / "mine.py"
    path.write_text(COPY + "# changed\n")
    done = command(*OWN, *SAME, cwd=folder)
    path.write_text(COPY)
    assert (done.returncode, done.stdout) == (1, "")
    assert "own holds trainings of mine.build from a file with other content" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import sys\nsys.exit(0)\n", "failed in line 2: SystemExit: 0"),
        ("def build(shape, code, width):\n    return 1, 2\n", "build"),
        ("def built(shape, code, width): ...\n", "does not define: it has built"),
    ],
)
def test_an_own_model_that_fails_is_found_before_anything_is_trained(folder, content, message):
    (folder / "bad.py").write_text(content)
    words = ("small.npz", "--models", "article,bad.py:build", "--codes", "2", "--epochs", "1")
    done = command(*words, "--folder", f"bad-{len(content)}", cwd=folder)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list((folder / f"bad-{len(content)}").glob("*-code*"))


def test_a_source_that_was_replaced_is_refused(folder, compared):
    shutil.copytree(folder / "all", folder / "replaced")
    arrays = dict(np.load(folder / "small.npz"))
    kept = (folder / "small.npz").rename(folder / "kept.npz")
    np.savez(folder / "small.npz", **arrays | {"x_train": arrays["x_train"][::-1]})
    done = command(*WORDS, "--folder", "replaced", cwd=folder)
    kept.replace(folder / "small.npz")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "autoencode: small.npz holds other images than replaced was made of: "
        "choose another --folder.\n"
    )


def test_a_call_with_fewer_codes_keeps_the_other_rows(folder, compared):
    shutil.copytree(folder / "all", folder / "fewer")
    before = (folder / "fewer" / "leaderboard.md").read_bytes()
    done = command(*WORDS[:4], "2", "--seeds", "1", *WORDS[7:], "--folder", "fewer", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "fewer" / "leaderboard.md").read_bytes() == before
