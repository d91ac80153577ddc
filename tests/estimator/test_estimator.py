"""The estimator against scikit-learn's own checks, against plain Keras, and in pipelines."""

import dataclasses
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

import autoencode
from autoencode import AutoencodeError, Autoencoder, config, data
from autoencode.estimator import InvalidError
from autoencode.inference import anomalies

# scipy, not this package, must be told to take arrays of other libraries before it is imported.
NOT_RUN = {"check_array_api_input"}


def test_scikit_learn_finds_nothing_wrong():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(Autoencoder(code=2, model="article", epochs=1), on_fail=None)
    assert {result["check_name"] for result in results if result["status"] != "passed"} == NOT_RUN
    assert len(results) > 40


@pytest.mark.parametrize(
    "name", ["check_fit_idempotent", "check_n_features_in", "check_fit2d_1sample"]
)
def test_scikit_learn_finds_nothing_wrong_with_the_defaults(name):
    # All checks with the default model take four minutes.
    model = Autoencoder(code=2, epochs=1)
    checks = [
        check for _, check in estimator_checks_generator(model) if check.func.__name__ == name
    ]
    assert len(checks) == 1
    checks[0](model)


def test_parameters_are_those_of_config():
    ours = Autoencoder().get_params()
    extra = {"image_shape", "contamination"}
    assert {name: value for name, value in ours.items() if name not in extra} == {
        name: getattr(autoencode.Config(), name) for name in ours.keys() - extra
    }
    of_sources = {field.name for field in dataclasses.fields(config.DataConfig)}
    of_pictures = {"examples", "frame_seconds"}
    elsewhere = of_sources | of_pictures
    assert ours.keys() - extra == set(vars(autoencode.Config())) - elsewhere


def test_the_numbers_are_those_of_plain_keras(tmp_path, digits, fitted):
    import keras  # not at the top: collecting this file must not choose a backend for the others

    fitted.save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    floats = digits[..., None] / np.float32(255)
    codes = model.get_layer("encoder").predict(floats, verbose=0)
    reconstructed = model.predict(floats, verbose=0)
    np.testing.assert_allclose(fitted.transform(digits), codes, atol=1e-4)
    assert fitted.score(digits) == pytest.approx(
        -np.square(reconstructed - floats).mean(), rel=1e-5
    )
    expected = anomalies.relative_errors(digits[..., None], reconstructed) * (
        1 + anomalies.Normality(codes).distances(codes)
    )
    np.testing.assert_allclose(fitted.score_samples(digits), -expected, rtol=1e-3)
    # A half may round either way.
    assert np.abs(fitted.reconstruct(digits) - np.round(reconstructed[..., 0] * 255)).max() <= 1
    np.testing.assert_array_equal(
        fitted.inverse_transform(fitted.transform(digits)), fitted.reconstruct(digits)
    )


def test_it_is_the_training_that_the_command_does(digits, fitted):
    images = autoencode.Images("digits", digits[..., None], digits[:1, ..., None])
    *_, last = autoencode.watch(images, autoencode.Config(code=8, epochs=8, batch_size=32, seed=1))
    assert fitted.history_["loss"][-1] == last.loss


def test_outliers_are_what_it_cannot_reconstruct(digits, fitted):
    assert np.mean(fitted.predict(digits) == -1) == pytest.approx(0.1, abs=0.001)
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    assert (fitted.predict(noise) == -1).all()
    assert fitted.score(digits) > fitted.score(noise)


def test_samples_lie_where_digits_lie(digits, fitted):
    drawn = fitted.sample(200)
    assert drawn.shape == (200, 28, 28)
    assert drawn.dtype == np.uint8
    assert len(np.unique(drawn, axis=0)) == 200
    np.testing.assert_allclose(drawn.mean(0), digits.mean(0), atol=60)
    assert abs(float(drawn.mean()) - float(digits.mean())) < 6


def test_a_variational_one_samples_too(digits):
    model = Autoencoder(code=4, epochs=1, variational=1.0, free_bits=0.5).fit(digits)
    assert model.sample(5).shape == (5, 28, 28)


def test_in_a_pipeline_and_a_search(digits):
    labels = data.load("mnist").train_labels[:600]
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
        list(frame.columns)
        == list(model.get_feature_names_out())
        == ["autoencoder0", "autoencoder1", "autoencoder2"]
    )


def test_denoising_takes_noise_away(digits):
    random = np.random.default_rng(0)
    noisy = np.clip(digits + random.normal(0, 100, digits.shape), 0, 255).astype(np.uint8)
    model = Autoencoder(code=32, epochs=10, batch_size=32, noise="gaussian:0.4").fit(digits)
    before, after = (
        np.square(one / 255.0 - digits / 255.0).mean() for one in (noisy, model.denoise(noisy))
    )
    assert after < before / 2
    with pytest.raises(AutoencodeError, match="noise='gaussian"):
        Autoencoder(epochs=1).fit(digits[:20]).denoise(digits[:20])


def test_it_is_fitted_in_a_process_that_has_loaded_no_framework():
    code = (
        "import autoencode, numpy; images = numpy.zeros((9, 8, 8), 'uint8');"
        "model = autoencode.Autoencoder(code=2, epochs=1).fit(images);"
        "import keras, sys; print(keras.config.backend(), 'tensorflow' in sys.modules,"
        "model.score(images[:1]) <= 0)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.stdout, done.returncode) == ("jax False True\n", 0), done.stderr[-2000:]


def test_refined_codes_reconstruct_better(digits, fitted):
    few = digits[:50]
    codes = fitted.transform(few, refine=20)
    np.testing.assert_array_equal(codes, fitted._trained.encode(few[..., np.newaxis], refine=20))
    before, after = (
        np.square(fitted.reconstruct(few, refine=steps) / 255.0 - few / 255.0).mean((1, 2))
        for steps in (0, 20)
    )
    assert (after <= before + 1e-4).all()
    assert after.mean() < 0.99 * before.mean()
    np.testing.assert_array_equal(
        fitted.reconstruct(few, refine=20), fitted.inverse_transform(codes)
    )
    with pytest.raises(InvalidError, match="^refine must be a whole number"):
        fitted.transform(few, refine=1.5)
    with pytest.raises(InvalidError, match="quantized"):
        Autoencoder(code=2, epochs=1, quantize=3).fit(few).transform(few, refine=1)


def test_numbers_of_numpy_are_numbers(digits, tmp_path):
    numbers = {
        "code": np.int64(2),
        "epochs": np.int32(1),
        "contamination": np.float32(0.25),
        "seed": np.uint8(3),
    }
    model = Autoencoder(**numbers, image_shape=np.array([28, 28])).fit(digits[:64])
    assert (model.predict(digits[:64]) == -1).sum() == 16
    model.save(tmp_path / "m.keras")
    assert Autoencoder.load(tmp_path / "m.keras").image_shape == (28, 28)
