"""The estimator against scikit-learn's own checks, against plain Keras, and in the company it will keep."""

import os
import pickle
import subprocess
import sys
import warnings

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import autoencode
from autoencode import AutoencodeError, Autoencoder, anomalies, engines, sources

# scipy, not this package, must be told to take arrays of other libraries before it is imported.
NOT_RUN = {"check_array_api_input"}


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory):
    """Programs of one shape are compiled once for all fits of this file: half its time."""
    wanted = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    engines.load("jax")
    before = {name: getattr(jax.config, name) for name in wanted}
    for name, value in wanted.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(scope="module")
def digits():
    return sources.load("mnist").train[:2000, ..., 0]


@pytest.fixture(scope="module")
def fitted(digits):
    return Autoencoder(code=8, epochs=8, batch_size=32, seed=1).fit(digits)


def test_scikit_learn_finds_nothing_wrong():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(Autoencoder(code=2, epochs=1), on_fail=None)
    assert {result["check_name"] for result in results if result["status"] != "passed"} == NOT_RUN
    assert len(results) > 40


def test_parameters_are_those_of_config():
    ours = Autoencoder().get_params()
    extra = {"image_shape", "contamination"}
    assert {name: value for name, value in ours.items() if name not in extra} == {
        name: getattr(autoencode.Config(), name) for name in ours.keys() - extra
    }
    elsewhere = {
        "size",
        "fit",
        "colour",
        "strict",
        "split_seed",
        "examples",
        "frame_seconds",
    }  # of sources, and of a run's pictures
    assert ours.keys() - extra == {field for field in vars(autoencode.Config())} - elsewhere


def test_the_numbers_are_those_of_plain_keras(tmp_path, digits, fitted):
    import keras  # not at the top: collecting this file must not choose a backend for the others

    fitted.save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    floats = digits[..., None] / np.float32(255)
    codes = model.get_layer("encoder").predict(floats, verbose=0)
    redrawn = model.predict(floats, verbose=0)
    np.testing.assert_allclose(fitted.transform(digits), codes, atol=1e-4)
    assert fitted.score(digits) == pytest.approx(-np.square(redrawn - floats).mean(), rel=1e-5)
    expected = anomalies.relative_errors(digits[..., None], redrawn) * (1 + anomalies.Normality(codes).distances(codes))
    np.testing.assert_allclose(fitted.score_samples(digits), -expected, rtol=1e-3)
    assert (
        np.abs(fitted.reconstruct(digits) - np.round(redrawn[..., 0] * 255)).max() <= 1
    )  # a half may round either way
    np.testing.assert_array_equal(fitted.inverse_transform(fitted.transform(digits)), fitted.reconstruct(digits))


def test_it_is_the_training_that_the_command_does(digits, fitted):
    images = autoencode.Images("digits", digits[..., None], digits[:1, ..., None])
    *_, last = autoencode.watch(images, autoencode.Config(code=8, epochs=8, batch_size=32, seed=1))
    assert fitted.history_["loss"][-1] == last.loss


def test_saved_pickled_and_cloned_it_is_the_same(tmp_path, digits, fitted):
    fitted.save(tmp_path / "m.keras")
    for other in (Autoencoder.load(tmp_path / "m.keras"), pickle.loads(pickle.dumps(fitted))):
        assert other.get_params() == fitted.get_params()
        assert other.history_ == fitted.history_
        np.testing.assert_array_equal(other.transform(digits), fitted.transform(digits))
        np.testing.assert_array_equal(other.predict(digits), fitted.predict(digits))
        np.testing.assert_array_equal(other.sample(3), fitted.sample(3))
    with pytest.raises(NotFittedError):
        clone(fitted).transform(digits)


def test_outliers_are_what_it_cannot_redraw(digits, fitted):
    assert np.mean(fitted.predict(digits) == -1) == pytest.approx(0.1, abs=0.001)
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    assert (fitted.predict(noise) == -1).all()
    assert fitted.score(digits) > fitted.score(noise)


def test_samples_lie_where_digits_lie(digits, fitted):
    drawn = fitted.sample(200)
    assert drawn.shape == (200, 28, 28) and drawn.dtype == np.uint8 and len(np.unique(drawn, axis=0)) == 200
    np.testing.assert_allclose(drawn.mean(0), digits.mean(0), atol=60)
    assert abs(float(drawn.mean()) - float(digits.mean())) < 6


def test_a_variational_one_samples_too(digits):
    model = Autoencoder(code=4, epochs=1, variational=1.0, free_bits=0.5).fit(digits)
    assert model.sample(5).shape == (5, 28, 28)


def test_in_a_pipeline_and_a_search(digits):
    labels = sources.load("mnist").train_labels[:600]
    steps = make_pipeline(Autoencoder(code=4, epochs=2), LogisticRegression(max_iter=500))
    search = GridSearchCV(steps, {"autoencoder__code": np.array([2, 16])}, cv=2)
    search.fit(digits[:600].reshape(600, -1), labels)
    assert search.best_params_ == {"autoencoder__code": 16}  # more numbers tell more of a digit
    assert search.best_score_ > 0.5


def test_codes_as_a_data_frame():
    rows = np.random.default_rng(0).random((40, 6))
    model = Autoencoder(code=3, epochs=1).set_output(transform="pandas")
    frame = model.fit_transform(rows)
    assert (
        list(frame.columns) == list(model.get_feature_names_out()) == ["autoencoder0", "autoencoder1", "autoencoder2"]
    )


def test_denoising_takes_noise_away(digits):
    random = np.random.default_rng(0)
    noisy = np.clip(digits + random.normal(0, 100, digits.shape), 0, 255).astype(np.uint8)
    model = Autoencoder(code=32, epochs=10, batch_size=32, noise="gaussian:0.4").fit(digits)
    before, after = (np.square(one / 255.0 - digits / 255.0).mean() for one in (noisy, model.denoise(noisy)))
    assert after < before / 2
    with pytest.raises(AutoencodeError, match="noise='gaussian"):
        Autoencoder(epochs=1).fit(digits[:20]).denoise(digits[:20])


def test_it_is_fitted_in_a_process_that_has_loaded_no_framework():
    code = (
        "import autoencode, numpy; model = autoencode.Autoencoder(code=2, epochs=1).fit(numpy.zeros((9, 8, 8), 'uint8'));"
        "import keras, sys; print(keras.config.backend(), 'tensorflow' in sys.modules, model.score(numpy.zeros((1, 8, 8), 'uint8')) <= 0)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.stdout, done.returncode) == ("jax False True\n", 0), done.stderr[-2000:]


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 1), (7, 5, 3), (12,)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "bool"])
def test_every_shape_and_dtype_comes_back_as_it_was(shape, dtype):
    rows = np.random.default_rng(0).random((9, *shape))
    rows = (
        (rows * 255).astype(dtype)
        if dtype == "uint8"
        else rows.round().astype(dtype)
        if dtype == "bool"
        else rows.astype(dtype)
    )
    model = Autoencoder(code=3, epochs=1).fit(rows)
    assert model.transform(rows).shape == (9, 3)
    redrawn = model.reconstruct(rows)
    assert redrawn.shape == rows.shape
    assert redrawn.dtype == (np.uint8 if dtype == "uint8" else np.float32)


@pytest.fixture(scope="module")
def fitted_rows():
    return Autoencoder(code=3, epochs=1).fit(np.random.default_rng(0).random((64, 20)))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 700), seed=st.integers(0, 99))
def test_a_row_gives_the_same_alone_and_among_any_others(fitted_rows, count, seed):
    rows = np.random.default_rng(seed).random((count, 20))
    codes = fitted_rows.transform(rows)
    place = seed % count
    np.testing.assert_array_equal(fitted_rows.transform(rows[place : place + 1]), codes[place : place + 1])


def test_features_of_another_range_keep_it():
    rows = np.random.default_rng(0).normal(5, 2, (100, 4))
    model = Autoencoder(code=4, model="dense", epochs=60, batch_size=10).fit(rows)
    redrawn = model.reconstruct(rows)
    assert np.square(redrawn - rows).mean() < 0.3 * rows.var()


@pytest.mark.parametrize(
    ("parameters", "rows", "words"),
    [
        ({}, np.zeros((5, 4, 4)) + 2, "floats in"),
        ({}, np.zeros((5, 6, 6, 2)), "received"),
        ({"image_shape": (3, 3)}, np.zeros((5, 8)), "image_shape"),
        ({"contamination": 0.9}, np.zeros((5, 8)), "contamination"),
        ({"code": 0}, np.zeros((5, 8)), "--code"),
        ({"model": "artikel"}, np.zeros((5, 8)), "did you mean 'article'"),
    ],
)
def test_what_is_wrong_is_told(parameters, rows, words):
    with pytest.raises(AutoencodeError, match=words):
        Autoencoder(**parameters).fit(rows)


def test_other_rows_than_in_fit_are_told(digits, fitted):
    with pytest.raises(ValueError, match="as in fit"):
        fitted.transform(digits[:, :, :20])


def test_a_damaged_or_foreign_file_is_told(tmp_path, fitted):
    path = tmp_path / "m.keras"
    fitted.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AutoencodeError, match="whole .keras file"):
        Autoencoder.load(path)
    fitted.model_.save(path)
    with pytest.raises(AutoencodeError, match="not one that Autoencoder.save wrote"):
        Autoencoder.load(path)
