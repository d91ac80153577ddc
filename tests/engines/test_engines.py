"""Every other engine beside JAX: a process holds one of them, so each runs the same small job in its own."""

import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import seeds

from autoencode import AutoencodeError, engines, models
from autoencode.engines import selection

JOB = """
import json, sys
import numpy as np
from autoencode import Config, Images, engines, pipeline, training
from autoencode.training import planning

name, start, folder = sys.argv[1:]
engines.load(name)
pixels = np.random.default_rng(0).integers(0, 256, (70, 6, 5, 1), "uint8")
config = planning.complete(Config(epochs=2, batch_size=16, code=4))
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
config = planning.complete(Config(model="conv", code=2, batch_size=8))
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
np.savez(sys.argv[3], np.float64(total), *engine.state()[: len(engine.objective.trainable_variables)])
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
slopes = engines.slopes(model.get_layer("decoder"))
codes = encode(pixels)
before = slopes(codes, pixels)
model.predict(pixels / 255, verbose=0)
model.compile(optimizer="sgd", loss="mse")
model.fit(pixels / 255, pixels / 255, verbose=0)
print(np.array_equal(codes, encode(pixels)), np.array_equal(before[1], slopes(codes, pixels)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]  # trained on, they have other weights


def test_auto_is_jax():
    code = "from autoencode import engines; print(engines.choose('auto'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jax"]


@pytest.mark.parametrize(("engine", "command"), engines.INSTALL.items())
def test_a_missing_engine_names_its_install_command(engine, command, monkeypatch):
    monkeypatch.setattr(selection, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    with pytest.raises(AutoencodeError, match=re.escape(command)):
        engines.choose(engine)


# What the user set Keras, and Python, to


def python(code, *words, **variables):
    """Return what `code` prints in a process of its own, KERAS_BACKEND not set, and its status."""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [sys.executable, *words, "-c", code]
    environment |= variables
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.stdout.strip(), done.stderr.strip(), done.returncode


CHOICES = (
    "from autoencode import engines; choose = engines.choose;print(choose('auto'), choose('torch'))"
)


@pytest.mark.parametrize("backend", engines.MODULES)
@pytest.mark.needs("torch", "tensorflow")
def test_auto_is_the_backend_that_the_user_set(backend):
    assert python(CHOICES, KERAS_BACKEND=backend)[0].split() == [backend, "torch"]


@pytest.mark.needs("torch", "tensorflow")
def test_an_empty_backend_is_none():
    assert python(CHOICES, KERAS_BACKEND="")[0].split() == ["jax", "torch"]


@pytest.mark.parametrize("backend", ["numpy", "openvino", "jaks"])
@pytest.mark.needs("torch", "tensorflow")
def test_a_backend_that_is_no_engine_is_refused_in_one_true_line(backend):
    code = "from autoencode import engines; engines.choose('auto')"
    _, errors, status = python(code, KERAS_BACKEND=backend)
    assert status == 1
    assert errors.splitlines()[-1] == (
        f"autoencode.errors.UsageError: KERAS_BACKEND is {backend!r}, which is no engine: "
        "set it to jax, tensorflow or torch, or unset it."
    )
    code = "from autoencode import engines; print(engines.choose('torch'))"
    assert python(code, KERAS_BACKEND=backend)[0] == "torch"


@pytest.mark.parametrize("engine", ["auto", "jax"])
def test_keras_running_on_what_is_no_engine_advises_none(engine):
    code = f"import keras; from autoencode import engines; engines.choose({engine!r})"
    _, errors, status = python(code, KERAS_BACKEND="numpy")
    assert status == 1
    assert errors.splitlines()[-1] == (
        "autoencode.errors.UsageError: Keras already runs on 'numpy' in this process, and no "
        "engine does: start a new process, and set KERAS_BACKEND to jax, tensorflow or torch there, or "
        "unset it."
    )


@pytest.mark.parametrize("before", [None, "torch"])
def test_the_variable_is_the_users_again_once_keras_is_imported(before):
    code = (
        "import os; from autoencode import engines;"
        "engines.announce('jax'); print(os.environ['KERAS_BACKEND'], engines.choose('auto'));"
        "engines.load('jax'); import keras;"
        "print(os.environ.get('KERAS_BACKEND'), keras.config.backend(), engines.choose('auto'))"
    )
    variables = {} if before is None else {"KERAS_BACKEND": before}
    expected = ["jax", before or "jax", str(before), "jax", "jax"]
    assert python(code, **variables)[0].split() == expected


def test_a_command_process_saves_without_tensorflow_and_does_not_hide_it():
    code = (
        "import sys; from autoencode import engines, models; engines.load('jax', alone=True);"
        "models.save(models.build('article', (4, 4, 1), 2), sys.argv[1]);"
        "print('tensorflow' in sys.modules); import tensorflow; print(tensorflow.__name__)"
    )
    with tempfile.TemporaryDirectory() as folder:
        code = code.replace("sys.argv[1]", repr(f"{folder}/model.keras"))
        assert python(code)[0].split() == ["False", "tensorflow"]


FORMATS = """
import keras, numpy as np
from autoencode import Config, models, pipeline
from autoencode.training import planning
from autoencode.inference import keras_file, trained

keras.config.set_image_data_format("channels_first")
pixels = np.random.default_rng(0).integers(0, 256, (20, 9, 10, 3), "uint8")
run = pipeline.run(pixels, Config(model="conv", epochs=1, code=2, batch_size=10), FOLDER)
model, _ = keras_file.read_model(run / "model.keras")
print(trained.Trained(model).encode(pixels).shape, keras.config.image_data_format())
"""


def test_a_training_works_whatever_order_of_channels_keras_is_set_to(tmp_path):
    code = FORMATS.replace("FOLDER", repr(str(tmp_path / "run")))
    printed, errors, _ = python(code, KERAS_BACKEND="jax")
    assert printed == "(20, 2) channels_first", errors


@pytest.fixture
def channels_first():
    engines.load(engines.choose("jax"))
    import keras

    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_no_layer_takes_the_order_of_channels_that_keras_is_set_to(channels_first, name):
    model = models.build(name, (9, 10, 3), 2)
    assert model.output_shape == (None, 9, 10, 3)
    assert "channels_last" in model.to_json()
    assert "channels_first" not in model.to_json()


def test_the_article_flattens_rows_of_pixels_whatever_keras_is_set_to(channels_first):
    model = models.build("article", (3, 4, 3), 2)
    images = np.random.default_rng(0).random((5, 3, 4, 3), np.float32)
    weights, bias = model.get_layer("encoder").get_layer("code").get_weights()
    expected = np.maximum(images.reshape(5, -1) @ weights + bias, 0)
    np.testing.assert_allclose(model.get_layer("encoder")(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("engine", "model"), [("jax", "feedback"), ("tensorflow", "article"), ("torch", "article")]
)
def test_warnings_as_errors_lose_no_training(engine, model, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8), "uint8"))
    run, source = str(tmp_path / "run"), str(tmp_path / "x.npy")
    words = ["train", source, "--epochs", "1", "--batch-size", "20", "--run", run]
    words += ["--engine", engine, "--model", model]
    code = f"import sys; from autoencode.cli import main; sys.argv[1:] = {words!r}; main()"
    _, errors, status = python(code, "-W", "error")
    # TensorFlow's log.
    said = [line for line in errors.splitlines() if not re.match(r"[IWE]\d{4} ", line)]
    assert (status, said) == (0, [])
    assert json.loads((tmp_path / "run" / "state.json").read_text())["state"] == "finished"
    assert (tmp_path / "run" / "model.keras").stat().st_size > 1000


def test_a_warning_while_a_model_is_saved_is_shown_and_is_no_error(tmp_path):
    class Model:
        def save(self, path):
            warnings.warn("odd", UserWarning, stacklevel=1)
            warnings.warn("old", DeprecationWarning, stacklevel=1)
            path.write_bytes(b"saved")

    def save():
        with warnings.catch_warnings(action="error"):
            models.save(Model(), tmp_path / "model.keras")
            with pytest.raises(UserWarning):
                warnings.warn("as before", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="odd"):
        save()
    assert (tmp_path / "model.keras").read_bytes() == b"saved"
