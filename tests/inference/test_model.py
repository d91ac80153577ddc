"""The model in Python: the numbers of the command's files, of plain Keras and of the estimator."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from inference_support import called
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import pairwise_distances

import autoencode
from autoencode import AutoencodeError, Autoencoder, Config, Images, UsageError, pipeline
from autoencode.inference.model import Model
from autoencode.inference.sampling import new_codes

DIGITS = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
LABELS = load_digits().target
COUNT = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of pictures in folders of classes, and a run that was trained on it."""
    folder = tmp_path_factory.mktemp("model")
    for index in range(COUNT):
        path = folder / "digits" / str(LABELS[index]) / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS[index]).save(path)
    config = Config(model="dense", width=0.1, code=3, epochs=2, batch_size=30, noise="mask:0.2")
    pipeline.run(str(folder / "digits"), config, folder / "run")
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return autoencode.load(folder / "run")


@pytest.fixture(scope="module")
def plain(folder):
    import keras

    return keras.saving.load_model(folder / "run" / "model.keras")


def floats():
    return (DIGITS[:COUNT, ..., np.newaxis] / 255).astype(np.float32)


def test_the_command_writes_the_same_numbers(folder, model):
    done = called(
        [
            ["encode", "run", "digits", "--out", "codes.csv"],
            ["reconstruct", "run", "digits", "--refine", "3", "--out", "made.npz"],
            ["denoise", "run", "digits", "--add", "mask:0.2", "--seed", "4", "--out", "clean.npz"],
            ["sample", "run", "--count", "7", "--seed", "5", "--out", "new.npz"],
            ["map", "run", "digits", "--method", "pca", "--out", "map.csv"],
            ["anomalies", "run", "digits", "--false-alarms", "0.1", "--out", "strange.csv"],
        ],
        folder,
    )
    assert done.returncode == 0, done.stderr

    source = folder / "digits"
    codes = model.encode(source)
    written = list(csv.DictReader((folder / "codes.csv").read_text().splitlines()))
    assert [row["name"] for row in written] == list(codes.names)
    assert [row["label"] for row in written] == codes.label_names
    numbers = [[float(row[f"code{number}"]) for number in range(3)] for row in written]
    np.testing.assert_allclose(codes.values, numbers, rtol=1e-5)

    made = model.reconstruct(source, refine=3)
    with np.load(folder / "made.npz") as file:
        np.testing.assert_array_equal(made.images, file["images"])
        np.testing.assert_allclose(made.errors, file["errors"], rtol=1e-6)
    assert f"mean squared error {made.mse:.5f}, PSNR {made.psnr:.2f} dB" in done.stdout

    clean = model.denoise(source, add="mask:0.2", seed=4)
    with np.load(folder / "clean.npz") as file:
        np.testing.assert_array_equal(clean.images, file["images"])
        np.testing.assert_array_equal(clean.inputs, file["noisy"])
    assert f"{clean.psnr:.2f} dB without" in done.stdout

    new = model.sample(7, seed=5)
    with np.load(folder / "new.npz") as file:
        np.testing.assert_array_equal(new.images, file["images"])
        np.testing.assert_array_equal(new.codes, file["codes"])

    points = model.map(source, method="pca").to_pandas()
    written = list(csv.DictReader((folder / "map.csv").read_text().splitlines()))
    np.testing.assert_allclose(
        points["x"], [float(row["x"]) for row in written], rtol=1e-4, atol=1e-5
    )

    ranked = model.anomalies(source, false_alarms=0.1)
    written = list(csv.DictReader((folder / "strange.csv").read_text().splitlines()))
    table = ranked.to_pandas()
    assert list(table.columns) == list(written[0])
    assert list(table["name"]) == [row["name"] for row in written]
    np.testing.assert_allclose(table["score"], [float(row["score"]) for row in written], rtol=1e-5)
    assert list(table["anomaly"]) == [int(row["anomaly"]) for row in written]
    assert ranked.description in done.stdout


def test_the_numbers_are_those_of_plain_keras(folder, model, plain):
    expected = plain.get_layer("encoder").predict(floats(), verbose=0)
    codes = model.encode(DIGITS[:COUNT])
    np.testing.assert_allclose(codes.values, expected, rtol=1e-4, atol=1e-5)
    decoded = plain.get_layer("decoder").predict(expected, verbose=0)
    images = np.round(np.clip(decoded, 0, 1) * 255).astype(int)
    assert np.abs(model.decode(codes).astype(int) - images).max() <= 1
    assert np.abs(model.decode(np.asarray(codes)).astype(int) - images).max() <= 1
    found = model.reconstruct(DIGITS[:COUNT])
    np.testing.assert_allclose(
        found.errors, np.square(decoded - floats()).mean((1, 2, 3)), rtol=1e-3
    )
    np.testing.assert_array_equal(found.inputs[..., 0], DIGITS[:COUNT])
    batches = list(model.reconstruct_batches(DIGITS[:COUNT]))
    np.testing.assert_array_equal(np.concatenate([one.images for one in batches]), found.images)
    np.testing.assert_array_equal(np.concatenate([one.errors for one in batches]), found.errors)


def test_any_source_gives_the_codes_of_the_folder(folder, model):
    paths = sorted((folder / "digits").glob("*/*.png"))
    of_folder = model.encode(folder / "digits")
    order = [int(path.stem) for path in paths]
    for source in (
        paths,
        DIGITS[order],
        Images("some", DIGITS[order][..., None], DIGITS[:1, ..., None]),
    ):
        codes = model.encode(source, part="all")
        np.testing.assert_allclose(codes.values[:COUNT], of_folder.values, rtol=1e-5, atol=1e-6)
    assert len(model.encode(folder / "digits", part="test")) == COUNT // 10


def test_a_keras_model_and_a_saved_estimator_are_opened(tmp_path, plain, model):
    of_keras = autoencode.load(plain)
    np.testing.assert_array_equal(
        of_keras.encode(DIGITS[:9]).values, model.encode(DIGITS[:9]).values
    )
    estimator = Autoencoder(code=2, epochs=1, batch_size=60).fit(DIGITS[:120])
    estimator.save(tmp_path / "estimator.keras")
    opened = autoencode.load(tmp_path / "estimator.keras")
    np.testing.assert_allclose(
        opened.encode(DIGITS[:50]).values, estimator.transform(DIGITS[:50]), rtol=1e-5, atol=1e-6
    )
    drawn = opened.sample(3, seed=1)
    np.testing.assert_array_equal(
        drawn.codes, new_codes(2, 3, 1, estimator.transform(DIGITS[:120]))
    )


def test_similar_images_are_those_of_the_nearest_codes(folder, model):
    found = model.similar(DIGITS[:5], among=DIGITS[5:60], count=4)
    asked, among = model.encode(DIGITS[:5]).values, model.encode(DIGITS[5:60]).values
    distances = pairwise_distances(asked.astype(float), among.astype(float))
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :4], rtol=1e-4)
    own = model.similar(folder / "digits", count=1)
    assert [names[0] for names in own.found] == list(own.names)
    with pytest.raises(UsageError, match="count must lie from 1 to 55, received 56"):
        model.similar(DIGITS[:5], among=DIGITS[5:60], count=56)


def test_the_way_ends_at_both_reconstructions(folder, model):
    way = model.interpolate(DIGITS[0], folder / "digits" / str(LABELS[1]) / "001.png", steps=5)
    ends = model.reconstruct(DIGITS[:2]).images
    assert way.shape == (5, 8, 8, 1)
    np.testing.assert_array_equal(way[[0, -1]], ends)
    with pytest.raises(UsageError, match="between single images, received 2"):
        model.interpolate(DIGITS[:2], DIGITS[3])


def test_tables_are_those_of_pandas(folder, model):
    table = model.encode(folder / "digits").to_pandas()
    assert list(table.columns) == ["name", "label", "code0", "code1", "code2"]
    assert list(model.encode(DIGITS[:3]).to_pandas().columns) == ["name", "code0", "code1", "code2"]
    assert len(table) == COUNT
    counts = table["label"].value_counts()
    assert counts["3"] == (LABELS[:COUNT] == 3).sum()


def test_wrong_calls_end_in_one_line(tmp_path, model):
    with pytest.raises(UsageError, match="there is nothing at"):
        autoencode.load(tmp_path / "gone")
    with pytest.raises(
        UsageError, match="expected part or settings of DataConfig, received colours"
    ):
        model.encode(DIGITS[:3], colours="grey")
    with pytest.raises(
        UsageError, match="expected part or settings of DataConfig, received colours"
    ):
        model.anomalies(DIGITS[:3], normal=DIGITS[3:9], colours="grey")
    with pytest.raises(UsageError, match="there is nothing at 'gone/'"):
        model.encode("gone/")
    with pytest.raises(AutoencodeError, match=r"codes \(N, 3\), received \(2, 4\)"):
        model.decode(np.zeros((2, 4)))
    with pytest.raises(UsageError, match="`spherical` expects a variational model"):
        model.interpolate(DIGITS[0], DIGITS[1], spherical=True)
    import keras

    numbers = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    with pytest.raises(AutoencodeError, match="encoder"):
        autoencode.load(numbers)


def test_every_result_is_one_short_line(folder, model):
    source = folder / "digits"
    lines = [
        (model.encode(source), "Codes(300 x 3; '0/000.png', '0/010.png', ...; 10 classes)"),
        (model.encode(DIGITS[:1]), "Codes(1 x 3; 'array train 0')"),
        (model.sample(4), "Samples(4 x 8 x 8 x 1, codes 4 x 3)"),
        (model.reconstruct(source), "Reconstruction(300 x 8 x 8 x 1, MSE 0."),
        (model.map(DIGITS[:9], method="pca"), "Projection(9 x 2 by pca; 'array train 0', "),
        (model.anomalies(source), "AnomalyRanking(300 images, no threshold; '0/000.png', "),
        (model.anomalies(source, false_alarms=0.1), "AnomalyRanking(300 images, "),
        (model.similar(DIGITS[:5], among=DIGITS[5:60]), "Similarity(5 images, the 5 nearest of"),
    ]
    for result, beginning in lines:
        assert repr(result).startswith(beginning)
        assert len(repr(result)) < 100
        assert "\n" not in repr(result)
    assert repr(lines[6][0]).count(" above ") == 1


def test_skipped_pictures_have_no_row_and_are_counted(tmp_path, model):
    Image.fromarray(DIGITS[0]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    codes = model.encode(tmp_path)
    assert (len(codes), [picture.name for picture in codes.skipped]) == (1, ["b.png"])
    assert repr(codes) == "Codes(1 x 3; 'a.png'; 1 skipped)"


def test_a_variational_model_learns_from_no_source(model):
    opened = model._opened
    saved = replace(opened.saved, settings=opened.saved.settings | {"variational": 1.0})
    variational = Model(replace(opened, saved=saved))
    np.testing.assert_array_equal(variational.sample(5, seed=1).codes, new_codes(3, 5, 1, None))
    with pytest.raises(UsageError, match="remove `source`"):
        variational.sample(5, source=DIGITS[:9])
    learnt = model.encode(DIGITS[:30], part="train").values
    drawn = model.sample(5, seed=1, source=DIGITS[:30])
    np.testing.assert_array_equal(drawn.codes, new_codes(3, 5, 1, learnt))


def test_the_model_says_what_it_is(model):
    assert repr(model) == "Model('run', images of 8x8x1, code 3)"
    assert model.settings["noise"] == "mask:0.2"
    assert model.keras_model.get_layer("decoder").input_shape == (None, 3)
    assert {"load", "Model", "Config", "__version__"} <= set(dir(autoencode))
