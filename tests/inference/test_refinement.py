"""Codes refined, against least squares and plain Keras."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_support import arrays, called, streamed, write_reconstructions

from autoencode import UsageError
from autoencode.images import to_pixels
from autoencode.inference import codes, reconstruction, refinement


def linear(seed: int) -> tuple[np.ndarray, np.ndarray, Callable]:
    """Codes, the codes of least error, and the slopes of a decoder that multiplies by a matrix."""
    random = np.random.default_rng(seed)
    matrix, images = random.standard_normal((3, 40)), random.standard_normal((25, 40))
    best = np.linalg.lstsq(matrix.T, images.T, rcond=None)[0].T

    def slopes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left_over = codes @ matrix - images[: len(codes)]
        return np.square(left_over).mean(1), 2 / 40 * left_over @ matrix.T

    return (best + 0.3 * random.standard_normal(best.shape)).astype(np.float32), best, slopes


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_refined_codes_go_to_those_of_least_squares_at_any_scale(scale):
    codes, best, slopes = linear(0)

    def scaled(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        errors, gradients = slopes(codes / scale)
        return errors, gradients / scale

    found = refinement.refine((codes * scale).astype(np.float32), scaled, 300) / scale
    np.testing.assert_allclose(found, best, atol=2e-3)


@given(steps=st.integers(0, 30), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_no_refined_code_is_worse_and_none_depends_on_others(steps, seed):
    codes, _, slopes = linear(seed)
    found = refinement.refine(codes, slopes, steps)
    assert (slopes(found)[0] <= slopes(codes)[0]).all()
    np.testing.assert_allclose(
        refinement.refine(codes[:4], slopes, steps), found[:4], rtol=1e-5, atol=1e-6
    )
    if steps == 0:
        np.testing.assert_array_equal(found, codes)


def test_a_code_of_zeros_is_refined_too():
    _, best, slopes = linear(0)
    np.testing.assert_allclose(
        refinement.refine(np.zeros((25, 3), np.float32), slopes, 300), best, atol=2e-3
    )


def test_codes_whose_errors_are_nan_stay():
    codes = np.array([[0, 0], [1, 2]], np.float32)
    found = refinement.refine(
        codes, lambda codes: (np.full(2, np.nan, np.float32), np.full((2, 2), np.nan)), 5
    )
    np.testing.assert_array_equal(found, codes)


def test_refined_codes_reconstruct_better_alike_from_every_command(
    run, opened, source, digits, files, tmp_path
):
    import keras

    plain = write_reconstructions(opened, source, files("reconstruct"))
    before = arrays(files("reconstruct").file)["errors"]
    calls = [["reconstruct", str(run), str(source), "--refine", "20", "--out", "refined"]]
    done = called(
        [*calls, ["encode", str(run), str(source), "--refine", "20", "--out", "codes.npz"]],
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = arrays(tmp_path / "refined" / "reconstructions.npz")
    assert (found["errors"] <= before + 1e-7).all()
    assert found["errors"].mean() < 0.99 * plain.mean()
    refined = arrays(tmp_path / "codes.npz")["codes"]
    np.testing.assert_array_equal(refined, opened.trained.encode(digits[0], refine=20))
    np.testing.assert_array_equal(to_pixels(opened.decode(refined)), found["images"])
    decoder = keras.saving.load_model(opened.saved.file).get_layer("decoder")
    errors = np.square(decoder.predict(refined, verbose=0) - digits[0] / np.float32(255)).mean(
        (1, 2, 3)
    )
    np.testing.assert_allclose(errors, found["errors"], rtol=1e-4)


def test_codes_of_few_values_are_not_refined(opened, source):
    saved = replace(opened.saved, settings=opened.saved.settings | {"quantize": 3})
    for work in (codes.encode, reconstruction.reconstruct, reconstruction.reconstruct_batches):
        with pytest.raises(UsageError, match="8 values a number"):
            work(replace(opened, saved=saved), streamed(opened, source), refine=5)
