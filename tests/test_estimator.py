"""The estimator against scikit-learn's own checks, against plain Keras, and in the company it will keep."""

import dataclasses
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
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

import autoencode
from autoencode import AutoencodeError, Autoencoder, config, data, engines, pipeline
from autoencode.estimator import InvalidError, inputs
from autoencode.inference import anomalies

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
    return data.load("mnist").train[:2000, ..., 0]


@pytest.fixture(scope="module")
def fitted(digits):
    return Autoencoder(code=8, epochs=8, batch_size=32, seed=1).fit(digits)


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
    expected = anomalies.relative_errors(digits[..., None], redrawn) * (
        1 + anomalies.Normality(codes).distances(codes)
    )
    np.testing.assert_allclose(fitted.score_samples(digits), -expected, rtol=1e-3)
    # A half may round either way.
    assert np.abs(fitted.reconstruct(digits) - np.round(redrawn[..., 0] * 255)).max() <= 1
    np.testing.assert_array_equal(
        fitted.inverse_transform(fitted.transform(digits)), fitted.reconstruct(digits)
    )


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
    assert (
        drawn.shape == (200, 28, 28)
        and drawn.dtype == np.uint8
        and len(np.unique(drawn, axis=0)) == 200
    )
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
        "import autoencode, numpy; model = autoencode.Autoencoder(code=2, epochs=1).fit(numpy.zeros((9, 8, 8), 'uint8'));"
        "import keras, sys; print(keras.config.backend(), 'tensorflow' in sys.modules, model.score(numpy.zeros((1, 8, 8), 'uint8')) <= 0)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
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


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(count=st.integers(1, 700), seed=st.integers(0, 99))
def test_a_row_gives_the_same_alone_and_among_any_others(fitted_rows, count, seed):
    rows = np.random.default_rng(seed).random((count, 20))
    codes = fitted_rows.transform(rows)
    place = seed % count
    np.testing.assert_array_equal(
        fitted_rows.transform(rows[place : place + 1]), codes[place : place + 1]
    )


def test_features_of_another_range_keep_it():
    rows = np.random.default_rng(0).normal(5, 2, (100, 4))
    model = Autoencoder(code=4, model="dense", epochs=60, batch_size=10).fit(rows)
    redrawn = model.reconstruct(rows)
    assert np.square(redrawn - rows).mean() < 0.3 * rows.var()


@pytest.fixture(scope="module")
def fitted_pixels():
    return Autoencoder(code=3, epochs=1).fit(
        np.random.default_rng(0).integers(0, 256, (64, 20), np.uint8)
    )


@pytest.fixture(scope="module")
def fitted_features():
    return Autoencoder(code=3, epochs=1).fit(np.random.default_rng(0).integers(0, 17, (64, 20)))


@settings(max_examples=30, deadline=None)
@given(rows=hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.just(20))))
def test_a_pixel_is_the_same_in_every_dtype(fitted_pixels, fitted_rows, rows):
    for model in (fitted_pixels, fitted_rows):  # of uint8, and of floats in [0, 1]
        codes = model.transform(rows)
        by_keras = model.model_.get_layer("encoder")((rows / 255).reshape(-1, 1, 20, 1))
        np.testing.assert_allclose(codes, by_keras, atol=1e-5)
        for floats in (rows / 255, rows / np.float32(255), rows.astype(int)):
            np.testing.assert_array_equal(model.transform(floats), codes)


@settings(max_examples=30, deadline=None)
@given(
    rows=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.just(20)), elements=st.integers(0, 20)
    )
)
def test_a_feature_is_the_same_in_every_dtype(fitted_features, rows):
    levels = np.round(np.minimum(rows, 16) / 16 * 255) / 255
    codes = fitted_features.transform(rows)
    by_keras = fitted_features.model_.get_layer("encoder")(levels.reshape(-1, 1, 20, 1))
    np.testing.assert_allclose(codes, by_keras, atol=1e-5)
    for dtype in ("int64", "uint16", "float32", "float64"):
        np.testing.assert_array_equal(fitted_features.transform(rows.astype(dtype)), codes)


def test_what_a_scaler_makes_of_new_rows_is_cut(fitted_rows, fitted_pixels):
    rows = np.random.default_rng(1).normal(0.5, 0.5, (9, 20))
    np.testing.assert_array_equal(
        fitted_rows.transform(rows), fitted_rows.transform(rows.clip(0, 1))
    )
    with pytest.raises(InvalidError, match="floats in"):  # as likely meant as pixels up to 255
        fitted_pixels.transform(rows * 255)


def test_pixels_up_to_255_as_features_come_back_as_floats():
    rows = np.random.default_rng(0).integers(0, 256, (20, 6)).astype(float)
    rows[0, :2] = 0, 255
    assert Autoencoder(code=2, epochs=1).fit(rows).reconstruct(rows).dtype == np.float32


@pytest.mark.parametrize(
    ("parameters", "rows", "words"),
    [
        (
            {},
            np.zeros((5, 6, 6, 2)),
            r"received \(5, 6, 6, 2\): choose one channel with X\[\.\.\., :1\], or",
        ),
        (
            {},
            np.zeros((5, 6, 6, 4)),
            r"drop the alpha channel with X\[\.\.\., :3\], or lay the images on white first\.",
        ),
        ({}, np.zeros((5, 4, 6, 6)), r"drop alpha with X\.transpose\(0, 2, 3, 1\)\[\.\.\., :3\]\."),
        ({}, np.zeros((5, 3, 6, 6)), r"move the channels last with X\.transpose\(0, 2, 3, 1\)\."),
        ({}, np.zeros((5, 1, 6, 6)), r"move the channels last with X\.transpose\(0, 2, 3, 1\)\."),
        ({}, np.zeros((5, 2, 3, 6, 6)), r"pass rows of features with X\.reshape\(len\(X\), -1\)\."),
        ({}, np.array([[[0.0, 1.7e308], [-1.7e308, 1.0]]]), "finite range"),
        ({}, np.full((5, 6, 6), np.nan), "NaN"),
        ({}, np.full((5, 6, 6), np.inf), "infinity"),
        (
            {},
            [np.zeros((8, 8)), np.zeros((9, 8))],
            r"received \(8, 8\) and \(9, 8\): resize the images",
        ),
        ({}, np.array([[0.0, 1.7e308], [-1.7e308, 1.0]]), "finite range"),
        ({}, np.array([[0.0, np.nan]]), "NaN"),
        ({}, np.zeros(7), "Reshape your data"),
        ({"image_shape": (3, 3)}, np.zeros((5, 8)), "image_shape"),
        ({"image_shape": (2, 8)}, np.zeros((5, 4, 4)), "image_shape"),
        ({"image_shape": 8}, np.zeros((5, 8)), r"image_shape must be \(H, W\)"),
        ({"image_shape": (-2, -4)}, np.zeros((5, 8)), r"image_shape must be \(H, W\)"),
        ({"image_shape": (2.0, 4)}, np.zeros((5, 8)), r"image_shape must be \(H, W\)"),
        ({"image_shape": (2, 2, 2)}, np.zeros((5, 8)), r"C 1 or 3, received \(2, 2, 2\)\."),
        (
            {"image_shape": (3, 2, 2)},
            np.zeros((5, 12)),
            r"pass X\.reshape\(-1, 3, 2, 2\)\.transpose\(0, 2, 3, 1\) as X",
        ),
        ({"contamination": 0.9}, np.zeros((5, 8)), "contamination"),
        ({"contamination": True}, np.zeros((5, 8)), "contamination"),
        ({"code": 0}, np.zeros((5, 8)), "^`code` must be"),
        ({"batch_size": 0}, np.zeros((5, 8)), "^`batch_size` must be"),
        ({"learning_rate": "fast"}, np.zeros((5, 8)), "^`learning_rate` must be"),
        ({"seed": -1}, np.zeros((5, 8)), "^`seed` must be"),
        ({"seed": None}, np.zeros((5, 8)), "^`seed` must be"),
        ({"model": "artikel"}, np.zeros((5, 8)), "did you mean 'article'"),
        ({"loss": "mse+"}, np.zeros((5, 8)), "loss"),
        ({"loss": "ssim", "augment": "elastic:"}, np.zeros((5, 8)), "augment"),
    ],
)
def test_what_is_wrong_is_told(parameters, rows, words):
    with pytest.raises(InvalidError, match=words) as told:
        Autoencoder(**parameters).fit(rows)
    assert "--" not in str(told.value) and "\n" not in str(told.value)


def test_advice_on_shapes_is_what_is_taken():
    def fit(X):
        return Autoencoder(code=2, epochs=1).fit(X).image_shape_

    random = np.random.default_rng(0)
    first = random.random((5, 3, 6, 7))
    assert fit(first.transpose(0, 2, 3, 1)) == [6, 7, 3]
    assert fit(random.random((5, 1, 6, 7)).transpose(0, 2, 3, 1)) == [6, 7, 1]
    assert fit(random.random((5, 6, 7, 4))[..., :3]) == [6, 7, 3]
    assert fit(random.random((5, 4, 6, 7)).transpose(0, 2, 3, 1)[..., :3]) == [6, 7, 3]
    assert fit(first.reshape(5, -1).reshape(-1, 3, 6, 7).transpose(0, 2, 3, 1)) == [6, 7, 3]
    assert fit(random.random((5, 2, 3, 6, 7)).reshape(5, -1)) == [1, 252, 1]
    nested = np.empty(5, object)
    nested[:] = list(random.random((5, 6, 7)))
    with pytest.raises(InvalidError, match=r"pass np\.stack\(X\)"):
        fit(nested)
    assert fit(np.stack(nested)) == [6, 7, 1]


# Images of any range


def drawn(least, largest, dtype, *, shape=(30, 6, 7)):
    """Random images whose values reach from `least` to `largest`."""
    values = np.random.default_rng(0).uniform(least, largest, shape)
    values[0, 0, :2] = least, largest
    if np.dtype(dtype).kind == "b":
        return values > 0.5
    return (values if np.dtype(dtype).kind == "f" else values.round()).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "least", "largest", "expected", "takes_pixels"),
    [
        ("bool", 0, 1, [0, 1], True),
        ("uint8", 0, 255, [0, 255], True),
        ("uint8", 100, 126, [0, 255], True),
        ("uint8", 100, 125, [100, 125], False),
        ("uint8", 0, 16, [0, 16], False),
        ("uint8", 0, 1, [0, 1], False),
        ("int64", 0, 26, [0, 255], True),
        ("int64", 0, 25, [0, 25], False),
        ("int64", 0, 256, [0, 256], False),
        ("int16", -5, 255, [-5, 255], False),
        ("uint16", 0, 255, [0, 255], True),
        ("uint16", 0, 4095, [0, 4095], False),
        ("uint16", 0, 6554, [0, 65535], False),
        ("uint16", 0, 6553, [0, 6553], False),
        ("float32", 0, 1, [0, 1], True),
        ("float64", 0.2, 0.31, [0, 1], True),
        ("float64", 0.2, 0.29, [0.2, 0.29], False),
        ("float64", -0.0009, 1.0009, [0, 1], True),
        ("float64", 0, 1.002, [0, 1.002], False),
        ("float64", -0.002, 1, [-0.002, 1], False),
        ("float64", 0, 16, [0, 16], False),
        ("float32", 0, 255, [0, 255], False),
        ("float64", -1, 1, [-1, 1], False),
    ],
)
def test_images_are_scaled_by_one_range(dtype, least, largest, expected, takes_pixels):
    images = drawn(least, largest, dtype)
    model = Autoencoder(code=3, epochs=1).fit(images)
    assert model.pixel_range_ == expected
    assert model.takes_pixels_ is takes_pixels

    # The oracle: plain Keras on images scaled by hand.
    low, high = expected
    levels = np.round((images.astype(float).clip(low, high) - low) / (high - low) * 255)
    by_keras = model.model_((levels / 255)[..., np.newaxis].astype(np.float32))
    redrawn = model.reconstruct(images)
    assert redrawn.dtype == (np.uint8 if takes_pixels and high == 255 else np.float32)
    scaled = (redrawn.astype(float) - low) / (high - low)
    np.testing.assert_allclose(scaled, np.asarray(by_keras)[..., 0], atol=0.5 / 255 + 1e-5)

    # Later images mean the same by the range of all, not by their own.
    codes = model.transform(images)
    np.testing.assert_array_equal(model.transform(images[5:7]), codes[5:7])
    np.testing.assert_array_equal(model.inverse_transform(codes), redrawn)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
def test_images_are_scaled_as_their_rows_are(dtype):
    images = load_digits().images[:50].astype(dtype)
    flat = images.reshape(50, -1)
    of_images = Autoencoder(code=3, epochs=2).fit(images)
    of_rows = Autoencoder(code=3, epochs=2, image_shape=(8, 8)).fit(flat.astype(float))
    assert of_images.pixel_range_ == of_rows.pixel_range_ == [0, 16]
    np.testing.assert_array_equal(
        of_images.transform(images), of_rows.transform(flat.astype(float))
    )
    redrawn = of_images.reconstruct(images)
    np.testing.assert_array_equal(redrawn.reshape(50, -1), of_rows.reconstruct(flat.astype(float)))
    assert 0 <= redrawn.min() < redrawn.max() <= 16
    for other in ("uint8", "uint16", "int8", "float32"):  # 3 is 3 in every dtype
        np.testing.assert_array_equal(
            of_images.transform(images.astype(other)), of_images.transform(images)
        )


def test_a_range_is_kept_in_a_file(tmp_path):
    images = load_digits().images[:50]
    model = Autoencoder(code=3, epochs=1).fit(images)
    model.save(tmp_path / "m.keras")
    other = Autoencoder.load(tmp_path / "m.keras")
    assert (other.pixel_range_, other.takes_pixels_) == ([0, 16], False)
    np.testing.assert_array_equal(other.reconstruct(images), model.reconstruct(images))


def test_what_lies_beyond_the_range_of_fit_is_clipped():
    images = load_digits().images[:50]
    model = Autoencoder(code=3, epochs=1).fit(images)
    beyond = images * 2 - 3
    np.testing.assert_array_equal(model.transform(beyond), model.transform(beyond.clip(0, 16)))


def test_images_in_blocks_are_those_at_once(monkeypatch):
    images = load_digits().images[:50]
    model = Autoencoder(code=3, epochs=1).fit(images)
    codes = model.transform(images)
    monkeypatch.setattr(inputs, "BLOCK_VALUES", 7 * 64)
    np.testing.assert_array_equal(model.transform(images), codes)


def test_constant_images_keep_working():
    for value, dtype, expected in (
        (0, "uint8", [0, 255]), (7, "int64", [0, 255]), (0.5, "float32", [0, 1]), (2.0, "float64", [2, 4]),
        (-3.0, "float64", [-3, 0]), (40000, "uint16", [0, 65535]), (True, "bool", [0, 1]),
    ):  # fmt: skip
        images = np.full((9, 4, 4), value, dtype)
        model = Autoencoder(code=2, epochs=1).fit(images)
        assert model.pixel_range_ == expected
        assert np.isfinite(model.score_samples(images)).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            np.full((2, 6, 7), 240.0),
            "received float64 from 240 to 240: divide by 255 if white is 255",
        ),
        (np.full((2, 6, 7), 1.0010001), "received float64 from 1.0010001 to 1.0010001: divide"),
        (np.full((2, 6, 7), -0.01), "received float64 from -0.01 to -0.01: scale them as"),
        (np.full((2, 6, 7), 256), "received int64 from 256 to 256: divide by the value of white"),
        (
            np.full((2, 6, 7), 60000, np.uint16),
            "divide by the value of white, 65535 if they fill 16 bits",
        ),
    ],
)
def test_later_images_that_are_no_pixels_are_refused(values, words):
    model = Autoencoder(code=2, epochs=1).fit(drawn(0, 255, "uint8"))
    with pytest.raises(InvalidError, match=words):
        model.transform(values)
    of_floats = Autoencoder(code=2, epochs=1).fit(drawn(0, 1, "float32"))
    with pytest.raises(InvalidError, match=words):
        of_floats.transform(values)
    hair = np.full((2, 6, 7), 1.0009)
    np.testing.assert_array_equal(model.transform(hair), model.transform(np.full((2, 6, 7), 255)))


def test_a_loss_without_bound_is_told_of_the_estimator(digits):
    rash = {"model": "dense", "optimizer": "sgd", "learning_rate": 1e30}
    with pytest.raises(
        InvalidError, match=r"try a `learning_rate` below an eighth of 1e\+30, or another `loss`"
    ) as told:
        Autoencoder(code=2, epochs=9, batch_size=10, **rash).fit(digits[:200])
    assert "kept" not in str(told.value) and "--" not in str(told.value)


def test_refined_codes_redraw_better(digits, fitted):
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


def test_an_end_of_memory_is_told(digits, monkeypatch):
    def fill(*_):
        raise MemoryError("an array of 1 TB")

    monkeypatch.setattr(pipeline, "start", fill)
    with pytest.raises(
        InvalidError,
        match=r"^memory ran out \(an array of 1 TB\): .* a smaller `width`, `code` or `size`\.$",
    ):
        Autoencoder(code=2).fit(digits[:9])


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


@pytest.mark.parametrize(
    "words", [{"n_samples": 0}, {"n_samples": 2.0}, {"seed": -1}, {"seed": "a"}, {"seed": 2**32}]
)
def test_draws_that_are_off_are_told(fitted, words):
    with pytest.raises(InvalidError, match=f"^{next(iter(words))} must be a whole number"):
        fitted.sample(**words)


def test_other_rows_than_in_fit_are_told(digits, fitted):
    with pytest.raises(InvalidError, match=r"\(N, 28, 28\), as in fit, received \(2000, 28, 20\)"):
        fitted.transform(digits[:, :, :20])
    with pytest.raises(InvalidError, match=r"\(N, 28, 28\), as in fit, received \(2000, 20, 28\)"):
        fitted.transform(digits[:, :20])
    with pytest.raises(InvalidError, match=r"codes \(N, 8\), received \(3, 5\)"):
        fitted.inverse_transform(np.zeros((3, 5)))
    with pytest.raises(InvalidError, match="NaN"):
        fitted.inverse_transform(np.full((3, 8), np.nan))


def test_parameters_changed_after_fit_wait_for_the_next(digits, tmp_path):
    model = Autoencoder(code=2, epochs=1, noise="mask:0.1", seed=4).fit(digits[:100])
    drawn, redrawn = model.sample(3), model.denoise(digits[:3])
    model.set_params(noise="none", seed=5, variational=1.0)
    model.save(tmp_path / "m.keras")
    for other in (model, pickle.loads(pickle.dumps(model)), Autoencoder.load(tmp_path / "m.keras")):
        np.testing.assert_array_equal(other.sample(3), drawn)
        np.testing.assert_array_equal(other.denoise(digits[:3]), redrawn)
    assert Autoencoder.load(tmp_path / "m.keras").noise == "mask:0.1"


def test_a_pickle_keeps_what_was_set_beside():
    rows = np.random.default_rng(0).random((40, 6))
    model = Autoencoder(code=3, epochs=1).set_output(transform="pandas").fit(rows)
    model.note_ = "mine"
    other = pickle.loads(pickle.dumps(model))
    assert other.note_ == "mine"
    assert other.transform(rows).equals(model.transform(rows))


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
