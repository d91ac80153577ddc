"""Losses on validation data, against plain Keras and against the held-out rows."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from autoencode import Autoencoder, Images
from autoencode.estimator import InvalidError

DIGITS = load_digits().images  # (1797, 8, 8), floats from 0 to 16
ROWS = DIGITS[:60]
OTHERS = DIGITS[100:137]
SMALL = {"code": 2, "model": "dense", "width": 0.05, "epochs": 3, "batch_size": 20, "seed": 1}


@pytest.fixture(scope="module")
def validated():
    return Autoencoder(**SMALL, holdout=0.0).fit(ROWS, validation_data=OTHERS)


def error_by_keras(model, rows):
    """The mean squared error of rows from 0 to 16, by plain Keras."""
    floats = (np.round(rows / 16 * 255) / 255).astype(np.float32)[..., np.newaxis]
    return np.square(model.model_.predict(floats, verbose=0) - floats).mean(dtype=np.float64)


def test_the_last_loss_is_that_of_the_model(validated):
    assert list(validated.history_) == ["loss", "seconds", "val_loss"]
    assert [len(values) for values in validated.history_.values()] == [3, 3, 3]
    last = validated.history_["val_loss"][-1]
    assert last == pytest.approx(error_by_keras(validated, OTHERS), rel=1e-5)
    assert last == pytest.approx(-validated.score(OTHERS), rel=1e-5)
    by_reconstruct = np.square(validated.reconstruct(OTHERS) / 16 - OTHERS / 16).mean()
    assert last == pytest.approx(by_reconstruct, rel=1e-2)


def test_validation_data_changes_nothing_else(validated):
    plain = Autoencoder(**SMALL, holdout=0.0).fit(ROWS)
    assert list(plain.history_) == ["loss", "seconds"]
    assert plain.history_["loss"] == validated.history_["loss"]
    np.testing.assert_array_equal(plain.transform(ROWS), validated.transform(ROWS))
    assert plain.offset_ == validated.offset_


def test_a_pair_of_rows_and_labels_is_taken_as_by_keras(validated):
    pair = (list(OTHERS), np.zeros(len(OTHERS)))
    again = Autoencoder(**SMALL, holdout=0.0).fit(ROWS, validation_data=pair)
    assert again.history_["val_loss"] == validated.history_["val_loss"]


def test_without_validation_data_held_out_rows_are_measured():
    model = Autoencoder(**SMALL, holdout=0.2).fit(ROWS)
    pixels = np.round(ROWS / 16 * 255).astype(np.uint8)[..., np.newaxis]
    held_out = Images("X", pixels, pixels[:1]).hold_out(12, seed=0).holdout
    losses = model.history_["val_loss"]
    assert len(losses) == 3
    # The weights of the best epoch are kept.
    rows = held_out[..., 0] / 255 * 16
    assert min(losses) == pytest.approx(error_by_keras(model, rows), rel=1e-5)

    both = Autoencoder(**SMALL, holdout=0.2).fit(ROWS, validation_data=OTHERS)
    assert both.history_["loss"] == model.history_["loss"]
    best = int(np.argmin(losses))
    expected = error_by_keras(both, OTHERS)
    assert both.history_["val_loss"][best] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (OTHERS[:, :7], r"^validation_data: expected rows of shape \(N, 8, 8\)"),
        (np.full((2, 8, 8), np.nan), "validation_data contains NaN"),
        ([np.zeros((8, 8)), np.zeros((9, 8))], "^validation_data: expected rows of one shape"),
    ],
)
def test_validation_data_that_is_invalid_is_told_before_the_training(rows, words):
    with pytest.raises(InvalidError, match=words):
        Autoencoder(**SMALL | {"epochs": 10**9}).fit(ROWS, validation_data=rows)


def test_later_pixels_are_checked_as_those_of_transform():
    with pytest.raises(InvalidError, match=r"^validation_data: expected pixels .* divide by 255"):
        Autoencoder(**SMALL).fit(ROWS / 16, validation_data=OTHERS)
