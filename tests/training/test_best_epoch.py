"""Held-out training images choose the epoch whose weights are kept; test images choose nothing."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from autoencode import Config, Images, pipeline, runs, training
from autoencode.training import Position, loop, planning
from autoencode.training.events import Best

DIGITS = np.round(load_digits().images * (255 / 16)).astype(np.uint8)[..., None]
SMALL = Images("digits", DIGITS[:120], DIGITS[1000:1100])
OVERFITTING = Config(
    model="dense", code=8, width=0.5, epochs=40, batch_size=20, holdout=0.2, learning_rate=0.01
)


def train(images, config):
    """All events of a training, the engine's weights after each epoch, and the engine."""
    prepared = pipeline.prepare(pipeline.check_job(images, config))
    events, weights = [], {}
    for event in prepared.events:
        events.append(event)
        if isinstance(event, training.Epoch):
            weights[event.number] = prepared.engine.state()
    return events, weights, prepared


def epochs_of(events):
    return [event for event in events if isinstance(event, training.Epoch)]


def weights_in(path):
    """All weights of a .keras file."""
    import keras

    return keras.saving.load_model(path).get_weights()


def test_the_weights_of_the_best_epoch_are_kept():
    events, weights, prepared = train(SMALL, OVERFITTING)
    epochs, best = epochs_of(events), events[-1]
    assert isinstance(best, training.BestEpoch)
    losses = [epoch.holdout_loss for epoch in epochs]
    assert best.epoch == 1 + int(np.argmin(losses))
    assert best.epoch < len(epochs)  # or this test shows nothing
    assert best.holdout_loss == min(losses)
    for kept, expected in zip(prepared.engine.state(), weights[best.epoch], strict=True):
        np.testing.assert_array_equal(kept, expected)
    assert best.evaluation.error == epochs[best.epoch - 1].val_loss
    held = prepared.images.holdout / 255
    redrawn = np.asarray(prepared.engine.model(held.astype(np.float32)))
    assert np.square(redrawn - held).mean() == pytest.approx(best.holdout_loss, rel=1e-4)


def test_training_stops_when_the_holdout_error_does_not_improve():
    config = dataclasses.replace(OVERFITTING, epochs=100, schedule="constant")
    events, _, _ = train(SMALL, config)
    epochs, best = epochs_of(events), events[-1]
    assert len(epochs) < 100
    assert len(epochs) - best.epoch == 30


def test_a_falling_rate_has_half_of_the_epochs_before_patience_counts():
    """At a high rate nothing beats the start, and PCA would be kept without the low rates."""
    config = dataclasses.replace(OVERFITTING, epochs=60, schedule="cosine", learning_rate=0.1)
    events, _, _ = train(SMALL, config)
    epochs, best = epochs_of(events), events[-1]
    assert len(epochs) == max(best.epoch, 30) + 18 or len(epochs) == 60
    losses = [epoch.holdout_loss for epoch in epochs]
    assert min(losses[:20]) > best.holdout_loss


def test_test_images_decide_nothing():
    other = dataclasses.replace(SMALL, test=255 - SMALL.test)
    first, _, one = train(SMALL, OVERFITTING)
    second, _, two = train(other, OVERFITTING)
    assert first[-1].epoch == second[-1].epoch
    for left, right in zip(one.engine.state(), two.engine.state(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_noise_is_left_to_pca_fitted_on_all_training_images():
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (150, 8, 8, 1), dtype=np.uint8)
    events, _, prepared = train(
        Images("noise", noise[:100], noise[100:]), Config(code=4, epochs=30)
    )
    assert events[-1].epoch == 0
    assert "the model is PCA" in str(events[-1])
    oracle = PCA(4, svd_solver="full").fit(noise[:100].reshape(100, -1) / 255)
    rows = noise[100:].reshape(50, -1) / 255
    expected = np.clip(oracle.inverse_transform(oracle.transform(rows)), 0, 1)
    found = np.asarray(prepared.engine.model((noise[100:] / 255).astype(np.float32)))
    np.testing.assert_allclose(found.reshape(50, -1), expected, atol=0.01)
    assert events[-1].evaluation.error == pytest.approx(np.square(expected - rows).mean(), rel=1e-3)


def test_an_engine_and_its_compiled_programs_are_given_back():
    # Programs that outlived their engine took 700 memory maps a training, of 65,530 on Linux:
    # a process that trained a hundred models was aborted.
    _, _, prepared = train(SMALL, dataclasses.replace(OVERFITTING, epochs=1))
    engine = weakref.ref(prepared.engine)
    del prepared, _
    gc.collect()
    assert engine() is None


def test_without_held_out_images_the_last_epoch_is_kept():
    events, _, _ = train(SMALL, dataclasses.replace(OVERFITTING, holdout=0.0, epochs=3))
    assert isinstance(events[-1], training.Epoch)
    assert events[-1].holdout_loss is None


def test_the_defaults_beat_pca_on_a_small_set(tmp_path):
    images = Images("digits", DIGITS[:600], DIGITS[1200:])
    folder = pipeline.run(images, Config(code=8, epochs=40), tmp_path / "run")
    run = runs.Run.open(folder)
    oracle = PCA(8).fit(images.train.reshape(600, -1) / 255)
    rows = images.test.reshape(len(images.test), -1) / 255
    error = np.square(oracle.inverse_transform(oracle.transform(rows)) - rows).mean()
    assert run.baseline()["pca"] == pytest.approx(error, rel=1e-3)
    assert run.kept()["val_loss"] < 0.85 * error
    assert "report.html" in {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("stopped_in", [4, 30])
def test_a_resumed_training_keeps_the_same_epoch(tmp_path, stopped_in):
    np.savez(tmp_path / "d.npz", x_train=SMALL.train, x_test=SMALL.test)
    source = str(tmp_path / "d.npz")
    config = dataclasses.replace(OVERFITTING, epochs=34, schedule="constant")
    whole = pipeline.run(source, config, tmp_path / "whole")

    folder = tmp_path / "stopped"
    counted = iter(range(10_000))
    with runs.claim(folder, "d") as path:
        prepared = pipeline.prepare(pipeline.check_job(source, config))
        for event in pipeline.record(prepared, path, lambda: stopped_in == next(counted)):
            assert event is not None
    assert runs.Run.open(folder).state()["state"] == "stopped"
    pipeline.resume(folder)

    one, two = runs.Run.open(whole), runs.Run.open(folder)
    assert one.kept() == two.kept()
    assert one.kept()["epoch"] < 34
    losses = [[line["holdout_loss"] for line in run.metrics()] for run in (one, two)]
    assert losses[0] == losses[1]
    first, second = (weights_in(path / "model.keras") for path in (whole, folder))
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_training_killed_after_its_last_epoch_ends_with_the_same_model(tmp_path):
    """No epoch beats PCA on noise: the layers that PCA does not set come from the last epoch."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (150, 8, 8, 1), dtype=np.uint8)
    np.save(tmp_path / "noise.npy", noise)
    source = str(tmp_path / "noise.npy")
    config = Config(code=4, epochs=3)
    whole = pipeline.run(source, config, tmp_path / "whole")
    assert runs.Run.open(whole).kept()["epoch"] == 0

    folder = tmp_path / "killed"
    events = []
    with runs.claim(folder, "noise") as path:
        prepared = pipeline.prepare(pipeline.check_job(source, config))
        for event in pipeline.record(prepared, path, lambda: len(epochs_of(events)) == 3):
            events.append(event)
    assert runs.Run.open(folder).state()["state"] == "stopped"
    pipeline.resume(folder)

    first, second = (weights_in(path / "model.keras") for path in (whole, folder))
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)


def test_small_gains_keep_a_training_going_and_pca_in_the_end():
    """Patience counts from the lowest error; the margin over PCA decides at the end alone."""
    plan = planning.resolve(Config(model="residual", schedule="constant", epochs=60))
    best = Best(0, 1.0, start=1.0)
    for number in range(1, 41):
        best = loop._best_of(best, number, 1.0 - 0.001 * number)
        assert not loop._is_exhausted(Position(number + 1, best=best), plan)
    assert best == Best(40, 0.96, start=1.0)
    assert loop._is_exhausted(Position(59, best=best), plan)
    assert not loop._is_clearly_better(best, 1.0, held_out=100)


@pytest.mark.parametrize(
    ("error", "images", "better"),
    [
        (0.94, 20, True),
        (0.96, 2000, False),
        (0.94, 10, False),
        (0.89, 10, True),
        (0.81, 5, False),
    ],
)
def test_few_held_out_images_must_show_more(error, images, better):
    assert loop._is_clearly_better(Best(3, error, start=1.0), 1.0, images) == better
