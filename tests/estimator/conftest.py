"""Digits of MNIST, and an estimator fitted to them once for all files here."""

import pytest

from autoencode import Autoencoder, data


@pytest.fixture(scope="session")
def digits():
    return data.load("mnist").train[:2000, ..., 0]


@pytest.fixture(scope="session")
def fitted(digits):
    return Autoencoder(code=8, epochs=8, batch_size=32, seed=1).fit(digits)
