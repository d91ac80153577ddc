"""The PCA baseline by iteration."""

import numpy as np
import pytest

from autoencode import data, metrics


def test_pca_by_iteration_is_the_exact_one(monkeypatch):
    from sklearn.decomposition import PCA

    pixels = data.load("mnist").train[:3000]
    exact = metrics.pca_error(pixels, pixels[:500], 16)
    monkeypatch.setattr(metrics, "EXACT", 0)
    assert metrics.pca_error(pixels, pixels[:500], 16) == pytest.approx(exact, rel=2e-4)
    flat = pixels.reshape(3000, -1) / 255
    model = PCA(16, svd_solver="full").fit(flat)
    redrawn = model.inverse_transform(model.transform(flat[:500]))
    assert exact == pytest.approx(float(np.square(redrawn - flat[:500]).mean()), rel=1e-5)
