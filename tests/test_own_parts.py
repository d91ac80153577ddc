"""Own models, losses and optimizers: the same numbers as the built-in ones that they copy."""

import html
import subprocess
import sys

import numpy as np
import pytest

import autoencode
from autoencode import engines, models, objectives
from autoencode.errors import AutoencodeError, UsageError

# Before Keras is imported, which else chooses an engine by itself, for all tests of this process.
engines.load("jax")
import keras
from keras import layers, ops

from autoencode.models import article, own, registry

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
# As the article's model is trained, whatever it is called.
SAME = {
    "epochs": 2,
    "batch_size": 16,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "holdout": 0.0,
    "code": 4,
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "OWN", {})


def errors(**settings):
    return [(epoch.loss, epoch.val_loss) for epoch in autoencode.watch(IMAGES, **SAME | settings)]


@pytest.fixture(scope="module")
def expected():
    return errors(model="article")


def shallow(shape, code):
    encoder = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(code)])
    decoder = keras.Sequential(
        [keras.Input((code,)), layers.Dense(64, activation="sigmoid"), layers.Reshape(shape)]
    )
    return encoder, decoder


def joined(shape, code):
    encoder, decoder = shallow(shape, code)
    encoder.name = "encoder"
    decoder.name = "decoder"
    return keras.Sequential([keras.Input(shape), encoder, decoder])


def test_a_build_function_trains_as_the_built_in_model_of_the_same_layers(expected):
    assert errors(model=article.build) == expected


def test_a_registered_model_is_chosen_by_its_name(expected):
    @autoencode.register_model("mine")
    def build(shape, code, width):
        return article.build(shape, code, width)

    assert errors(model="mine") == expected
    assert build((8, 8, 1), 4, 1.0)  # the decorator returns the function
    assert "mine" in models.known_models()


def test_an_entry_point_offers_a_model(expected, tmp_path, monkeypatch):
    metadata = tmp_path / "offered-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[autoencode.models]\noffered = offered_models:build\ngone = offered_models:gone\n"
    )
    (tmp_path / "offered_models.py").write_text("from autoencode.models.article import build\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert errors(model="offered") == expected
    with pytest.raises(AutoencodeError, match="'gone' of the installed package cannot be imported"):
        errors(model="gone")


def test_an_own_loss_and_optimizer_are_those_of_keras(expected):
    def mean_squared(targets, outputs):
        return ops.square(targets - outputs)

    optimizer = keras.optimizers.Adam(1e-3)
    given = {"model": "article", "loss": mean_squared, "optimizer": optimizer}
    settings = {name: SAME[name] for name in ("epochs", "batch_size", "holdout", "code")}
    losses = [
        (epoch.loss, epoch.val_loss) for epoch in autoencode.watch(IMAGES, **settings | given)
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    assert not optimizer.built  # a copy was used


def test_an_own_schedule_is_the_built_in_one(expected):
    steps = 2 * 4  # 54 training images in batches of 16
    schedule = keras.optimizers.schedules.PolynomialDecay(1e-3, steps, end_learning_rate=0.0)
    settings = {name: value for name, value in SAME.items() if name != "schedule"}
    settings |= {"model": "article", "learning_rate": schedule}
    given = [(epoch.loss, epoch.val_loss) for epoch in autoencode.watch(IMAGES, **settings)]
    assert given == errors(model="article", schedule="linear")
    assert given != expected


def test_an_own_loss_stands_in_a_sum(expected):
    autoencode.register_loss("nothing", lambda targets, outputs: 0.0 * ops.mean(outputs))
    # Another program, which may round otherwise.
    np.testing.assert_allclose(errors(model="article", loss="mse+nothing"), expected, rtol=1e-5)
    with pytest.raises(UsageError, match="built-in loss"):
        autoencode.register_loss("mse", lambda targets, outputs: 0.0)


@pytest.mark.parametrize("make", [shallow, joined])
def test_a_built_model_begins_with_its_weights_and_ends_with_the_trained_ones(make):
    model = make((8, 8, 1), 4)
    first = model if isinstance(model, keras.Model) else model[0]
    before = [weight.copy() for weight in first.get_weights()]
    settings = SAME | {"model": model, "learning_rate": 1e-12, "epochs": 1}
    del settings["code"]

    run = autoencode.train(IMAGES, **settings)
    assert run.config.code == 4
    for trained, initial in zip(first.get_weights(), before, strict=True):
        np.testing.assert_allclose(trained, initial, atol=1e-6)

    again = autoencode.train(IMAGES, **settings | {"learning_rate": 1e-2})
    codes = first.predict(run.model.reconstruct(IMAGES).inputs / np.float32(255), verbose=0)
    if make is shallow:
        np.testing.assert_allclose(again.model.encode(IMAGES).values, codes, atol=1e-5)
    assert not np.allclose(first.get_weights()[0], before[0], atol=1e-3)


@pytest.mark.parametrize("option", [{"variational": 1.0}, {"quantize": 4}, {"noise": "mask:0.5"}])
def test_options_work_with_an_own_model(option):
    run = autoencode.train(IMAGES, **SAME | {"model": shallow} | option)
    codes = run.model.encode(IMAGES).values
    assert codes.shape == (60, 4)
    assert np.isfinite(codes).all()
    if "quantize" in option:
        levels = (codes + 1) / 2 * 15
        np.testing.assert_allclose(levels, np.round(levels), atol=1e-4)


def test_a_variational_code_starts_from_the_weights_of_a_built_model():
    encoder, decoder = shallow((8, 8, 1), 4)
    settings = {"model": (encoder, decoder), "variational": 1.0, "learning_rate": 1e-12}
    before = encoder.predict(IMAGES[..., np.newaxis] / np.float32(255), verbose=0)
    run = autoencode.train(IMAGES, **SAME | settings | {"epochs": 1})
    np.testing.assert_allclose(run.model.encode(IMAGES).values, before, atol=1e-5)


def test_a_run_of_own_parts_is_resumed_where_they_are_given_again(monkeypatch):
    def absolute(targets, outputs):
        return ops.abs(targets - outputs)

    given = {"model": shallow, "loss": absolute, "optimizer": keras.optimizers.SGD(0.1)}
    settings = {name: SAME[name] for name in ("batch_size", "holdout", "code")} | given
    whole = autoencode.train(IMAGES, epochs=3, **settings)
    half = autoencode.train(IMAGES, epochs=1, **settings)

    monkeypatch.setattr(registry, "OWN", {})
    objectives.own.LOSSES.clear()
    objectives.own.OPTIMIZERS.clear()
    with pytest.raises(UsageError, match=r"model 'shallow', which is not known.*`model` again"):
        autoencode.resume(half, 3, source=IMAGES)
    with pytest.raises(UsageError, match=r"loss 'absolute', which is not known.*`loss` again"):
        autoencode.resume(half, 3, source=IMAGES, model=shallow)
    with pytest.raises(UsageError, match="optimizer 'SGD', which is not known"):
        autoencode.resume(half, 3, source=IMAGES, model=shallow, loss=absolute)

    for wrong, line in (
        ({"loss": "mse"}, "`loss` takes an own part .* received 'mse': do without it"),
        ({"learning_rate": 1e-4}, "`learning_rate` takes an own part .* received 0.0001"),
        ({"optimizer": keras.optimizers.Adam(0.1)}, "with optimizer 'SGD', received 'Adam'"),
    ):
        with pytest.raises(UsageError, match=line):
            autoencode.resume(half, 3, source=IMAGES, **given | wrong)
    resumed = autoencode.resume(half, 3, source=IMAGES, **given)
    assert resumed.metrics[-1]["val_loss"] == whole.metrics[-1]["val_loss"]


def test_callbacks_see_every_event():
    events = []
    run = autoencode.train(IMAGES, model="article", callbacks=[events.append], **SAME)
    epochs = [event for event in events if isinstance(event, autoencode.Epoch)]
    assert [epoch.val_loss for epoch in epochs] == [line["val_loss"] for line in run.metrics]


class Unnamed(keras.Model):
    """A model without a graph."""


@keras.saving.register_keras_serializable("own")
class Doubled(layers.Layer):
    def call(self, inputs):
        return 2.0 * inputs


class Unsaved(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, inputs):
        return self.factor() * inputs


def with_layer(layer):
    def build(shape, code, width):
        encoder = keras.Sequential(
            [keras.Input(shape), layers.Flatten(), layer, layers.Dense(code)]
        )
        return encoder, shallow(shape, code)[1]

    return build


def test_a_model_that_will_not_be_opened_is_noted_before_it_trains():
    run = autoencode.train(IMAGES, model=with_layer(Doubled()), run="run", **SAME)
    report = html.unescape((run.path / "report.html").read_text("utf-8"))
    assert "the class 'Doubled', which is no part of Keras" in report
    with pytest.raises(AutoencodeError, match="needs the class 'Doubled'"):
        _ = run.model
    # Whoever knows the class opens it with Keras itself.
    reopened = keras.saving.load_model(run.path / "model.keras")
    assert reopened.get_layer("encoder").count_params() == 64 * 4 + 4


def test_a_model_that_cannot_be_saved_is_refused_before_it_trains(tmp_path):
    build = with_layer(Unsaved(lambda: 2.0))
    assert len(list(autoencode.watch(IMAGES, model=build, **SAME))) == SAME["epochs"]
    with pytest.raises(AutoencodeError, match=r"cannot be saved .* a method get_config"):
        autoencode.train(IMAGES, model=build, run="run", **SAME)
    assert not list(tmp_path.iterdir())


def module_of_torch():
    kind = type("Module", (), {"__module__": "torch.nn.modules.module"})
    return kind()


def wide(shape, code, width):
    return shallow(shape, 2 * code)


def of_one_argument(shape):
    return shallow(shape, 4)


def of_numbers(shape, code, width):
    return 1, 2


def without_dense_end(shape, code, width):
    encoder, decoder = shallow(shape, code)
    return keras.Sequential([encoder, layers.Activation("tanh")]), decoder


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"model": 3}, "a function build.*received int"),
        ({"model": module_of_torch()}, "received a PyTorch module: build it of Keras layers"),
        ({"model": (module_of_torch(), module_of_torch())}, "received a PyTorch module"),
        ({"model": Unnamed()}, "has no known input: begin it with keras.Input"),
        ({"model": wide}, "gives codes of 8, and `code=4` was asked for.*`code=8`"),
        ({"model": of_one_argument}, r"expected build\(shape, code, width\), .*\(shape\)"),
        ({"model": of_numbers}, r"a pair \(encoder, decoder\) of Keras models, received tuple"),
        ({"model": lambda *_: shallow((4, 16, 1), 4)}, "images of 4 x 16 x 1.*have 8 x 8 x 1"),
        ({"model": "shalow"}, "unknown model 'shalow'"),
        ({"model": "mine.py:build"}, "names a function in a file.*on the command line"),
        (
            {"model": without_dense_end, "variational": 1.0},
            "ends with Activation: end it with Dense",
        ),
        ({"loss": 3}, "`loss` takes a name.*received int"),
        ({"optimizer": keras.optimizers.Adam}, "or a Keras optimizer, received Adam"),
        ({"learning_rate": lambda step: 0.1}, "a Keras schedule, received <lambda>"),
        (
            {"optimizer": keras.optimizers.Adam(1e-3), "weight_decay": 0.1},
            "has its own weight decay, and `weight_decay` was given too",
        ),
        (
            {"learning_rate": keras.optimizers.schedules.CosineDecay(1e-3, 9)},
            "has its own schedule, and `schedule` was given too",
        ),
        ({"callbacks": [3]}, "callbacks are functions.*received int"),
        ({"epoch": 3}, "unknown setting 'epoch': did you mean 'epochs'"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_no_run(settings, line, tmp_path):
    with pytest.raises(UsageError, match=line) as raised:
        autoencode.train(IMAGES, **SAME | settings)
    assert len(str(raised.value).splitlines()) == 1
    assert not list(tmp_path.glob("runs/*"))


def test_a_code_of_another_size_than_that_of_a_built_model_is_refused():
    with pytest.raises(UsageError, match="`code=5` was given, and the codes of `model` have 4"):
        autoencode.train(IMAGES, model=shallow((8, 8, 1), 4), code=5)
    assert own.Built(shallow((8, 8, 1), 4)).code == 4


MINE = """
from __future__ import annotations
import keras
from keras import layers
from beside import UNITS

def build(shape, code, width):
    encoder = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(code)])
    pixels = layers.Dense(UNITS, activation="sigmoid")
    return encoder, keras.Sequential([keras.Input((code,)), pixels, layers.Reshape(shape)])

def broken(shape, code, width):
    return layers.Dense(-1)
"""


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "autoencode", *words], capture_output=True, text=True, check=False
    )


def test_the_command_trains_a_model_of_a_file_and_runs_it_only_where_it_is_named(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "beside.py").write_text("UNITS = 64\n")
    np.save("images.npy", IMAGES)
    words = ("train", "images.npy", "--epochs", "1", "--run", "run")

    trained = command(*words, "--model", "mine.py:build")
    assert trained.returncode == 0, trained.stderr
    assert "model mine.py:build" in trained.stdout
    assert "--model mine.py:build" in autoencode.Run("run")._run.record["command"]

    refused = command("train", "--resume", "run", "--epochs", "2")
    assert refused.returncode == 2
    assert "give your own --model again" in refused.stderr
    other = command("train", "--resume", "run", "--model", "mine.py:broken")
    assert "expected mine.py:build, received mine.py:broken" in other.stderr
    resumed = command("train", "--resume", "run", "--epochs", "2", "--model", "mine.py:build")
    assert resumed.returncode == 0, resumed.stderr

    # What is trained is used without the file, and anomalies have no folds of it.
    (tmp_path / "mine.py").unlink()
    assert command("anomalies", "run", "images.npy").returncode == 0
    refused = command("anomalies", "run", "images.npy", "--folds", "--overwrite")
    assert refused.returncode == 2
    assert "has own parts that this command does not know" in refused.stderr
    assert command("encode", "run", "images.npy", "--out", "codes.npz").returncode == 0


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("mine.py:broken", "mine.py failed in line 13: ValueError"),
        ("mine.py:absent", "does not define: it has build, broken"),
        ("none.py:build", "names a file that is not there"),
        ("error.py:build", "error.py failed in line 1: ZeroDivisionError: division by zero"),
        ("syntax.py:build", "syntax.py failed in line 1: SyntaxError"),
    ],
)
def test_a_file_that_fails_is_one_line_with_its_own(word, line, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "beside.py").write_text("UNITS = 64\n")
    (tmp_path / "error.py").write_text("1 / 0\n")
    (tmp_path / "syntax.py").write_text("def build(:\n")
    np.save("images.npy", IMAGES)
    done = command("train", "images.npy", "--epochs", "1", "--model", word)
    assert done.returncode in (1, 2)
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("runs/*"))
