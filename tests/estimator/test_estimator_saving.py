"""Files and pickles of estimators, those of earlier versions too."""

import lzma
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from autoencode import AutoencodeError, Autoencoder

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


def test_saved_pickled_and_cloned_it_is_the_same(tmp_path, digits, fitted):
    fitted.save(tmp_path / "m.keras")
    for other in (Autoencoder.load(tmp_path / "m.keras"), pickle.loads(pickle.dumps(fitted))):
        assert other.get_params() == fitted.get_params()
        assert other.history_ == fitted.history_
        np.testing.assert_array_equal(other.transform(digits), fitted.transform(digits))
        np.testing.assert_array_equal(other.predict(digits), fitted.predict(digits))
        np.testing.assert_array_equal(other.sample(3), fitted.sample(3))
    with pytest.raises(NotFittedError):
        clone(fitted).transform(digits)


def test_a_range_is_kept_in_a_file(tmp_path):
    images = load_digits().images[:50]
    model = Autoencoder(code=3, epochs=1).fit(images)
    model.save(tmp_path / "m.keras")
    other = Autoencoder.load(tmp_path / "m.keras")
    assert (other.pixel_range_, other.takes_pixels_) == ([0, 16], False)
    np.testing.assert_array_equal(other.reconstruct(images), model.reconstruct(images))


def test_parameters_changed_after_fit_wait_for_the_next(digits, tmp_path):
    model = Autoencoder(code=2, epochs=1, noise="mask:0.1", seed=4).fit(digits[:100])
    drawn, reconstructed = model.sample(3), model.denoise(digits[:3])
    model.set_params(noise="none", seed=5, variational=1.0)
    model.save(tmp_path / "m.keras")
    for other in (model, pickle.loads(pickle.dumps(model)), Autoencoder.load(tmp_path / "m.keras")):
        np.testing.assert_array_equal(other.sample(3), drawn)
        np.testing.assert_array_equal(other.denoise(digits[:3]), reconstructed)
    assert Autoencoder.load(tmp_path / "m.keras").noise == "mask:0.1"


def test_a_pickle_keeps_what_was_set_beside():
    rows = np.random.default_rng(0).random((40, 6))
    model = Autoencoder(code=3, epochs=1).set_output(transform="pandas").fit(rows)
    model.note_ = "mine"
    other = pickle.loads(pickle.dumps(model))
    assert other.note_ == "mine"
    assert other.transform(rows).equals(model.transform(rows))


def test_a_damaged_or_foreign_file_is_told(tmp_path, fitted):
    path = tmp_path / "m.keras"
    fitted.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AutoencodeError, match="whole .keras file"):
        Autoencoder.load(path)
    fitted.model_.save(path)
    with pytest.raises(AutoencodeError, match="not one that Autoencoder.save wrote"):
        Autoencoder.load(path)
