"""The anomaly score and its threshold, against slow loops, SciPy's distance and chance."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from autoencode import AutoencodeError
from autoencode.inference import anomalies, threshold

RANDOM = np.random.default_rng(0)


def blurred(plane: np.ndarray, deviation: float) -> np.ndarray:
    """A plane (H, W) under a Gaussian window; what lies outside is the nearest value within."""
    height, width = plane.shape
    reach = int(4 * deviation + 0.5)
    weights = [math.exp(-(step**2) / (2 * deviation**2)) for step in range(-reach, reach + 1)]
    result = np.zeros_like(plane)
    for row in range(height):
        for column in range(width):
            for down, one in zip(range(-reach, reach + 1), weights, strict=True):
                for across, other in zip(range(-reach, reach + 1), weights, strict=True):
                    near = plane[
                        min(max(row + down, 0), height - 1), min(max(column + across, 0), width - 1)
                    ]
                    result[row, column] += one * other * near
    return result / sum(weights) ** 2


def test_the_relative_error_is_that_of_a_slow_loop():
    originals = RANDOM.integers(0, 256, (2, 9, 14, 3), "uint8")
    reconstructions = RANDOM.random((2, 9, 14, 3)).astype(np.float32)
    found = anomalies.relative_errors(originals, reconstructions)
    for index in range(2):
        difference = reconstructions[index].astype(float) - originals[index] / 255
        planes = np.stack([blurred(difference[..., channel], 14 / 28) for channel in range(3)])
        np.testing.assert_allclose(
            anomalies.heat(originals, reconstructions)[index],
            np.sqrt((planes**2).mean(0)),
            atol=1e-5,
        )
        expected = math.sqrt((planes**2).mean()) / (originals[index] / 255).std()
        assert found[index] == pytest.approx(expected, rel=1e-4)


def test_faint_and_inverted_pictures_are_held_to_one_standard():
    originals = (RANDOM.random((3, 8, 8, 1)) * 100).astype("uint8") * np.uint8(2)
    redrawn = np.clip(originals / 255 + RANDOM.normal(0, 0.05, originals.shape), 0, 1).astype(
        np.float32
    )
    bold = anomalies.relative_errors(originals, redrawn)
    np.testing.assert_allclose(
        anomalies.relative_errors(originals // 2, redrawn / 2), bold, rtol=1e-5
    )
    np.testing.assert_allclose(
        anomalies.relative_errors(255 - originals, 1 - redrawn), bold, rtol=1e-4
    )


def test_a_flat_picture_has_a_finite_error():
    flat = np.full((1, 8, 8, 1), 7, "uint8")
    assert anomalies.relative_errors(flat, flat / np.float32(255) + np.float32(0.01))[
        0
    ] == pytest.approx(1, rel=1e-3)


def test_the_distance_of_a_code_is_mahalanobis_to_the_fifth_neighbour():
    codes = RANDOM.normal(size=(300, 4)) @ RANDOM.normal(size=(4, 4)) + 5
    others = RANDOM.normal(5, 4, size=(20, 4))
    inverse = np.linalg.inv(
        np.cov(codes.T) + anomalies.RIDGE * np.trace(np.cov(codes.T)) / 4 * np.eye(4)
    )

    def fifth(code):
        return sorted(mahalanobis(code, one, inverse) for one in codes)[4]

    usual = np.median([fifth(code) for code in codes])
    expected = [fifth(code) / usual for code in others]
    np.testing.assert_allclose(anomalies.Normality(codes).distances(others), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "codes", [np.zeros((1, 3)), np.zeros((50, 3)), np.eye(3), np.tile([1.0, 2.0, 0.0], (9, 1))]
)
def test_dead_few_and_equal_codes_have_finite_distances(codes):
    distances = anomalies.Normality(codes).distances(np.concatenate([codes, codes + 1]))
    assert np.isfinite(distances).all()
    assert distances[: len(codes)].max() < distances[len(codes) :].max()


def test_the_threshold_keeps_its_false_alarms_whatever_the_distribution():
    held_out, share, rates = 99, 0.1, []
    for _ in range(2000):
        drawn = RANDOM.lognormal(size=held_out + 1)
        rates.append(drawn[-1] > threshold.conformal_threshold(drawn[:-1], share))
    # Exactly 0.1 is expected; 2,000 draws are off by 0.0067 in one standard deviation.
    assert np.mean(rates) == pytest.approx(share, abs=0.027)


def test_too_few_held_out_images_are_told():
    with pytest.raises(
        AutoencodeError, match="needs at least 99 held-out normal images, received 98"
    ):
        threshold.conformal_threshold(np.arange(98.0), 0.01)
    assert threshold.conformal_threshold(np.arange(99.0), 0.01) == 98
