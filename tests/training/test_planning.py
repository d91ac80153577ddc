"""What is chosen for a training: the original tutorial's settings for its set, else by images."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoencode import Config, Images, UsageError, pipeline
from autoencode.training import assembly, planning


def some(count, shape=(6, 5, 1)):
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    return Images("some", images, images[:3])


def test_the_original_tutorial_keeps_its_settings():
    config = planning.resolve(Config())
    assert (config.model, config.epochs, config.batch_size) == ("article", 10, 256)
    assert (config.optimizer, config.learning_rate, config.schedule) == ("adam", 1e-3, "constant")
    assert (config.holdout, config.dropout, config.augment) == (0.0, 0.0, "none")
    assert config.frame_seconds == 1.0


@pytest.mark.parametrize(
    ("source", "expected"),
    [("mnist", True), ("builtin:mnist", True), ("fashion_mnist", False), (some(9), False)],
)
def test_only_the_built_in_set_has_the_tutorial_settings(source, expected):
    assert pipeline.is_tutorial(source) == expected


def test_a_folder_called_mnist_is_an_own_set(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not pipeline.is_tutorial("mnist")


@pytest.mark.parametrize("count", [5, 40, 300, 1000, 3400, 60_000, 1_000_000])
def test_an_own_set_gets_steps_enough_whatever_its_size(count):
    config = planning.resolve(Config(), count)
    trained = count - planning.held_out(count, config.holdout)
    steps = math.ceil(trained / config.batch_size) * config.epochs
    assert config.model == "residual"
    assert steps >= min(500, 120 * math.ceil(trained / config.batch_size))
    assert 3 <= config.epochs <= 120
    assert config.epochs * config.frame_seconds <= 120
    assert not any(
        config.is_auto(name) for name in ("model", "epochs", "batch_size", "learning_rate")
    )
    assert not any(
        config.is_auto(name) for name in ("augment", "dropout", "holdout", "frame_seconds")
    )


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": 7},
        {"batch_size": 50},
        {"learning_rate": 0.5},
        {"model": "dense"},
        {"dropout": 0.2},
        {"augment": "shift:1"},
        {"holdout": 0.0},
        {"frame_seconds": 2.0},
        {"schedule": "constant"},
        {"optimizer": "sgd"},
    ],
)
def test_what_is_given_is_obeyed(given):
    config = planning.resolve(Config(**given), 900)
    assert {name: getattr(config, name) for name in given} == given
    again = planning.resolve(config, 900)
    assert again == config


@pytest.mark.parametrize("given", [{"variational": 1.0}, {"quantize": 4}, {"loss": "bce"}])
def test_what_would_lose_the_start_from_pca_takes_the_dense_model(given):
    assert planning.resolve(Config(**given), 900).model == "dense"


def test_a_time_and_epochs_contradict_each_other():
    with pytest.raises(UsageError, match=r"`time` .* `epochs`"):
        planning.resolve(Config(time="60s", epochs=3), 900)


@pytest.mark.parametrize(("word", "expected"), [("90s", 90), ("1.5m", 90), ("2h", 7200), ("5", 5)])
def test_a_time_is_read(word, expected):
    from autoencode.config import parse_duration

    assert parse_duration(word) == expected
    Config(time=word)


@pytest.mark.parametrize("word", ["", "0s", "-5s", "1d", "a minute", "1e9h"])
def test_a_time_that_is_none_is_refused(word):
    with pytest.raises(UsageError, match=r"90s, 5m or 1h, received"):
        Config(time=word)


def test_the_line_says_what_is_trained():
    images, config = pipeline.fit(some(300), Config())
    line = next(note for note in images.notes if note.startswith("chosen for"))
    steps = math.ceil(len(images.train) / config.batch_size) * config.epochs
    assert f"chosen for {len(images.train)} images of 5x6 grey: model residual" in line
    assert f"batches of {config.batch_size}, {config.epochs} epochs ({steps:,} steps)" in line
    assert len(images.train) + len(images.holdout) == 300
    assert f"{len(images.holdout)} training images are held out" in images.notes[-1]


def test_held_out_images_are_training_images_and_trained_on_no_more():
    source = some(200)
    labelled = Images(
        "some",
        source.train,
        source.test,
        np.arange(200),
        np.arange(3),
        train_names=[str(index) for index in range(200)],
    )
    images, _ = pipeline.fit(labelled, Config())
    kept = images.train_labels
    assert len(images.holdout) == 20
    np.testing.assert_array_equal(images.train, source.train[kept])
    held = np.setdiff1d(np.arange(200), kept)
    np.testing.assert_array_equal(images.holdout, source.train[held])
    assert images.train_names == [str(index) for index in kept]
    assert (
        "180 to train + 20 to choose the epoch + 3 to test + 0 skipped + 0 unused = 203 found"
        in (images.account())
    )


def test_images_too_large_to_copy_are_held_out_only_on_request(monkeypatch):
    monkeypatch.setattr(assembly, "MAX_HOLDOUT_BYTES", some(200).train.nbytes - 1)
    images, config = pipeline.fit(some(200), Config())
    assert (images.holdout, len(images.train), config.holdout) == (None, 200, 0.0)
    assert any("`holdout=0.1` holds a tenth out" in note for note in images.notes)
    images, _ = pipeline.fit(some(200), Config(holdout=0.1))
    assert len(images.holdout) == 20
    assert not any("no training images are held out" in note for note in images.notes)


@pytest.mark.parametrize(
    ("model", "loss", "is_noted"),
    [("residual", "mse+bce", True), ("residual", "mse", False), ("dense", "bce", False)],
)
def test_cross_entropy_by_a_clipped_model_is_noted(model, loss, is_noted):
    config = Config(model=model, loss=loss, code=2)
    images, _ = pipeline.fit(some(30), config)
    assert any("`model=dense` suits `loss=bce`" in note for note in images.notes) == is_noted


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 1.5),
        ({"optimizer": "adamw"}, 1.5),
        ({"optimizer": "sgd"}, 0.0),
        ({"model": "dense"}, 0.0),
        ({"optimizer": "sgd", "weight_decay": 0.1}, 0.1),
    ],
)
def test_weight_decay_is_chosen_for_the_optimizer_that_it_was_measured_with(options, expected):
    assert planning.resolve(Config(**options), 10_000).weight_decay == expected


@given(st.integers(2, 400), st.floats(0.01, 0.5), st.integers(0, 99))
def test_images_are_held_out_in_runs_over_the_whole_order(total, share, seed):
    count = planning.held_out(total, share)
    numbers = np.arange(total, dtype=np.uint32).view(np.uint8).reshape(total, 2, 2, 1)
    images = Images("numbered", numbers, numbers[:1]).hold_out(count, seed)
    held, kept = (part.reshape(-1).view(np.uint32) for part in (images.holdout, images.train))
    assert sorted([*held, *kept]) == list(range(total))
    assert len(held) == count
    runs = 1 + np.count_nonzero(np.diff(held) > 1)
    assert runs <= min(10, count // 3 + 1)
    # As many from each half, but for one run.
    assert abs(np.count_nonzero(held < total / 2) - count / 2) <= max(3, count / 10)


def test_what_is_held_out_of_a_film_has_no_twins_among_the_training_images():
    """Frames that follow each other differ by a step: single ones lie between their neighbours."""
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal(0, 4, (1000, 8, 8, 1)), axis=0)
    frames = (walk % 256).astype(np.uint8)
    images = Images("film", frames, frames[:1]).hold_out(100, seed=0)
    single = np.sort(random.permutation(1000)[:100])

    def distance(held, kept):
        difference = held.reshape(len(held), 1, -1).astype(float) - kept.reshape(1, len(kept), -1)
        return np.median(np.abs(difference).mean(-1).min(1))

    apart = distance(images.holdout, images.train)
    assert apart > 1.5 * distance(frames[single], np.delete(frames, single, axis=0))
