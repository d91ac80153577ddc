"""Images of any range of values: which range is chosen, and what later images mean by it."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from autoencode import Autoencoder
from autoencode.estimator import InvalidError, inputs


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
    reconstructed = model.reconstruct(images)
    assert reconstructed.dtype == (np.uint8 if takes_pixels and high == 255 else np.float32)
    scaled = (reconstructed.astype(float) - low) / (high - low)
    np.testing.assert_allclose(scaled, np.asarray(by_keras)[..., 0], atol=0.5 / 255 + 1e-5)

    # Later images mean the same by the range of all, not by their own.
    codes = model.transform(images)
    np.testing.assert_array_equal(model.transform(images[5:7]), codes[5:7])
    np.testing.assert_array_equal(model.inverse_transform(codes), reconstructed)


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
    reconstructed = of_images.reconstruct(images)
    np.testing.assert_array_equal(
        reconstructed.reshape(50, -1), of_rows.reconstruct(flat.astype(float))
    )
    assert 0 <= reconstructed.min() < reconstructed.max() <= 16
    for other in ("uint8", "uint16", "int8", "float32"):  # 3 is 3 in every dtype
        np.testing.assert_array_equal(
            of_images.transform(images.astype(other)), of_images.transform(images)
        )


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
        (0, "uint8", [0, 255]),
        (7, "int64", [0, 255]),
        (0.5, "float32", [0, 1]),
        (2.0, "float64", [2, 4]),
        (-3.0, "float64", [-3, 0]),
        (40000, "uint16", [0, 65535]),
        (True, "bool", [0, 1]),
    ):
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
