"""Every other engine beside JAX: a process holds one of them, so each runs the same small job in its own."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import seeds

from autoencode import AutoencodeError, engines

JOB = """
import json, sys
import numpy as np
from autoencode import Config, Images, engines, pipeline, training

name, start, folder = sys.argv[1:]
engines.load(name)
pixels = np.random.default_rng(0).integers(0, 256, (70, 6, 5, 1), "uint8")
config = pipeline.resolve(Config(epochs=2, batch_size=16, code=4))
engine = engines.start(name, lambda: pipeline.assemble(config, (6, 5, 1), 70), seed=0)
count = len(engine.state())
if start != "own":
    engine.restore([array for _, array in sorted(np.load(start).items())])
np.savez(f"{folder}/{name}-start.npz", **{f"{i:02}": array for i, array in enumerate(engine.state())})
before = training.evaluate(engine, pixels, 1).errors.tolist()
epochs = training.train(engine, Images("noise", pixels, pixels), config)
losses = [epoch.loss for epoch in epochs if isinstance(epoch, training.Epoch)]
weights = [array.ravel().tolist() for array in engine.state()[:4]]
engine.scale_learning_rate(0.0)
list(training.train(engine, Images("noise", pixels, pixels), config))
still = weights == [array.ravel().tolist() for array in engine.state()[:4]]
engine.update_model()
slopes = engines.slopes(engine.model.get_layer("decoder"))
codes = np.random.default_rng(1).standard_normal((70, 4), "float32")
errors, gradients = slopes(codes, pixels)
nudge = np.float32(0.01) * np.eye(4, dtype="float32")
measured = [(slopes(codes + step, pixels)[0] - slopes(codes - step, pixels)[0]) / 0.02 for step in nudge]
print(json.dumps([before, losses, weights, still, errors.tolist(), gradients.tolist(), np.transpose(measured).tolist()]))
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


def test_slopes_are_those_of_differences_and_of_every_engine(jobs):
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
    rows = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    assert len({row["seed"] for row in rows}) == 5
    assert np.mean([row["loss_1"] for row in rows]) == pytest.approx(0.0812, abs=0.0030)
    assert np.mean([row["val_loss_10"] for row in rows]) == pytest.approx(0.0230, abs=0.0010)


def test_auto_is_jax_and_tensorflow_for_a_convolutional_model_where_it_is_installed():
    code = (
        "from autoencode import engines; print(engines.choose('auto'), engines.choose('auto', convolutional=True));"
        "engines.find_spec = lambda name: None if name == 'tensorflow' else object();"
        "print(engines.choose('auto', convolutional=True))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jax", "tensorflow", "jax"]


@pytest.mark.parametrize(("engine", "command"), engines.INSTALL.items())
def test_a_missing_engine_names_its_install_command(engine, command, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    with pytest.raises(AutoencodeError, match=re.escape(command)):
        engines.choose(engine)
