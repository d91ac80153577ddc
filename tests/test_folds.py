"""Scores of normal images by models that never saw them, held against trainings made by hand."""

import csv

import numpy as np
import pytest
from inference_support import called
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold

from autoencode import Config, Images, data, folds, pipeline
from autoencode.inference import anomalies, saved_model, threshold, trained

DIGITS = np.round(load_digits().images * (255 / 16)).astype(np.uint8)[..., None]
SHUFFLED = DIGITS[np.random.default_rng(0).permutation(len(DIGITS))]
CONFIG = Config(model="dense", code=4, width=0.1, epochs=3, batch_size=20, holdout=0.0, seed=3)


def test_each_image_is_scored_by_a_training_without_it():
    images = DIGITS[:60]
    found = folds.score_by_folds(images, CONFIG, "jax", folds=2)

    kept, left = list(KFold(2, shuffle=True, random_state=3).split(images))[1]
    prepared = pipeline.prepare(
        pipeline.check_job(Images("without", images[kept], images[left]), CONFIG)
    )
    for _ in prepared.events:
        pass
    model = trained.Trained(prepared.engine.model)
    normality = anomalies.Normality(model.encode(images[kept]))
    np.testing.assert_allclose(found[left], normality.scores(model, images[left]), rtol=1e-5)


def test_the_settings_of_a_run_with_a_holdout_serve_folds_of_another_size():
    images = Images("digits", DIGITS[:60], DIGITS[:10])
    prepared = pipeline.prepare(pipeline.check_job(images, Config(code=4, epochs=2)))
    assert prepared.config.model == "residual"
    assert prepared.config.holdout > 0
    progress = []
    scores = folds.score_by_folds(
        DIGITS[:40],
        prepared.config,
        "jax",
        folds=2,
        progress=lambda *counts: progress.append(counts),
    )
    assert np.isfinite(scores).all()
    assert len(scores) == 40
    assert progress == [(1, 2), (2, 2)]


def test_scores_of_trained_images_would_set_too_low_a_threshold():
    """Why the folds: a model that overfits gives its own images lower scores than new ones."""
    config = Config(
        model="dense", code=8, epochs=60, batch_size=10, holdout=0.0, schedule="constant"
    )
    images, new = SHUFFLED[:100], SHUFFLED[200:1200]
    prepared = pipeline.prepare(pipeline.check_job(Images("few", images, new), config))
    for _ in prepared.events:
        pass
    model = trained.Trained(prepared.engine.model)
    normality = anomalies.Normality(model.encode(images))
    unseen = normality.scores(model, new)
    naive = threshold.conformal_threshold(normality.scores(model, images), 0.1)
    honest = threshold.conformal_threshold(
        folds.score_by_folds(images, prepared.config, "jax", folds=4), 0.1
    )
    assert (unseen > naive).mean() > 0.2
    assert (unseen > honest).mean() == pytest.approx(0.1, abs=0.08)


def test_the_command_sets_a_threshold_for_a_small_set(tmp_path):
    np.save(tmp_path / "small.npy", DIGITS[:150])
    done = called(
        [
            ["train", "small.npy", "--epochs", "2", "--code", "4", "--run", "own", "--quiet"],
            ["anomalies", "own", "small.npy", "--out", "by-folds"],
            ["anomalies", "own", "small.npy", "--no-folds", "--out", "without"],
        ],
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "training 5 models, each without a fifth of the 150 normal images" in done.stdout
    assert (
        "set on all 150 normal images, each scored by a model that was not trained on it"
        in done.stdout
    )
    assert (
        "no threshold: 1.00% false alarms need 99 held-out normal images, 84 more than the 15"
        in done.stdout
    )
    assert "have five models trained on the 150 normal images with --folds" in done.stdout
    columns = [
        csv.DictReader((tmp_path / folder / "anomalies.csv").read_text().splitlines()).fieldnames
        for folder in ("by-folds", "without")
    ]
    assert ["anomaly" in names for names in columns] == [True, False]
    words = ["anomalies", "own", "small.npy", "--normal", "small.npy", "--folds", "--out", "other"]
    refused = called([words], tmp_path)
    assert "expected a run folder and no --normal, received --normal small.npy" in refused.stderr
    assert not (tmp_path / "other").exists()


def test_too_small_a_set_is_not_trained_on_in_folds(tmp_path):
    np.save(tmp_path / "tiny.npy", DIGITS[:50])
    run = pipeline.run(str(tmp_path / "tiny.npy"), CONFIG, tmp_path / "run")
    opened = saved_model.open_model(saved_model.find_model(run))

    def never(images):
        raise AssertionError("50 images are fewer than the 99 that are needed")

    alarm = threshold.set_threshold(
        opened, data.open_dataset(tmp_path / "tiny.npy"), 0.01, score_by_folds=never
    )
    assert alarm.threshold is None
    assert "`folds`" not in alarm.describe()
