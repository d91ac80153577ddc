"""Arrays that lie in a file are trained on as those in memory, whatever file it is."""

import tempfile

import numpy as np
import pytest

from autoencode import Images, pipeline

PLAIN = {"epochs": 1, "model": "article", "holdout": 0, "augment": "none", "batch_size": 16}


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")


@pytest.fixture
def unnamed(pixels):
    """A map of a file that has no name, as pipelines use to keep what is temporary."""
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, np.uint8, "w+", shape=pixels.shape)
        mapped[:] = pixels
        yield mapped


def loss(train: np.ndarray, test: np.ndarray) -> float:
    (epoch,) = pipeline.watch(Images("maps", train, test), **PLAIN)
    return epoch.loss


def test_a_map_of_a_file_without_a_name_is_trained_on(pixels, unnamed, tmp_path):
    assert unnamed.filename is None
    named = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=pixels.shape)
    named[:] = pixels
    assert loss(unnamed, pixels[:8]) == loss(named, pixels[:8])


def test_a_copy_of_a_map_is_an_array_in_memory(pixels, unnamed):
    copy = unnamed.copy()
    # NumPy keeps the type, without a map behind it.
    assert isinstance(copy, np.memmap)
    assert loss(copy, copy[:8]) == loss(pixels, pixels[:8])
