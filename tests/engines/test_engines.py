"""Every engine beside JAX: a process holds one, so each runs the same small job in its own."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import seeds

JOB = """
import json, sys
import numpy as np
from autoencode import Config, Images, engines, pipeline, training
from autoencode.training import planning

name, start, folder = sys.argv[1:]
engines.load(name)
pixels = np.random.default_rng(0).integers(0, 256, (70, 6, 5, 1), "uint8")
config = planning.resolve(Config(epochs=2, batch_size=16, code=4))
engine = engines.start(name, lambda: pipeline.assemble(config, (6, 5, 1), 70), seed=0)
count = len(engine.state())
if start != "own":
    engine.restore([array for _, array in sorted(np.load(start).items())])
weights = {f"{i:02}": array for i, array in enumerate(engine.state())}
np.savez(f"{folder}/{name}-start.npz", **weights)
before = training.evaluate(engine, pixels, 1).errors.tolist()
epochs = training.train(engine, Images("noise", pixels, pixels), config)
losses = [epoch.loss for epoch in epochs if isinstance(epoch, training.Epoch)]
weights = [array.ravel().tolist() for array in engine.state()[:4]]
engine.scale_learning_rate(0.0)
list(training.train(engine, Images("noise", pixels, pixels), config))
still = weights == [array.ravel().tolist() for array in engine.state()[:4]]
engine.update_model()
derive = engines.errors_and_gradients(engine.model.get_layer("decoder"))
codes = np.random.default_rng(1).standard_normal((70, 4), "float32")
errors, gradients = derive(codes, pixels)
nudge = np.float32(0.01) * np.eye(4, dtype="float32")
measured = [
    (derive(codes + step, pixels)[0] - derive(codes - step, pixels)[0]) / 0.02 for step in nudge
]
found = [errors.tolist(), gradients.tolist(), np.transpose(measured).tolist()]
print(json.dumps([before, losses, weights, still, *found]))
"""


def job(engine, start, folder):
    words = [sys.executable, "-c", JOB, engine, str(start), str(folder)]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def jax_job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    return folder, job("jax", "own", folder)


@pytest.fixture(scope="module", params=["tensorflow", "torch"])
def jobs(request, jax_job):
    folder, ours = jax_job
    return ours, [job(request.param, folder / "jax-start.npz", folder) for _ in range(2)]


def test_engines_agree_on_the_evaluation_of_the_same_weights(jobs):
    ours, (theirs, _) = jobs
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)


def test_engines_train_alike_from_the_same_weights(jobs):
    ours, (theirs, _) = jobs
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-5)
    for one, other in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_without_a_learning_rate_weights_stay_as_they_are(jobs):
    ours, (theirs, _) = jobs
    assert ours[3]
    assert theirs[3]


def test_gradients_are_those_of_differences_and_of_every_engine(jobs):
    ours, others = jobs
    for _, _, _, _, errors, gradients, measured in (ours, *others):
        np.testing.assert_allclose(errors, ours[4], atol=1e-4)
        np.testing.assert_allclose(gradients, measured, atol=2e-5)
        assert np.abs(gradients).max() > 1e-3  # so that a wrong sign or factor would be seen


def test_an_engine_repeats_itself_bit_for_bit(jobs):
    _, (first, again) = jobs
    assert first == again


@pytest.mark.parametrize("engine", ["jax", "tensorflow"])
def test_five_seeds_train_as_the_article_reports(engine):
    words = [sys.executable, seeds.__file__, engine]
    rows = json.loads(
        subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    )
    assert len({row["seed"] for row in rows}) == 5
    assert np.mean([row["loss_1"] for row in rows]) == pytest.approx(0.0812, abs=0.0030)
    assert np.mean([row["val_loss_10"] for row in rows]) == pytest.approx(0.0230, abs=0.0010)


def test_a_convolutional_model_on_jax_trains_as_on_tensorflow_whatever_the_chunk():
    code = """
import sys
import numpy as np
from autoencode import Config, engines, pipeline
from autoencode.training import planning
name, chunk = sys.argv[1], int(sys.argv[2])
engines.load(name)
import keras
images = np.random.default_rng(0).integers(0, 256, (44, 14, 14, 1), np.uint8)
config = planning.resolve(Config(model="conv", code=2, batch_size=8))
def build():
    parts = pipeline.assemble(config, images.shape[1:], len(images))
    random = np.random.default_rng(1)
    for weight in parts.objective.trainable_variables:
        weight.assign(random.normal(0, 0.1, weight.shape))
    return parts
engine = engines.start(name, build, seed=0)
placed, order = engine.place(images), engine.place(np.arange(44, dtype=np.int32)[::-1].copy())
engine.compile(placed, order, 4, images)
total = 0.0
for first in range(0, 40, 8 * chunk):
    total = engine.train(placed, order, first, min(chunk, (40 - first) // 8), 8, total)
total = engine.train(placed, order, 40, 1, 4, total)
count = len(engine.objective.trainable_variables)
np.savez(sys.argv[3], np.float64(total), *engine.state()[:count])
"""
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        for name, chunk in (("jax", 1), ("jax", 3), ("jax", 5), ("tensorflow", 5)):
            path = Path(folder, f"{name}{chunk}.npz")
            subprocess.run([sys.executable, "-c", code, name, str(chunk), path], check=True)
            with np.load(path) as found:
                ends.append([found[key] for key in found.files])
    one, three, five, peer = ends
    for other in (three, five):
        for value, expected in zip(other, one, strict=True):
            np.testing.assert_array_equal(value, expected)
    assert one[0] == pytest.approx(peer[0], rel=1e-4)
    for value, expected in zip(one, peer, strict=True):
        np.testing.assert_allclose(value, expected, atol=2e-3)


def test_compiled_models_stand_the_use_of_the_model_by_keras():
    code = """
import numpy as np
from autoencode import engines, models
engines.load("jax")
model = models.build("dense", (6, 5, 1), 2, width=0.1)
pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 1), np.uint8)
encode = engines.compiled(model.get_layer("encoder"))
derive = engines.errors_and_gradients(model.get_layer("decoder"))
codes = encode(pixels)
before = derive(codes, pixels)
model.predict(pixels / 255, verbose=0)
print(np.array_equal(codes, encode(pixels)))
print(np.array_equal(before[1], derive(codes, pixels)[1]))
model.compile(optimizer="sgd", loss="mse")
model.fit(pixels / 255, pixels / 255, verbose=0)
print(np.array_equal(codes, encode(pixels)))
print(np.array_equal(before[1], derive(codes, pixels)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Trained on, the model has other weights.
    assert done.stdout.split() == ["True", "True", "False", "False"]
