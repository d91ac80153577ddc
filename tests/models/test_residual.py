"""The residual model before training, against another's PCA, and the parts it is made of."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA

from autoencode import engines, models

engines.load("jax")

import jax
import keras

from autoencode.models import residual


def smooth_images(count, shape, seed=0):
    """Images of low-frequency content and a little noise, uint8."""
    random = np.random.default_rng(seed)
    coarse = random.random((count, 4, 3, shape[2]))
    rows = np.linspace(0, 3, shape[0]).round().astype(int)
    columns = np.linspace(0, 2, shape[1]).round().astype(int)
    images = coarse[:, rows][:, :, columns] * 300 - 20 + random.normal(0, 4, (count, *shape))
    return np.clip(images, 0, 255).astype(np.uint8)


def reconstruct(model, images):
    return np.asarray(model(images.astype(np.float32) / 255))


@pytest.mark.parametrize("shape", [(28, 28, 1), (9, 7, 3), (70, 50, 3)])
@pytest.mark.parametrize("code", [2, 16])
def test_the_untrained_model_is_clipped_pca(shape, code):
    train, test = smooth_images(150, shape), smooth_images(40, shape, seed=1)
    model = models.build("residual", shape, code, dropout=0.3)
    models.initialise("residual", model, train)

    oracle = PCA(code, svd_solver="full").fit(train.reshape(150, -1) / 255)
    rows = test.reshape(40, -1) / 255
    expected = np.clip(oracle.inverse_transform(oracle.transform(rows)), 0, 1)
    assert (expected != oracle.inverse_transform(oracle.transform(rows))).any()
    found = reconstruct(model, test).reshape(40, -1)
    np.testing.assert_allclose(
        np.square(found - rows).mean(), np.square(expected - rows).mean(), rtol=1e-3
    )
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_a_code_has_unit_variance_and_no_dead_unit():
    images = smooth_images(300, (16, 16, 3))
    model = models.build("residual", (16, 16, 3), 8)
    models.initialise("residual", model, images)
    codes = reconstruct(model.get_layer("encoder"), images)
    np.testing.assert_allclose(codes.std(0), 1, rtol=0.01)


def test_a_code_above_the_rank_of_the_images_still_says_more():
    train, test = smooth_images(10, (16, 16, 1)), smooth_images(100, (16, 16, 1), seed=1)
    model = models.build("residual", (16, 16, 1), 40)
    models.initialise("residual", model, train)
    oracle = PCA(9).fit(train.reshape(10, -1) / 255)
    rows = test.reshape(100, -1) / 255
    linear = np.clip(oracle.inverse_transform(oracle.transform(rows)), 0, 1)
    error = np.square(reconstruct(model, test).reshape(100, -1) - rows).mean()
    assert error < 0.8 * np.square(linear - rows).mean()
    assert (reconstruct(model.get_layer("encoder"), test).std(0) > 0.01).all()


def test_images_that_are_all_alike_are_reconstructed():
    images = np.full((30, 8, 8, 1), 90, np.uint8)
    model = models.build("residual", (8, 8, 1), 4)
    models.initialise("residual", model, images)
    np.testing.assert_allclose(reconstruct(model, images), 90 / 255, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64, 3), (65, 130, 1)])
def test_images_are_averaged_as_the_model_does(shape):
    images = smooth_images(3, shape)
    factor = residual.pooling(shape)
    assert factor > 1
    found = residual.average(images, factor)
    rows, columns = shape[0] // factor, shape[1] // factor
    whole = images[:, : rows * factor, : columns * factor].astype(float)
    blocks = whole.reshape(3, rows, factor, columns, factor, shape[2]).mean((2, 4))
    pad_rows, pad_columns = -shape[0] % factor, -shape[1] % factor
    # Keras fills up on both sides, the larger half at the end.
    if not (pad_rows or pad_columns):
        np.testing.assert_allclose(found, blocks, atol=0.51)
    assert found.shape[1:] == (-(-shape[0] // factor), -(-shape[1] // factor), shape[2])
    assert math.prod(found.shape[1:]) == residual.pooled_size(shape)


def test_the_large_matrix_is_stored_once(tmp_path):
    model = models.build("residual", (64, 64, 3), 16)
    sizes = sorted(math.prod(weight.shape) for weight in model.weights)
    assert sizes[-1] == 256 * 64 * 64 * 3
    # All else together, the encoder's components and the trained layers, is smaller.
    assert sum(sizes[:-1]) < sizes[-1]


def test_gradients_pass_a_clipped_value_that_should_come_back():
    values = np.array([[-0.5, 0.3, 1.5, 1.5]], np.float32)
    targets = np.array([[0.0, 0.5, 1.0, 0.4]], np.float32)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, residual._clip(inputs))

    def loss(values):
        return ((model(values) - targets) ** 2).sum()

    gradient = jax.grad(loss)(values)
    np.testing.assert_allclose(gradient, 2 * (np.clip(values, 0, 1) - targets), atol=1e-6)
    assert gradient[0, 0] == gradient[0, 2] == 0
    assert gradient[0, 3] > 0


def test_plain_keras_opens_a_saved_model(tmp_path):
    images = smooth_images(60, (16, 12, 3))
    model = models.build("residual", (16, 12, 3), 4, dropout=0.5)
    models.initialise("residual", model, images)
    models.save(model, tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images.astype(np.float32) / 255)
    code = (
        "import keras, numpy as np; m = keras.saving.load_model('model.keras');"
        "np.save('out.npy', np.asarray(m(np.load('images.npy'))))"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": ""}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), reconstruct(model, images), atol=1e-5)
