"""Which engine is chosen, and what the user may have set Keras and Python to before."""

import json
import os
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pytest

from autoencode import AutoencodeError, engines, models
from autoencode.engines import selection


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
        "engine does: start a new process, and set KERAS_BACKEND to jax, tensorflow or torch "
        "there, or unset it."
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
        "import sys; from autoencode import engines, models; engines.load('jax', own_process=True);"
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
