"""Rows of every shape and dtype: what comes back, and that a row means the same in any batch."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autoencode import Autoencoder
from autoencode.estimator import InvalidError


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
    reconstructed = model.reconstruct(rows)
    assert reconstructed.shape == rows.shape
    assert reconstructed.dtype == (np.uint8 if dtype == "uint8" else np.float32)


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
    index = seed % count
    alone = fitted_rows.transform(rows[index : index + 1])
    np.testing.assert_array_equal(alone, codes[index : index + 1])


def test_features_of_another_range_keep_it():
    rows = np.random.default_rng(0).normal(5, 2, (100, 4))
    model = Autoencoder(code=4, model="dense", epochs=60, batch_size=10).fit(rows)
    reconstructed = model.reconstruct(rows)
    assert np.square(reconstructed - rows).mean() < 0.3 * rows.var()


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
