"""Run folders opened as estimators: the numbers of the command's files and of `autoencode.load`."""

import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

import autoencode
from autoencode import AutoencodeError, Autoencoder, Config, pipeline, runs
from autoencode.estimator import InvalidError

DIGITS = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
COUNT = 200
SMALL = {"model": "dense", "width": 0.1, "code": 3, "epochs": 2, "batch_size": 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with pictures, and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "digits").mkdir()
    for index, digit in enumerate(DIGITS[:COUNT]):
        Image.fromarray(digit).save(folder / "digits" / f"{index:03}.png")
    pipeline.run(str(folder / "digits"), Config(**SMALL, noise="mask:0.2"), folder / "run")
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return autoencode.load(folder / "run")


@pytest.fixture(scope="module", params=["run", "run/model.keras"])
def estimator(request, folder):
    return Autoencoder.load(folder / request.param)


COMMANDS = """
import json, sys
from autoencode.cli import app
for words in json.loads(sys.argv[1]):
    app(words, exit_on_error=False, print_error=False, result_action="return_value")
"""


def run_commands(commands, folder):
    """Run commands one after the other in one process, in `folder`."""
    words = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_all_doors_give_the_same_numbers(folder, model, estimator):
    run_commands(
        [
            ["encode", "run", "digits", "--out", "codes.npz", "--overwrite"],
            ["reconstruct", "run", "digits", "--out", "made.npz", "--overwrite"],
            ["denoise", "run", "digits", "--out", "clean.npz", "--overwrite"],
            ["sample", "run", "--count", "7", "--seed", "5", "--out", "new.npz", "--overwrite"],
        ],
        folder,
    )
    written = {}
    for name in ("codes", "made", "clean", "new"):
        with np.load(folder / f"{name}.npz") as file:
            written[name] = dict(file)

    images = DIGITS[:COUNT]
    codes = estimator.transform(images)
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, written["codes"]["codes"])
    np.testing.assert_array_equal(codes, model.encode(folder / "digits").values)
    np.testing.assert_array_equal(codes, model.encode(images).values)
    refined = estimator.transform(images[:9], refine=3)
    np.testing.assert_array_equal(refined, model.encode(images[:9], refine=3).values)

    made = estimator.inverse_transform(codes)
    np.testing.assert_array_equal(made, written["made"]["images"][..., 0])
    np.testing.assert_array_equal(made, model.decode(codes)[..., 0])
    np.testing.assert_array_equal(made, estimator.reconstruct(images))
    np.testing.assert_array_equal(estimator.denoise(images), written["clean"]["images"][..., 0])
    np.testing.assert_array_equal(estimator.sample(7, seed=5), written["new"]["images"][..., 0])

    errors = written["made"]["errors"].mean(dtype=np.float64)
    assert np.float32(-estimator.score(images)) == np.float32(errors)
    assert np.float32(-estimator.score(images)) == np.float32(model.reconstruct(images).mse)
    ranked = model.anomalies(images)
    np.testing.assert_array_equal(-estimator.score_samples(images), ranked.scores)


def test_its_attributes_are_those_of_the_run(folder, estimator):
    settings = runs.Run.open(folder / "run").record["settings"]
    parameters = estimator.get_params()
    shared = settings.keys() & parameters.keys()
    assert len(shared) > 20
    assert {name: parameters[name] for name in shared} == {name: settings[name] for name in shared}
    lines = runs.Run.open(folder / "run").metrics()
    for name in ("loss", "val_loss", "seconds"):
        assert estimator.history_[name] == [line[name] for line in lines]
    assert list(estimator.get_feature_names_out()) == [f"autoencoder{k}" for k in range(3)]


def test_a_share_of_its_training_images_are_outliers(estimator):
    train = pipeline.data.load(DIGITS[:COUNT]).train
    assert len(train) == COUNT * 9 // 10
    assert np.mean(estimator.predict(train) == -1) == pytest.approx(0.1, abs=0.02)


def test_images_may_have_an_axis_of_one_channel(estimator):
    codes = estimator.transform(DIGITS[:5])
    np.testing.assert_array_equal(estimator.transform(DIGITS[:5, ..., None]), codes)
    np.testing.assert_array_equal(estimator.transform(DIGITS[:5] / 255), codes)
    np.testing.assert_array_equal(estimator.transform(DIGITS[:5].astype(int)), codes)
    with pytest.raises(InvalidError, match=r"rows of shape \(N, 8, 8\)"):
        estimator.transform(DIGITS[:5, ..., None].repeat(3, 3))
    with pytest.raises(InvalidError, match="divide by 255 if white is 255"):
        estimator.transform(DIGITS[:5].astype(float))


@pytest.mark.parametrize("learns_first", [True, False])
def test_a_pickle_and_a_saved_file_stay_the_same(folder, tmp_path, learns_first):
    estimator = Autoencoder.load(folder / "run")
    if learns_first:
        assert np.isfinite(estimator.offset_)
    again = pickle.loads(pickle.dumps(estimator))
    estimator.save(tmp_path / "m.keras")
    saved = Autoencoder.load(tmp_path / "m.keras")
    for other in (again, saved):
        assert other.get_params() == estimator.get_params()
        for method in ("transform", "reconstruct", "score_samples", "predict"):
            expected = getattr(estimator, method)(DIGITS[:50])
            np.testing.assert_array_equal(getattr(other, method)(DIGITS[:50]), expected)
        np.testing.assert_array_equal(other.sample(3), estimator.sample(3))


def test_without_its_training_images_all_else_works(folder, tmp_path):
    pictures = shutil.copytree(folder / "digits", tmp_path / "digits")
    run = pipeline.run(str(pictures), Config(**SMALL), tmp_path / "run")
    shutil.rmtree(pictures)
    estimator = Autoencoder.load(run)
    codes = estimator.transform(DIGITS[:9])
    assert codes.shape == (9, 3)
    assert estimator.score(DIGITS[:9]) < 0
    assert pickle.loads(pickle.dumps(estimator)).transform(DIGITS[:9]).tolist() == codes.tolist()
    for use in (estimator.predict, estimator.score_samples):
        with pytest.raises(InvalidError, match=r"need the images that run was trained on"):
            use(DIGITS[:9])
    with pytest.raises(InvalidError, match="bring them back, or fit again"):
        estimator.save(tmp_path / "m.keras")


def test_a_run_on_16_bits_is_read_on_its_range(tmp_path):
    stored = np.random.default_rng(0).integers(0, 4096, (60, 6, 7), np.uint16)
    np.save(tmp_path / "scans.npy", stored)
    run = pipeline.run(str(tmp_path / "scans.npy"), Config(**SMALL), tmp_path / "run")
    model = autoencode.load(run)
    estimator = Autoencoder.load(run)
    beyond = stored + np.uint16(2000)
    for images in (stored, beyond, stored.astype(float), stored.astype(np.int32)):
        codes = model.encode(images).values
        np.testing.assert_array_equal(estimator.transform(images), codes)
        np.testing.assert_array_equal(estimator.reconstruct(images), model.decode(codes)[..., 0])
    np.testing.assert_array_equal(-estimator.score_samples(stored), model.anomalies(stored).scores)
    estimator.save(tmp_path / "m.keras")
    saved = Autoencoder.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(saved.transform(beyond), estimator.transform(beyond))


def test_fitted_again_it_is_an_estimator_like_any_other(folder):
    estimator = Autoencoder.load(folder / "run")
    assert np.isfinite(estimator.offset_)
    estimator.set_params(epochs=1).fit(DIGITS[:90] / 16.0)
    fresh = Autoencoder(**estimator.get_params()).fit(DIGITS[:90] / 16.0)
    assert estimator.pixel_range_ == fresh.pixel_range_ == [0, 255 / 16]
    np.testing.assert_array_equal(
        estimator.score_samples(DIGITS[:9] / 16.0), fresh.score_samples(DIGITS[:9] / 16.0)
    )
    assert estimator.offset_ == fresh.offset_


def test_what_is_no_model_is_told(folder, tmp_path):
    with pytest.raises(AutoencodeError, match="is not a run folder"):
        Autoencoder.load(tmp_path)
    with pytest.raises(AutoencodeError, match="cannot be read"):
        Autoencoder.load(tmp_path / "gone.keras")
    # Out of its run folder, a model tells no settings.
    shutil.copy(folder / "run" / "model.keras", tmp_path / "m.keras")
    with pytest.raises(AutoencodeError, match=r"nor is it in a run folder: open it with autoenc"):
        Autoencoder.load(tmp_path / "m.keras")
    unfinished = shutil.copytree(folder / "run", tmp_path / "unfinished")
    (unfinished / "model.keras").unlink()
    with pytest.raises(AutoencodeError, match=r"holds no model\.keras yet"):
        Autoencoder.load(unfinished)


def test_one_that_is_not_fitted_has_no_offset():
    assert not hasattr(Autoencoder(), "offset_")
    with pytest.raises(NotFittedError):
        _ = Autoencoder().offset_
