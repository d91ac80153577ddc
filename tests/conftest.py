"""What every test shares: the same random numbers in every run."""

import random

import pytest


@pytest.fixture(autouse=True)
def _same_random_numbers():
    """Keras's generators without a seed of their own take one from Python's."""
    random.seed(0)
