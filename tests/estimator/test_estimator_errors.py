"""What the estimator says of data and parameters that are invalid."""

import numpy as np
import pytest

from autoencode import Autoencoder, pipeline
from autoencode.estimator import InvalidError


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
def test_what_is_invalid_is_told_in_one_line(parameters, rows, words):
    with pytest.raises(InvalidError, match=words) as error:
        Autoencoder(**parameters).fit(rows)
    assert "--" not in str(error.value)
    assert "\n" not in str(error.value)


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


def test_a_loss_without_bound_is_told_of_the_estimator(digits):
    rash = {"model": "dense", "optimizer": "sgd", "learning_rate": 1e30}
    with pytest.raises(
        InvalidError, match=r"try a `learning_rate` below an eighth of 1e\+30, or another `loss`"
    ) as error:
        Autoencoder(code=2, epochs=9, batch_size=10, **rash).fit(digits[:200])
    assert "kept" not in str(error.value)
    assert "--" not in str(error.value)


def test_an_end_of_memory_is_told(digits, monkeypatch):
    def fill(*_):
        raise MemoryError("an array of 1 TB")

    monkeypatch.setattr(pipeline, "start", fill)
    with pytest.raises(
        InvalidError,
        match=r"^memory ran out \(an array of 1 TB\): .* a smaller `width`, `code` or `size`\.$",
    ):
        Autoencoder(code=2).fit(digits[:9])


@pytest.mark.parametrize(
    "words", [{"n_samples": 0}, {"n_samples": 2.0}, {"seed": -1}, {"seed": "a"}, {"seed": 2**32}]
)
def test_invalid_draws_are_told(fitted, words):
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
