"""What the doctor tells while a training still runs, on real trainings of scikit-learn's digits."""

import numpy as np
import pytest

from autoencode import Config, Images, pipeline, runs, training


@pytest.fixture(scope="module")
def images():
    from sklearn.datasets import load_digits

    pixels = np.round(load_digits().images * (255 / 16)).astype(np.uint8)[..., None]
    return Images("digits", pixels[:400], pixels[400:500])


def events(images, folder, **settings):
    """Return the numbers of epochs and the findings of a training, in order, and its run's."""
    config = Config(code=4, **settings)
    with runs.claim(folder, "digits") as path:
        told = [
            event.number if isinstance(event, training.Epoch) else str(event)
            for event in pipeline.record(pipeline.prepare(pipeline.check_job(images, config)), path)
            if isinstance(event, (training.Epoch, pipeline.Finding))
        ]
    return told, runs.Run.open(path).findings()


def test_a_model_that_learns_nothing_is_told_after_the_second_epoch(images, tmp_path):
    told, _ = events(
        images, tmp_path / "run", model="dense", epochs=3, learning_rate=1e-9, batch_size=200
    )
    kinds = [isinstance(one, int) for one in told]
    assert kinds[:4] == [True, True, False, True]
    assert (
        "it reconstructs the mean image" in told[2] or "only 4 optimizer steps were made" in told[2]
    )
    assert "4 optimizer steps" in told[2]
    assert "try `model=residual` without `batch_size` and `epochs`" in told[2]


def test_the_advice_cures_it(images, tmp_path):
    _, findings = events(images, tmp_path / "ill", model="dense", epochs=2, batch_size=200)
    assert any(
        "optimizer steps were made" in finding["what"] + finding["cause"] for finding in findings
    )
    told, findings = events(images, tmp_path / "well", model="residual")
    assert all(isinstance(one, int) for one in told)
    assert findings == []
