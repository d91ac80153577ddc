"""Files and pickles of estimators, those of earlier versions too."""

import lzma
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from autoencode import Autoencoder

# What the version before the estimator became a package wrote of:
# Autoencoder(code=2, model="dense", width=0.05, epochs=2, batch_size=20, holdout=0.1, seed=3)
BEFORE = Path(__file__).with_name("before")
DIGITS = load_digits().images[:60]


@pytest.mark.parametrize("kind", ["keras", "pickle"])
def test_what_an_earlier_version_wrote_is_opened(kind, tmp_path):
    content = lzma.decompress((BEFORE / f"digits.{kind}.xz").read_bytes())
    if kind == "keras":
        (tmp_path / "digits.keras").write_bytes(content)
        model = Autoencoder.load(tmp_path / "digits.keras")
    else:
        model = pickle.loads(content)
    assert (model.seed, model.pixel_range_, model.takes_pixels_) == (3, [0, 16], False)
    assert list(model.history_) == ["loss", "seconds"]

    with np.load(BEFORE / "expected.npz") as expected:
        np.testing.assert_allclose(model.transform(DIGITS), expected["codes"], rtol=1e-5)
        np.testing.assert_allclose(model.score_samples(DIGITS), expected["scores"], rtol=1e-4)
        np.testing.assert_allclose(model.sample(3), expected["sample"], rtol=1e-4, atol=1e-4)
        assert model.offset_ == pytest.approx(float(expected["offset"]))


def test_a_pickle_names_the_package_and_no_file_of_it():
    assert Autoencoder.__module__ == "autoencode.estimator"
    assert b"autoencode.estimator.autoencoder" not in pickle.dumps(Autoencoder())
