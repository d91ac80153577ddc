"""Models of plain Keras, used as those that were trained here; the oracle is Keras's `predict`."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from autoencode import AutoencodeError, engines
from autoencode.cli import app
from autoencode.inference import saved_model
from autoencode.inference.keras_file import read_model
from autoencode.inference.trained import Trained
from autoencode.models import LAYERS

SHAPE = (8, 8, 3)
COUNT = 9
MERGES = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
# How each layer is made that has more to say than its name.
ARGUMENTS = {
    "Activation": {"activation": "tanh"},
    "AveragePooling2D": {"pool_size": 2},
    "Conv2D": {"filters": 3, "kernel_size": 3, "activation": "gelu"},
    "Conv2DTranspose": {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"},
    "Cropping2D": {"cropping": ((1, 2), (0, 1))},
    "Dense": {"units": 5, "kernel_regularizer": "l2", "kernel_constraint": "max_norm"},
    "DepthwiseConv2D": {"kernel_size": 3},
    "Dropout": {"rate": 0.5},
    "GaussianDropout": {"rate": 0.5},
    "GaussianNoise": {"stddev": 0.5},
    "GroupNormalization": {"groups": 3},
    "Permute": {"dims": (2, 1, 3)},
    "Rescaling": {"scale": 2.0, "offset": -1.0},
    "Reshape": {"target_shape": (4, 16, 3)},
    "SeparableConv2D": {"filters": 3, "kernel_size": 3},
    "SpatialDropout2D": {"rate": 0.5},
    "UpSampling2D": {"size": 2, "interpolation": "bilinear"},
}
JOB = """
import json, sys
from pathlib import Path
import numpy as np
from autoencode.inference import saved_model

folder, engine = Path(sys.argv[1]), sys.argv[2]
images = np.load(folder / "images.npy")
failed = {}
for file in sorted(folder.glob("*.keras")):
    truth = np.load(file.with_suffix(".npz"))
    try:
        opened = saved_model.open_model(saved_model.find_model(file), engine, own_process=True)
        codes = opened.encode(images)
        np.testing.assert_allclose(codes, truth["codes"], rtol=1e-3, atol=1e-4)
        made = opened.decode(codes)
        np.testing.assert_allclose(made, truth["reconstructions"], rtol=1e-3, atol=1e-4)
        better = opened.decode(opened.encode(images, refine=2))
        before, after = (
            np.square(one - images / np.float32(255)).mean((1, 2, 3)) for one in (made, better)
        )
        assert (after <= before + 1e-6).all(), (before, after)
    except Exception as error:
        failed[file.stem] = f"{type(error).__name__}: {error}"
import keras
print(json.dumps([keras.config.backend(), len(list(folder.glob("*.keras"))), failed]))
"""


def used(name, features):
    """What the layer `name` makes of `features`."""
    from keras import layers

    if name == "InputLayer":  # in every model
        return features
    layer = getattr(layers, name)(**ARGUMENTS.get(name, {}))
    return layer([features, layers.Conv2D(3, 1)(features)]) if name in MERGES else layer(features)


def autoencoder(name):
    """Return an encoder, a decoder and both, with the layer `name` on either side of the code."""
    import keras
    from keras import layers

    images = keras.Input(SHAPE)
    codes_in = keras.Input((4,))
    codes = layers.Dense(4)(layers.Flatten()(used(name, images)))
    features = layers.Reshape(SHAPE)(layers.Dense(192, "sigmoid")(codes_in))
    outputs = layers.Reshape(SHAPE)(layers.Dense(192)(layers.Flatten()(used(name, features))))
    encoder = keras.Model(images, codes, name="encoder")
    decoder = keras.Model(codes_in, outputs, name="decoder")
    return encoder, decoder, keras.Model(images, decoder(encoder(images)))


def shuffled(model, seed=0):
    """Give `model` weights of which none is as it was made, all above 0 as variances are."""
    random = np.random.default_rng(seed)
    model.set_weights([random.uniform(0.05, 0.3, weight.shape) for weight in model.get_weights()])


@pytest.fixture(scope="module", autouse=True)
def _jax():
    engines.load(engines.choose("jax"))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, images):
    """A file for each layer, saved and predicted by plain Keras."""
    import keras

    path = tmp_path_factory.mktemp("plain")
    np.save(path / "images.npy", images)
    floats = images / np.float32(255)
    for name in LAYERS:
        encoder, _, model = autoencoder(name)
        shuffled(model)
        model.save(path / f"{name}.keras")
        both = keras.Model(model.inputs, [encoder(model.inputs[0]), model.outputs[0]])
        codes, reconstructions = both.predict(floats, verbose=0)
        np.savez(path / f"{name}.npz", codes=codes, reconstructions=reconstructions)
    return path


def opened(path, model):
    """Return `model` as it is after it was saved by plain Keras, and opened here."""
    file = Path(path, "model.keras")
    model.save(file)
    return Trained(read_model(file)[0])


def refused(path, model):
    """Return the line by which `model`, saved by plain Keras, is refused."""
    with pytest.raises(AutoencodeError) as raised:
        opened(path, model)
    line = str(raised.value)
    assert "damaged" not in line
    assert "whole .keras file" not in line
    return line


# Every layer, on every engine


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_layer_gives_the_numbers_of_plain_keras(folder, images, name):
    truth = np.load(folder / f"{name}.npz")
    model = saved_model.open_model(saved_model.find_model(folder / f"{name}.keras"))
    codes = model.encode(images)
    np.testing.assert_allclose(codes, truth["codes"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.decode(codes), truth["reconstructions"], rtol=1e-4, atol=1e-4)
    assert np.ptp(truth["codes"], axis=0).max() > 1e-4  # else any constant would do


@pytest.mark.parametrize("engine", ["tensorflow", "torch"])
def test_every_layer_gives_the_numbers_of_jax_on_every_engine(folder, engine):
    words = [sys.executable, "-c", JOB, str(folder), engine]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [engine, len(LAYERS), {}]


def test_the_command_runs_a_layer_that_asks_keras_for_tensorflow_and_loads_none(folder, tmp_path):
    code = (
        "import atexit, sys; from autoencode.cli import main;"
        "atexit.register(lambda: print('tensorflow' in sys.modules)); main()"
    )
    model, source = folder / "Rescaling.keras", folder / "images.npy"
    words = ["map", model, source, "--method", "umap", "--engine", "jax", "--out", tmp_path]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True
    )
    assert "9 images on a plane by UMAP" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


# What a model of plain Keras may be


def check_numbers(model, plain, images, code_layer=None):
    """Compare `model`, opened here, with what `plain` predicts of images in its own shape."""
    import keras

    taken, made = plain.input_shape[1:], plain.output_shape[1:]
    floats = images.reshape(-1, *taken) / np.float32(255)
    codes = model.encode(images)
    if code_layer is not None:
        truth = keras.Model(plain.inputs, code_layer.output).predict(floats, verbose=0)
        np.testing.assert_allclose(codes, truth, rtol=1e-4, atol=1e-5)
    reconstructions = model.decode(codes)
    assert reconstructions.shape == images.shape
    truth = plain.predict(floats, verbose=0)
    np.testing.assert_allclose(reconstructions.reshape(-1, *made), truth, rtol=1e-4, atol=1e-4)
    assert np.ptp(truth, axis=0).max() > 1e-3


def test_compiled_models_open_whatever_they_were_compiled_with(tmp_path, images):
    import keras

    def own_loss(targets, outputs):
        return keras.ops.mean(keras.ops.abs(targets - outputs))

    encoder, _, model = autoencoder("Dense")
    encoder.compile("sgd", own_loss)  # a part may be compiled as well
    model.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.01, 9)),
        own_loss,
        metrics=["mae"],
    )
    floats = images / np.float32(255)
    model.fit(floats, floats, epochs=1, verbose=0)
    found = opened(tmp_path, model)
    assert b"own_loss" in zipfile.ZipFile(tmp_path / "model.keras").read("config.json")
    assert not found.model.compiled
    assert not found.encoder.compiled
    check_numbers(found, model, images)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3)])
@pytest.mark.parametrize("ends", ["flat to flat", "flat to image", "image to flat"])
def test_a_row_of_values_is_an_image_at_the_border(tmp_path, shape, ends):
    import keras
    from keras import layers

    size = int(np.prod(shape))
    taken, made = (shape if end == "image" else (size,) for end in ends.split(" to "))
    encoder = keras.Sequential(
        [keras.Input(taken), layers.Flatten(), layers.Dense(4)], name="encoder"
    )
    decoder = keras.Sequential(
        [keras.Input((4,)), layers.Dense(size), layers.Reshape(made)], name="decoder"
    )
    images_in = keras.Input(taken)
    plain = keras.Model(images_in, decoder(encoder(images_in)))
    found = opened(tmp_path, plain)
    assert found.shape == shape
    colour = "grey" if shape[2] == 1 else "RGB"
    note = f"a row of {size} values is taken as a square {colour} image of 8x8"
    assert found.notes == ((note,) if ends == "flat to flat" else ())
    check_numbers(found, plain, np.random.default_rng(1).integers(0, 256, (5, *shape), np.uint8))


def test_images_without_channels_are_grey(tmp_path):
    import keras
    from keras import layers

    plain = keras.Sequential(
        [
            keras.Input((6, 9)),
            layers.Flatten(),
            layers.Dense(4, name="encoder"),
            layers.Dense(54, name="decoder"),
            layers.Reshape((6, 9)),
        ]
    )
    found = opened(tmp_path, plain)
    assert (found.shape, found.code, found.notes) == ((6, 9, 1), 4, ())
    check_numbers(found, plain, np.random.default_rng(1).integers(0, 256, (5, 6, 9, 1), np.uint8))


def test_single_layers_are_an_encoder_and_a_decoder(tmp_path):
    import keras
    from keras import layers

    dense = layers.Dense(4, name="encoder")
    plain = keras.Sequential([keras.Input((256,)), dense, layers.Dense(256, name="decoder")])
    images = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 1), np.uint8)
    found = opened(tmp_path, plain)
    check_numbers(found, plain, images, dense)
    before, after = (
        np.square(found.decode(found.encode(images, refine=steps)) - images / 255)
        for steps in (0, 20)
    )
    assert after.mean() < before.mean()


@pytest.mark.parametrize("functional", [True, False])
def test_layers_around_encoder_and_decoder_are_used_too(tmp_path, images, functional):
    import keras
    from keras import layers

    dense = layers.Dense(4, name="encoder")
    chain = [
        layers.Rescaling(np.array([2.0, 3.0, 4.0]), -1.0),
        layers.Flatten(),
        dense,
        layers.GaussianNoise(0.5),
        layers.Dense(192, name="decoder"),
        layers.Reshape(SHAPE),
        layers.Rescaling(0.5, 0.5),
    ]
    plain = keras.Sequential([keras.Input(SHAPE), *chain])
    if functional:
        outputs = images_in = keras.Input(SHAPE)
        for layer in chain:
            outputs = layer(outputs)
        plain = keras.Model(images_in, keras.ops.tanh(outputs)[:, ::-1])
    check_numbers(opened(tmp_path, plain), plain, images, None if functional else dense)


def test_layers_around_models_called_encoder_and_decoder_are_used_too(tmp_path, images):
    import keras
    from keras import layers

    encoder, decoder, _ = autoencoder("Dense")
    images_in = keras.Input(SHAPE)
    scaled = layers.Rescaling(3.0, -1.0)(images_in)
    plain = keras.Model(images_in, layers.Rescaling(0.1, 0.5)(decoder(encoder(scaled))))
    found = opened(tmp_path, plain)
    check_numbers(found, plain, images)
    expected = encoder.predict(images / np.float32(255) * 3 - 1, verbose=0)
    np.testing.assert_allclose(found.encode(images), expected, rtol=1e-4, atol=1e-4)


def test_a_layer_for_pixels_up_to_255_is_given_those_up_to_1_and_it_is_said(tmp_path, images):
    import keras
    from keras import layers

    encoder = keras.Sequential(
        [keras.Input(SHAPE), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(4)],
        name="encoder",
    )
    decoder = keras.Sequential(
        [keras.Input((4,)), layers.Dense(192), layers.Reshape(SHAPE)], name="decoder"
    )
    images_in = keras.Input(SHAPE)
    found = opened(tmp_path, keras.Model(images_in, decoder(encoder(images_in))))
    assert found.notes == (
        "pixels are handed to the model as floats in [0, 1], also to its layer Rescaling(0.003922)",
    )


def test_what_was_assumed_stands_on_the_screen(tmp_path, monkeypatch, capsys):
    import keras
    from keras import layers

    plain = keras.Sequential(
        [keras.Input((64,)), layers.Dense(4, name="encoder"), layers.Dense(64, name="decoder")]
    )
    plain.save(tmp_path / "flat.keras")
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8), np.uint8))
    np.save(tmp_path / "codes.npy", np.zeros((3, 4), np.float32))
    monkeypatch.chdir(tmp_path)
    note = "a row of 64 values is taken as a square grey image of 8x8"
    with mock.patch.dict(os.environ):
        for words in ("encode flat.keras x.npy", "decode flat.keras codes.npy", "info flat.keras"):
            app(words.split(), result_action="return_value")
            assert note in capsys.readouterr().out
        app(["info", "--json", "flat.keras"], result_action="return_value")
    assert json.loads(capsys.readouterr().out)["notes"] == [note]


# What is refused, and why


def test_code_in_a_model_is_refused_as_code(tmp_path):
    import keras
    from keras import layers

    def ends(layer):
        chain = [
            keras.Input((64,)),
            layer,
            layers.Dense(4, name="encoder"),
            layers.Dense(64, name="decoder"),
        ]
        return keras.Sequential(chain)

    line = refused(tmp_path, ends(layers.Lambda(lambda values: values * 2, name="twice")))
    assert "it holds code that would be run (the layer 'twice', a Lambda)" in line

    def own(values):
        return values * 2

    class Own(layers.Layer):
        def call(self, values):
            return values * 2

    assert "function 'own', which is no part of Keras" in refused(
        tmp_path, ends(layers.Activation(own))
    )
    assert "class 'Own', which is no part of Keras" in refused(tmp_path, ends(Own()))
    line = refused(tmp_path, ends(layers.Discretization([0.5])))
    assert (
        "a kind that is not opened, Discretization of keras.layers: "
        "expected the layers Activation, Add" in line
    )


def refusals():
    """Models that are refused, each with what its line must say."""
    import keras
    from keras import layers

    def flat(size, *more, dtype="float32"):
        given = {"dtype": dtype} if dtype != "float32" else {}
        named = [layers.Dense(4, name="encoder"), layers.Dense(size, name="decoder")]
        return keras.Sequential([keras.Input((size,), **given), *more, *named])

    def shaped(shape, back=None):
        back = back or shape
        named = [layers.Dense(4, name="encoder"), layers.Dense(int(np.prod(back)), name="decoder")]
        return keras.Sequential(
            [keras.Input(shape), layers.Flatten(), *named, layers.Reshape(back)]
        )

    yield "rows of 70 values, which are no square image", flat(70)
    yield "1 or 3 channels, those of the model have 4: (8, 8, 4)", shaped((8, 8, 4))
    yield "of the shape of the images, (8, 8, 1), received (4, 4, 1)", shaped((8, 8, 1), (4, 4, 1))
    yield "(H, W, C), (H, W) or (H * W * C,), received (2, 4, 4, 1)", shaped((2, 4, 4, 1))
    yield "floats in [0, 1], its input is uint8", flat(64, dtype="uint8")

    wide = keras.Sequential(
        [keras.Input((None, None, 1)), layers.Conv2D(1, 3, padding="same", name="encoder")]
    )
    wide.add(layers.Conv2D(1, 3, padding="same", name="decoder"))
    yield "expected codes (K,), the layer encoder gives (None, None, 1)", wide

    unnamed = keras.Sequential(
        [keras.Input((64,)), layers.Dense(4, name="down"), layers.Dense(64, name="decoder")]
    )
    yield "there is no encoder among down, decoder", unnamed
    neither = keras.Sequential(
        [keras.Input((64,)), layers.Dense(4, name="down"), layers.Dense(64, name="up")]
    )
    yield "there is no encoder and no decoder among down, up", neither

    images, more = keras.Input((64,)), keras.Input((64,))
    codes = layers.Dense(4, name="encoder")(images)
    outputs = layers.Dense(64, name="decoder")(codes)
    yield "the model has 2 and 1", keras.Model([images, more], layers.Add()([outputs, more]))
    yield "the model has 1 and 2", keras.Model(images, [outputs, codes])
    yield "of the codes alone", keras.Model(images, layers.Add()([outputs, images]))

    two = keras.Model(images, [layers.Dense(4)(images), layers.Dense(4)(images)], name="encoder")
    decoder = layers.Dense(64, name="decoder")
    yield "the layer encoder has 2", keras.Model(images, decoder(two(images)[0]))
    before = layers.Dense(64, name="encoder")(layers.Dense(64, name="decoder")(images))
    yield "expected the layer encoder before the layer decoder", keras.Model(images, before)

    batched = keras.Input(batch_shape=(5, 64))
    outputs = layers.Dense(64, name="decoder")(layers.Dense(4, name="encoder")(batched))
    yield "its input is for 5 images at once", keras.Model(batched, outputs)


def test_a_refusal_gives_its_true_cause(tmp_path):
    told = [(cause, refused(tmp_path, model)) for cause, model in refusals()]
    assert len(told) == 14
    assert [(cause, line) for cause, line in told if cause not in line] == []


def test_an_array_in_a_model_is_of_numbers_alone(tmp_path):
    import keras
    from keras import layers

    scaled = layers.Rescaling(np.array([2.0, 3.0]))
    named = [layers.Dense(4, name="encoder"), layers.Dense(2, name="decoder")]
    keras.Sequential([keras.Input((2,)), scaled, *named]).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    before = members["config.json"]
    changed = re.sub(rb'("value": .2.0, 3.0., "dtype": )"float64"', rb'\1"U900000000"', before)
    assert changed != before
    with zipfile.ZipFile(tmp_path / "texts.keras", "w") as archive:
        for name, content in (members | {"config.json": changed}).items():
            archive.writestr(name, content)
    with pytest.raises(AutoencodeError, match="an array of U900000000, expected numbers"):
        read_model(tmp_path / "texts.keras")


def test_a_damaged_file_is_no_model(tmp_path):
    _, _, model = autoencoder("Dense")
    model.save(tmp_path / "model.keras")
    content = (tmp_path / "model.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(AutoencodeError, match=r"expected a whole \.keras file"):
        read_model(tmp_path / "cut.keras")
