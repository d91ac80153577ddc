"""What is done with a trained model, against plain Keras, scikit-learn, the estimator and the way back out of files."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from autoencode import (
    AutoencodeError,
    Autoencoder,
    Config,
    Images,
    UsageError,
    data,
    engines,
    metrics,
    pipeline,
)
from autoencode.cli import file_formats, main, output_files, results
from autoencode.config import DataConfig
from autoencode.data import array_dataset, streaming
from autoencode.data.decode import Plan
from autoencode.data.splits import split_dataset
from autoencode.images import to_pixels
from autoencode.inference import (
    anomalies,
    code_files,
    codes,
    detection,
    generation,
    projection,
    ranking,
    reconstruction,
    refinement,
    saved_model,
    summary,
    threshold,
)
from autoencode.inference.results import read_rows
from autoencode.plots import charts, grids
from autoencode.system import marks

EACH = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
COUNT = 300


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    return np.round(found.images[:COUNT, ..., None] * (255 / 16)).astype(np.uint8), found.target[
        :COUNT
    ]


@pytest.fixture(scope="module")
def source(tmp_path_factory, digits) -> Path:
    path = tmp_path_factory.mktemp("source") / "digits.npz"
    np.savez(path, images=digits[0], labels=digits[1])
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, source) -> Path:
    config = Config(code=4, epochs=2, batch_size=30, noise="gaussian:0.3", seed=5, split_seed=3)
    return pipeline.run(str(source), config, tmp_path_factory.mktemp("runs") / "digits-1")


@pytest.fixture(scope="module")
def opened(run) -> saved_model.Opened:
    return saved_model.open_model(saved_model.find_model(run))


@pytest.fixture
def place(tmp_path):
    """The files of each command, in a folder of its own."""

    def find(command: str, ending: str | None = None) -> output_files.OutputFiles:
        kind = output_files.KINDS[command]
        file = tmp_path / f"{kind.stem}{ending or kind.suffixes[0]}"
        return output_files.OutputFiles(file, kind.figures)

    return find


def rows(source) -> data.Dataset:
    return data.open_dataset(source)


def streamed(opened: saved_model.Opened, source, **options) -> streaming.Stream:
    config = DataConfig(
        **{name: options.pop(name) for name in ("fit", "strict", "split_seed") if name in options}
    )
    return streaming.stream(rows(source), opened.trained.shape, config, **options)


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def write_reconstructions(
    opened: saved_model.Opened, source, files: output_files.OutputFiles
) -> np.ndarray:
    """The errors of the reconstructions, which are written."""
    stream = streamed(opened, source)
    batches = reconstruction.reconstruct_batches(opened, stream)
    shape = opened.trained.shape
    return results.write_reconstructions(files, batches, stream, shape=shape, examples=10)


def write_codes(opened: saved_model.Opened, source, files: output_files.OutputFiles) -> None:
    results.write_codes(files, codes.encode(opened, streamed(opened, source)))


def write_map(opened: saved_model.Opened, source, files: output_files.OutputFiles, method: str):
    stream = streamed(opened, source)
    found = projection.project(opened, stream, method=method)
    plane = projection.decode_plane(opened, found, results.GRID)
    results.write_map(files, found, stream, plane)
    return found


def write_ranking(opened, source, calibration, files, examples: int = 10):
    stream = streamed(opened, source)
    found = ranking.rank_anomalies(opened, stream, calibration)
    strangest = ranking.find_differences(opened, stream, found.order[:examples])
    results.write_ranking(files, found, strangest)
    return found


# The same numbers, whoever is asked


def test_the_numbers_are_those_of_plain_keras(opened, source, digits, place):
    import keras

    model = keras.saving.load_model(opened.saved.file)
    floats = digits[0] / np.float32(255)
    redrawn = model.predict(floats, verbose=0)
    errors = np.square(redrawn - floats).mean((1, 2, 3))
    written = write_reconstructions(opened, source, place("reconstruct"))
    told = reconstruction.reconstruct(opened, streamed(opened, source))
    found = arrays(place("reconstruct").file)
    np.testing.assert_array_equal(written, told.errors)
    assert np.abs(found["images"] - np.clip(redrawn, 0, 1) * 255).max() <= 0.501
    np.testing.assert_allclose(found["errors"], errors, rtol=1e-4)
    np.testing.assert_allclose(told.mse, errors.mean(), rtol=1e-4)
    np.testing.assert_allclose(
        told.psnr, np.mean([10 * np.log10(1 / error) for error in errors]), rtol=1e-4
    )
    assert found["names"].tolist() == [f"digits train {index}" for index in range(COUNT)]
    np.testing.assert_array_equal(found["labels"], digits[1])
    assert size(place("reconstruct").beside()) == (1800, 400)
    encoded = codes.encode_stream(opened, streamed(opened, source))
    np.testing.assert_allclose(
        encoded, model.get_layer("encoder").predict(floats, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_a_saved_estimator_gives_what_it_gave(tmp_path, digits, source, place):
    estimator = Autoencoder(code=3, epochs=1, batch_size=60, noise="mask:0.2").fit(digits[0])
    estimator.save(tmp_path / "digits.keras")
    opened = saved_model.open_model(saved_model.find_model(tmp_path / "digits.keras"))
    assert opened.saved.settings["noise"] == "mask:0.2"
    np.testing.assert_array_equal(
        codes.encode_stream(opened, streamed(opened, source)), estimator.transform(digits[0])
    )
    stream = streamed(opened, source)
    results.write_denoised(
        place("denoise"),
        reconstruction.denoise_batches(opened, stream),
        stream,
        shape=(8, 8, 1),
        examples=10,
        with_noise=False,
    )
    np.testing.assert_array_equal(
        arrays(place("denoise").file)["images"], estimator.denoise(digits[0])
    )
    training_codes = generation.learn_codes(opened, None)
    drawn = generation.sample(opened, training_codes, count=20, seed=5)
    results.write_samples(place("sample"), drawn)
    np.testing.assert_array_equal(
        arrays(place("sample").file)["images"], estimator.sample(20, seed=5)
    )


def test_a_model_of_plain_keras_alone_will_do(tmp_path, digits, source):
    import keras

    flat, numbers = keras.Input((8, 8, 1)), keras.Input((2,))
    encoder = keras.Model(flat, keras.layers.Dense(2)(keras.layers.Flatten()(flat)), name="encoder")
    decoder = keras.Model(
        numbers, keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(numbers)), name="decoder"
    )
    model = keras.Model(flat, decoder(encoder(flat)))
    model.save(tmp_path / "plain.keras")
    saved = saved_model.find_model(tmp_path / "plain.keras")
    assert (saved.name, saved.run, saved.settings) == ("plain", None, {})
    opened = saved_model.open_model(saved)
    kernel, bias = encoder.get_weights()
    expected = digits[0].reshape(COUNT, -1) / 255 @ kernel + bias
    np.testing.assert_allclose(
        codes.encode_stream(opened, streamed(opened, source)), expected, rtol=1e-3, atol=1e-5
    )
    decoder.set_weights([weight * np.nan for weight in decoder.get_weights()])
    model.save(tmp_path / "nan.keras")
    with pytest.raises(AutoencodeError, match="NaN or infinite"):
        saved_model.open_model(saved_model.find_model(tmp_path / "nan.keras")).decode(
            np.zeros((3, 2))
        )


def test_anomalies_are_ranked_by_the_score_of_plain_keras_and_found(
    source, digits, tmp_path, place
):
    config = Config(code=8, epochs=20, batch_size=10, seed=1)
    opened = saved_model.open_model(
        saved_model.find_model(pipeline.run(str(source), config, tmp_path / "normal"))
    )
    noise = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), "uint8")
    mixed = np.concatenate([digits[0][:40], noise])
    np.save(tmp_path / "mixed.npy", mixed)
    alarm = threshold.set_threshold(opened, data.open_dataset(source), 0.2)
    told = write_ranking(opened, tmp_path / "mixed.npy", alarm, place("anomalies"), examples=5)
    lines = list(csv.DictReader(place("anomalies").file.read_text().splitlines()))
    assert {line["name"] for line in lines[:9]} == {
        f"mixed train {index}" for index in range(40, 49)
    }
    count = told.anomalies.sum()
    assert len(told) == 49
    assert count == sum(float(line["score"]) > alarm.threshold for line in lines)
    assert [line["anomaly"] for line in lines] == ["1"] * count + ["0"] * (49 - count)
    split = split_dataset(rows(source), config)
    train, test = split.train, split.test
    expected = scores_by_keras(opened, digits[0][train])
    for images, found in (
        (mixed, [float(line["score"]) for line in lines]),
        (digits[0][test], alarm.held_out),
    ):
        np.testing.assert_allclose(sorted(found), sorted(expected(images)), rtol=1e-3)
    assert alarm.rate == np.mean(alarm.held_out[1::2] > alarm.threshold)
    assert (alarm.measured, alarm.measures(0.2), alarm.measures(0.05)) == (15, True, False)
    assert [size(place("anomalies").beside(ending)) for ending in (".png", "-scores.png")] == [
        (120 + 520, 312),
        (800, 500),
    ]
    assert place("anomalies").written() == [
        "anomalies.csv",
        "anomalies.png",
        "anomalies-scores.png",
    ]


def scores_by_keras(
    opened: saved_model.Opened, known: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    import keras

    model = keras.saving.load_model(opened.saved.file)
    normality = anomalies.Normality(model.get_layer("encoder").predict(known / 255, verbose=0))

    def scores(images: np.ndarray) -> np.ndarray:
        codes = model.get_layer("encoder").predict(images / 255, verbose=0)
        return anomalies.scores(
            images, model.get_layer("decoder").predict(codes, verbose=0), normality.distances(codes)
        )

    return scores


def test_anomalies_of_a_saved_estimator_have_its_scores(digits, tmp_path, place):
    estimator = Autoencoder(code=3, epochs=1, batch_size=60).fit(digits[0][:150])
    estimator.save(tmp_path / "digits.keras")
    for name, images in (
        ("normal", digits[0][150:250]),
        ("new", digits[0][250:]),
        ("one", digits[0][150:151]),
    ):
        np.save(tmp_path / f"{name}.npy", images)
    opened = saved_model.open_model(saved_model.find_model(tmp_path / "digits.keras"))
    alarm = threshold.set_threshold(opened, data.open_dataset(tmp_path / "normal.npy"), 0.1)
    np.testing.assert_allclose(
        alarm.held_out, -estimator.score_samples(digits[0][150:250]), rtol=1e-5
    )
    write_ranking(opened, tmp_path / "new.npy", alarm, place("anomalies"))
    lines = csv.DictReader(place("anomalies").file.read_text().splitlines())
    found = {int(line["name"].split()[-1]): float(line["score"]) for line in lines}
    expected = -estimator.score_samples(digits[0][250:])
    np.testing.assert_allclose([found[index] for index in range(50)], expected, rtol=1e-5)
    one = threshold.set_threshold(opened, data.open_dataset(tmp_path / "one.npy"), 0.9)
    assert (one.threshold, one.rate, one.measured) == (one.held_out[0], None, 0)


def test_anomalies_rank_without_a_threshold_and_say_how_many_images_are_missing(
    opened, source, place
):
    held_out = threshold.set_threshold(opened, data.open_dataset(source), 0.5).held_out
    count = len(held_out)
    few = threshold.set_threshold(opened, data.open_dataset(source), 0.01, can_fold=True)
    told = write_ranking(opened, source, few, place("anomalies"))
    lines = list(csv.DictReader(place("anomalies").file.read_text().splitlines()))
    scores = [float(line["score"]) for line in lines]
    assert (len(told), told.anomalies) == (COUNT, None)
    assert scores == sorted(scores, reverse=True)
    assert "anomaly" not in lines[0]
    assert size(place("anomalies").beside("-scores.png")) == (800, 500)
    assert few.describe() == (
        f"no threshold: 1.00% false alarms need 99 held-out normal images, {99 - count} more than the {count} "
        "there are; name a larger set with `normal`, or allow `false_alarms=0.033`, or have five models "
        f"trained on the {COUNT} normal images with `folds`"
    )
    every = threshold.set_threshold(
        opened, data.open_dataset(source), 0.033
    )  # what that line advises
    assert (every.threshold, every.rate) == (held_out.max(), None)
    assert f"set on all {count} held-out images, not measured" in every.describe()


# Defects beside good images


def auroc_by_pairs(defects: np.ndarray, normal: np.ndarray) -> float:
    """The share of pairs that a score orders rightly; a tie is half a pair."""
    wins = [(one > other) + 0.5 * (one == other) for one in defects for other in normal]
    return sum(wins) / len(wins)


@pytest.mark.parametrize("name", ["good", "Good", "NORMAL", "ok"])
def test_the_auroc_of_each_class_is_that_of_all_pairs(name):
    random = np.random.default_rng(0)
    classes = ["crack", name, "dent", "absent"]
    labels = random.integers(-1, 3, 200)
    scores = (random.normal(size=200) + (labels == 0) + 0.3 * (labels == 2)).round(1)
    found = detection.measure_detections(scores, labels, classes)
    normal = scores[labels == 1]
    groups = {
        "crack": labels == 0,
        "dent": labels == 2,
        "all defects": (labels == 0) | (labels == 2),
    }
    assert [one.name for one in found] == list(groups)
    for one, is_defect in zip(found, groups.values(), strict=True):
        assert (one.images, one.normal) == (is_defect.sum(), len(normal))
        assert one.auroc == pytest.approx(auroc_by_pairs(scores[is_defect], normal))
        assert 0.5 < one.auroc < 1


def test_good_is_a_class_of_normal_images_beside_others_alone():
    assert detection.find_normal_classes(["dent", "Good", "OK", "goodish"]) == ("Good", "OK")
    assert (
        detection.find_normal_classes(["good"])
        == detection.find_normal_classes(["good", "ok"])
        == ()
    )
    assert (
        detection.find_normal_classes(["dent", "crack"]) == detection.find_normal_classes([]) == ()
    )


def test_without_normal_images_or_defects_there_is_no_auroc():
    scores = np.arange(4.0)
    for labels, classes in (
        ([0, 1, 0, 1], ["cat", "dog"]),
        ([0, 0, 0, 0], ["good"]),
        ([0, 0, 0, -1], ["good", "dent"]),
        ([1, 1, -1, -1], ["good", "dent"]),
        ([0, 1, 1, 0], ["good", "ok"]),
    ):
        assert detection.measure_detections(scores, np.array(labels), classes) == []


def test_only_good_images_are_taken_as_normal(opened, digits, tmp_path, place):
    pixels, labels = digits[0], np.arange(COUNT) % 4 - 1  # unlabelled, dent, Good, crack
    mixed = Images(
        "mixed", pixels[:200], pixels[200:], labels[:200], labels[200:], ("dent", "Good", "crack")
    )
    good = Images("good", pixels[:200][labels[:200] == 1], pixels[200:][labels[200:] == 1])
    found, expected = (
        threshold.set_threshold(opened, rows(source), 0.2) for source in (mixed, good)
    )
    np.testing.assert_array_equal(found.held_out, expected.held_out)
    assert (found.codes, found.threshold, found.rate) == (
        expected.codes,
        expected.threshold,
        expected.rate,
    )
    np.testing.assert_array_equal(
        found.normality.distances(np.eye(4)), expected.normality.distances(np.eye(4))
    )
    assert found.note == "only the 75 images labelled Good of the 300 in mixed are taken as normal"
    assert expected.note == ""

    told = write_ranking(opened, mixed, found, place("anomalies"))
    lines = list(csv.DictReader(place("anomalies").file.read_text().splitlines()))
    scores = {
        label: np.array([float(line["score"]) for line in lines if line["label"] == label])
        for label in ("dent", "crack", "Good", "unlabelled")
    }
    assert {len(values) for values in scores.values()} == {75}
    by_pairs = [auroc_by_pairs(scores[name], scores["Good"]) for name in ("dent", "crack")]
    assert [one.auroc for one in told.detections[:2]] == pytest.approx(by_pairs)
    assert [one.images for one in told.detections] == [75, 75, 150]


def test_an_estimator_too_takes_only_good_images_as_normal(digits, tmp_path):
    Autoencoder(code=3, epochs=1, batch_size=60).fit(digits[0][:150]).save(
        tmp_path / "digits.keras"
    )
    opened = saved_model.open_model(saved_model.find_model(tmp_path / "digits.keras"))
    labels = np.arange(100) % 2
    mixed = Images(
        "mixed", digits[0][150:200], digits[0][200:250], labels[:50], labels[50:], ("dent", "ok")
    )
    good = Images("good", digits[0][151:200:2], digits[0][201:250:2])
    found, expected = (
        threshold.set_threshold(opened, rows(source), 0.2) for source in (mixed, good)
    )
    np.testing.assert_array_equal(found.held_out, expected.held_out)


def test_a_part_without_good_images_is_refused(opened, digits):
    labels = np.zeros(100, int)
    labels[:50] = 1
    mixed = Images(
        "mixed", digits[0][:50], digits[0][50:100], labels[:50], labels[50:], ("dent", "good")
    )
    with pytest.raises(
        AutoencodeError, match="mixed holds no normal image to test: .* with `normal`"
    ):
        threshold.set_threshold(opened, rows(mixed), 0.2)
    swapped = Images(
        "mixed", digits[0][:50], digits[0][50:100], labels[50:], labels[:50], ("dent", "good")
    )
    with pytest.raises(AutoencodeError, match="mixed holds no normal image to train on: "):
        threshold.set_threshold(opened, rows(swapped), 0.2)


def test_the_command_tells_the_auroc_of_a_folder_of_defects(run, digits, tmp_path):
    folders = {"train/good": 40, "test/good": 12, "test/cut": 5, "test/bent": 4}
    index = 0
    for name, count in folders.items():
        (tmp_path / "parts" / name).mkdir(parents=True)
        for _ in range(count):
            Image.fromarray(digits[0][index, ..., 0]).save(
                tmp_path / "parts" / name / f"{index:03}.png"
            )
            index += 1
    train = ["train", "parts", "--epochs", "1", "--code", "4", "--run", "own", "--quiet"]
    words = ["--false-alarms", "0.4"]
    done = called(
        [
            train,
            ["anomalies", "own", "parts", "--part", "test", *words, "--out", "a"],
            ["anomalies", "own", "parts", *words, "--out", "b"],
            [
                "anomalies",
                "own",
                "parts/test",
                "--normal",
                "parts/train/good",
                *words,
                "--out",
                "c",
            ],
            ["anomalies", "own", "parts/test", *words, "--out", "d"],
        ],
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (
        lines.count("only the 52 images labelled good of the 61 in parts are taken as normal") == 3
    )
    assert sum("(4 images against 12 normal)" in line for line in lines) == 3
    assert (
        sum(
            line.startswith("AUROC of cut: ") and "(5 images against 52 normal)" in line
            for line in lines
        )
        == 1
    )
    assert sum(line.startswith("AUROC of all defects: ") for line in lines) == 4
    assert sum("include those the model was trained on; --part test" in line for line in lines) == 1


# Codes refined


def linear(seed: int) -> tuple[np.ndarray, np.ndarray, Callable]:
    """Codes, the codes of least error, and the slopes of a decoder that multiplies by a matrix."""
    random = np.random.default_rng(seed)
    matrix, images = random.standard_normal((3, 40)), random.standard_normal((25, 40))
    best = np.linalg.lstsq(matrix.T, images.T, rcond=None)[0].T

    def slopes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left_over = codes @ matrix - images[: len(codes)]
        return np.square(left_over).mean(1), 2 / 40 * left_over @ matrix.T

    return (best + 0.3 * random.standard_normal(best.shape)).astype(np.float32), best, slopes


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_refined_codes_go_to_those_of_least_squares_at_any_scale(scale):
    codes, best, slopes = linear(0)

    def scaled(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        errors, gradients = slopes(codes / scale)
        return errors, gradients / scale

    found = refinement.refine((codes * scale).astype(np.float32), scaled, 300) / scale
    np.testing.assert_allclose(found, best, atol=2e-3)


@given(steps=st.integers(0, 30), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_no_refined_code_is_worse_and_none_depends_on_others(steps, seed):
    codes, _, slopes = linear(seed)
    found = refinement.refine(codes, slopes, steps)
    assert (slopes(found)[0] <= slopes(codes)[0]).all()
    np.testing.assert_allclose(
        refinement.refine(codes[:4], slopes, steps), found[:4], rtol=1e-5, atol=1e-6
    )
    if steps == 0:
        np.testing.assert_array_equal(found, codes)


def test_a_code_of_zeros_is_refined_too():
    _, best, slopes = linear(0)
    np.testing.assert_allclose(
        refinement.refine(np.zeros((25, 3), np.float32), slopes, 300), best, atol=2e-3
    )


def test_codes_whose_errors_are_no_number_stay():
    codes = np.array([[0, 0], [1, 2]], np.float32)
    found = refinement.refine(
        codes, lambda codes: (np.full(2, np.nan, np.float32), np.full((2, 2), np.nan)), 5
    )
    np.testing.assert_array_equal(found, codes)


def test_refined_codes_redraw_better_alike_from_every_verb(
    run, opened, source, digits, place, tmp_path
):
    import keras

    plain = write_reconstructions(opened, source, place("reconstruct"))
    before = arrays(place("reconstruct").file)["errors"]
    calls = [["reconstruct", str(run), str(source), "--refine", "20", "--out", "refined"]]
    done = called(
        [*calls, ["encode", str(run), str(source), "--refine", "20", "--out", "codes.npz"]],
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = arrays(tmp_path / "refined" / "reconstructions.npz")
    assert (found["errors"] <= before + 1e-7).all()
    assert found["errors"].mean() < 0.99 * plain.mean()
    refined = arrays(tmp_path / "codes.npz")["codes"]
    np.testing.assert_array_equal(refined, opened.trained.encode(digits[0], refine=20))
    np.testing.assert_array_equal(to_pixels(opened.decode(refined)), found["images"])
    decoder = keras.saving.load_model(opened.saved.file).get_layer("decoder")
    errors = np.square(decoder.predict(refined, verbose=0) - digits[0] / np.float32(255)).mean(
        (1, 2, 3)
    )
    np.testing.assert_allclose(errors, found["errors"], rtol=1e-4)


def test_codes_of_few_values_are_not_refined(opened, source):
    saved = replace(opened.saved, settings=opened.saved.settings | {"quantize": 3})
    for work in (codes.encode, reconstruction.reconstruct, reconstruction.reconstruct_batches):
        with pytest.raises(UsageError, match="8 values a number"):
            work(replace(opened, saved=saved), streamed(opened, source), refine=5)


# Out into files, and back


@pytest.mark.parametrize("ending", [".npz", ".csv", ".parquet"])
def test_codes_in_a_file_decode_to_the_reconstructions(opened, source, digits, place, ending):
    write_reconstructions(opened, source, place("reconstruct"))
    write_codes(opened, source, place("encode", ending))
    found = code_files.read_codes(place("encode", ending).file, 4)
    np.testing.assert_array_equal(found, opened.trained.encode(digits[0]))
    results.write_images(place("decode"), codes.decode_batches(opened, found), (8, 8, 1))
    expected = arrays(place("reconstruct").file)["images"]
    np.testing.assert_array_equal(arrays(place("decode").file)["images"], expected)
    assert size(place("encode").beside()) == (800, 500)
    assert size(place("decode").beside()) == (1040, 1040)  # the first hundred


@pytest.mark.parametrize("bits", [1, 3, 8, 11, 16])
def test_quantized_codes_take_a_byte_or_two_and_come_back(tmp_path, digits, bits):
    Autoencoder(code=16, quantize=bits, epochs=1, batch_size=60).fit(digits[0]).save(
        tmp_path / "bits.keras"
    )
    opened = saved_model.open_model(saved_model.find_model(tmp_path / "bits.keras"))
    place = output_files.OutputFiles(tmp_path / "codes.NPZ")
    write_codes(opened, digits[0][:7], place)
    found = arrays(place.file)
    assert set(found) == {"levels", "bits", "names"}
    assert found["levels"].nbytes == 7 * 16 * (1 if bits <= 8 else 2)
    assert found["bits"] == bits and found["levels"].max() <= 2**bits - 1
    expected = np.asarray(opened.trained.encoder(digits[0][:7] / np.float32(255)))
    np.testing.assert_allclose(
        code_files.read_codes(place.file, 16), expected, atol=1e-6 if bits < 11 else 1e-3
    )
    np.testing.assert_allclose(
        code_files.read_codes(place.file, 16), opened.encode(digits[0][:7]), atol=1e-6
    )


def test_tables_keep_every_digit(tmp_path):
    numbers = np.random.default_rng(0).normal(size=200) * 10.0 ** np.arange(-100, 100)
    file_formats.write_table(tmp_path / "x.CSV", {"x": numbers})
    lines = list(csv.DictReader((tmp_path / "x.CSV").read_text().splitlines()))
    assert [float(line["x"]) for line in lines] == numbers.tolist()


def test_tables_open_in_pandas_with_names_and_classes(opened, digits, tmp_path):
    import pandas

    folder = fill(tmp_path / "pictures", digits[0][:6], "class {}")
    for ending, read in ((".csv", pandas.read_csv), (".parquet", pandas.read_parquet)):
        place = output_files.OutputFiles(tmp_path / f"codes{ending}")
        write_codes(opened, folder, place)
        table = read(place.file)
        assert table.columns.tolist() == ["name", "label", "code0", "code1", "code2", "code3"]
        assert table["name"].tolist() == [
            f"class {index % 2}/{index}.png" for index in (0, 2, 4, 1, 3, 5)
        ]
        assert table["label"].tolist() == ["class 0"] * 3 + ["class 1"] * 3
        numbers = table[[f"code{number}" for number in range(4)]].to_numpy(np.float32)
        np.testing.assert_array_equal(numbers, opened.trained.encode(digits[0][[0, 2, 4, 1, 3, 5]]))


def fill(folder: Path, images: np.ndarray, name: str) -> Path:
    for index, pixels in enumerate(images):
        path = folder / name.format(index % 2) / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(path)
    return folder


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@EACH
@given(
    codes=hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=floats
    ),
    name=names,
    ending=st.sampled_from([".npz", ".csv", ".parquet"]),
)
def test_any_codes_come_back_bit_for_bit(tmp_path, codes, name, ending):
    path = tmp_path / f"codes{ending}"
    if ending == ".npz":
        file_formats.write_arrays(path, {"codes": codes, "names": np.array([name] * len(codes))})
        assert arrays(path)["names"].tolist() == [name.rstrip("\0")] * len(codes)
    else:
        columns = {f"code{number}": column for number, column in enumerate(codes.T)}
        file_formats.write_table(path, {"name": [name] * len(codes), **columns})
    np.testing.assert_array_equal(code_files.read_codes(path, codes.shape[1]), codes)


def test_what_verbs_write_is_a_source_again(opened, source, place):
    for ending in (".npz", ".npy"):
        write_reconstructions(opened, source, place("reconstruct", ending))
        again = data.load(str(place("reconstruct", ending).file))
        assert (len(again.train) + len(again.test), again.shape) == (COUNT, (8, 8, 1))
    np.testing.assert_array_equal(
        np.load(place("reconstruct", ".npy").file), arrays(place("reconstruct").file)["images"]
    )


@pytest.mark.parametrize("held", [0, 1000])
def test_images_that_wait_on_the_disk_are_written_alike(tmp_path, monkeypatch, digits, held):
    monkeypatch.setattr(file_formats, "BYTES_IN_MEMORY", held or 1)
    with file_formats.spooled((8, 8, 1), tmp_path) as spool:
        for first in range(0, COUNT, 70):
            spool.add(digits[0][first : first + 70])
        file_formats.write_arrays(tmp_path / "images.npz", {"images": spool})
        file_formats.write_arrays(tmp_path / "images.npy", {"images": spool})
    np.testing.assert_array_equal(arrays(tmp_path / "images.npz")["images"], digits[0])
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), digits[0])
    assert {path.name for path in tmp_path.iterdir()} == {"images.npz", "images.npy"}


# Any source, batch by batch


def test_a_store_and_a_folder_give_what_memory_gives(opened, digits, tmp_path):
    images = digits[0][:90]
    expected = opened.trained.encode(images)
    fill(tmp_path / "pictures", images, "")
    (tmp_path / "pictures" / "45x.png").write_bytes(b"no picture")
    data.pack(Images("mine", images[:80], images[80:]), tmp_path / "mine.store", Config())
    folder, store = (streamed(opened, tmp_path / name) for name in ("pictures", "mine.store"))
    np.testing.assert_array_equal(codes.encode_stream(opened, store), expected)
    encoded = codes.encode_stream(opened, folder)
    by_name = dict(zip(folder.names(), encoded, strict=True))
    assert len(by_name) == 90
    for index in range(90):
        np.testing.assert_array_equal(by_name[f"{index}.png"], expected[index])
    assert [one.name for one in folder.skipped] == ["45x.png"]
    assert store.names()[79:81] == ["mine train 79", "mine test 0"]
    np.testing.assert_array_equal(
        folder.images([3, 7]), images[[int(Path(folder.names()[i]).stem) for i in (3, 7)]]
    )
    with pytest.raises(AutoencodeError, match="45x.png cannot be read"):
        list(streamed(opened, tmp_path / "pictures", strict=True).batches(16))


@EACH
@given(
    counts=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.integers(1, 50),
    chunk=st.integers(1, 2000),
    part=st.sampled_from(streaming.PARTS),
)
def test_batches_are_the_images_in_order(monkeypatch, counts, size, chunk, part):
    monkeypatch.setattr(array_dataset, "CHUNK_BYTES", chunk)
    pixels = np.random.default_rng(0).integers(0, 256, (sum(counts), 5, 4, 3), "uint8")
    images = Images("noise", pixels[: counts[0]], pixels[counts[0] :])
    told = []
    stream = streaming.stream(
        rows(images), (5, 4, 3), part=part, progress=lambda *numbers: told.append(numbers)
    )
    batches = list(stream.batches(size))
    assert all(batch.dtype == np.uint8 and 0 < len(batch) <= size for batch in batches)
    expected = {"all": pixels, "train": images.train, "test": images.test}[part]
    np.testing.assert_array_equal(np.concatenate(batches), expected)
    assert told[-1] == (len(expected), len(expected))
    assert len(stream.names()) == len(expected)


def test_neighbouring_rows_are_not_copied(digits):
    found = next(rows(digits[0]).chunks(np.arange(10, 60), Plan(8, 8, 1)))[0]
    assert np.shares_memory(found, digits[0])
    np.testing.assert_array_equal(found, digits[0][10:60])


def test_the_test_part_is_what_the_run_was_tested_on(run, source):
    trained_on = data.load(str(source), Config(split_seed=3))
    opened, stream = saved_model.open_with_source(saved_model.find_model(run), source, part="test")
    np.testing.assert_array_equal(np.concatenate(list(stream.batches(64))), trained_on.test)
    assert any("drawn for testing by split seed 3" in note for note in stream.notes)
    np.testing.assert_array_equal(stream.labels()[0], trained_on.test_labels)
    few = streamed(opened, source, most=7)
    assert [len(batch) for batch in few.batches(5)] == [5, 2]


def test_classes_without_names_are_numbered_in_their_order(opened, digits, tmp_path):
    wanted = np.isin(digits[1], (3, 7))
    np.savez(tmp_path / "some.npz", images=digits[0][wanted], labels=digits[1][wanted])
    stream = streamed(opened, tmp_path / "some.npz")
    codes.encode_stream(opened, stream)
    labels, classes = stream.labels()
    assert [int(classes[label]) for label in labels] == digits[1][wanted].tolist()


# Noise


def test_noise_is_put_on_and_measured(opened, source, digits, place):
    stream = streamed(opened, source)
    errors = results.write_denoised(
        place("denoise"),
        reconstruction.denoise_batches(opened, stream, add="salt:0.2", seed=1),
        stream,
        shape=(8, 8, 1),
        examples=10,
        with_noise=True,
    )
    found = arrays(place("denoise").file)
    clean, noisy, denoised = (array / 255 for array in (digits[0], found["noisy"], found["images"]))

    def psnr(images: np.ndarray) -> float:
        return np.mean(
            [10 * np.log10(1 / np.mean((a - b) ** 2)) for a, b in zip(images, clean, strict=True)]
        )

    black_or_white = np.isin(digits[0], (0, 255)).mean()  # half of the salt falls on these unseen
    assert abs(np.mean(found["noisy"] != digits[0]) - (0.2 - 0.1 * black_or_white)) < 0.01
    np.testing.assert_allclose(
        [metrics.psnr(found) for found in errors], [psnr(noisy), psnr(denoised)], atol=0.02
    )
    np.testing.assert_array_equal(
        found["images"], to_pixels(opened.decode(opened.encode(found["noisy"])))
    )
    assert size(place("denoise").beside())[1] == 3 * 104
    again, other = (reconstruction.make_noise("salt:0.2", seed)(digits[0]) for seed in (1, 2))
    np.testing.assert_array_equal(again, found["noisy"])
    assert (other != again).any()


def test_without_noise_there_is_nothing_to_remove(opened, run):
    saved = saved_model.find_model(run)
    reconstruction.check_denoising(saved, None)
    with pytest.raises(AutoencodeError, match="`noise=gaussian:0.3`"):
        reconstruction.check_denoising(
            saved_model.Saved(**vars(saved) | {"settings": saved.settings | {"noise": "none"}}),
            None,
        )
    with pytest.raises(UsageError, match="did you mean 'gaussian'"):
        reconstruction.check_denoising(saved, "gausian:1")


# New images


def test_normal_codes_without_training_codes(opened, place):
    results.write_samples(place("sample"), generation.sample(opened, None, count=500, seed=7))
    found = arrays(place("sample").file)
    assert np.abs(found["codes"].mean(0)).max() < 0.2
    assert np.abs(found["codes"].std(0) - 1).max() < 0.2
    expected = opened.trained.decoder(found["codes"])
    np.testing.assert_allclose(
        found["images"], np.clip(np.asarray(expected), 0, 1) * 255, atol=0.51
    )
    assert size(place("sample").beside()) == (1040, 1040)


def test_codes_near_those_of_training_images(opened, source, place):
    learnt = codes.encode_stream(opened, streamed(opened, source, part="train", split_seed=3))
    results.write_samples(place("sample"), generation.sample(opened, learnt, count=2000, seed=7))
    drawn = arrays(place("sample").file)["codes"]
    np.testing.assert_allclose(drawn.mean(0), learnt.mean(0), atol=0.15 * learnt.std())
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(learnt.T), atol=0.3 * learnt.var())
    with pytest.raises(AutoencodeError, match="at least 2"):
        generation.sample(opened, learnt[:1])


def test_the_way_ends_at_both_reconstructions(opened, source, digits, place, tmp_path):
    write_reconstructions(opened, source, place("reconstruct"))
    expected = arrays(place("reconstruct").file)["images"][[3, 250]]
    stream = streamed(opened, source)
    Image.fromarray(digits[0][250, ..., 0]).save(tmp_path / "b.png")
    first = stream.image(3)
    last = generation.read_picture(opened, str(tmp_path / "b.png"))
    for spherical in (False, True):
        images = generation.interpolate(opened, first, last, steps=6, spherical=spherical)
        results.write_interpolation(place("interpolate"), first, images, last)
        np.testing.assert_array_equal(images[[0, -1]], expected)
        assert images.shape == (6, 8, 8, 1)
    assert size(place("interpolate").beside()) == (8 * 104 + 40, 128)
    with Image.open(place("interpolate").file) as gif:
        assert gif.size == (256, 256)
        seconds = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            seconds.append(gif.info["duration"])
        assert sum(seconds) == 100 * (4 + 4 + 4 + 4)  # a rest at either end, four steps each way


vectors = hnp.arrays(np.float64, 5, elements=st.floats(-3, 3))


@EACH
@given(first=vectors, last=vectors, count=st.integers(2, 9))
def test_both_ways_begin_and_end_where_they_should(first, last, count):
    shares = np.linspace(0, 1, count)
    for way in (generation.interpolate_line, generation.interpolate_sphere):
        points = way(first, last, shares)
        assert points.shape == (count, 5)
        np.testing.assert_allclose(points[[0, -1]], [first, last], atol=1e-6)


@EACH
@given(angle=st.floats(0.05, 3.0), share=st.floats(0, 1))
def test_on_the_sphere_the_angle_grows_evenly(angle, share):
    last = np.array([np.cos(angle), np.sin(angle)])
    point = generation.interpolate_sphere(np.array([1.0, 0.0]), last, np.array([share]))[0]
    np.testing.assert_allclose(point, [np.cos(share * angle), np.sin(share * angle)], atol=1e-9)


def test_pictures_of_many_examples_go_on_below():
    images = np.random.default_rng(0).integers(0, 256, (45, 8, 8, 1), "uint8")
    rows = grids.draw_rows({"noisy": images, "denoised": 255 - images})
    assert rows.size == (120 + 20 * 104, 3 * 2 * 104 + 2 * 20)
    page = grids.draw_examples(images, 255 - images)
    assert page.size == (3600, 3 * 400)
    for first in (0, 20):
        part = grids.draw_examples(images[first : first + 20], 255 - images[first : first + 20])
        top = 400 * (first // 20)
        assert page.crop((0, top, 3600, top + 400)).tobytes() == part.tobytes()


# A map


def test_the_plane_is_that_of_scikit_learn(opened, source, digits, place):
    told = write_map(opened, source, place("map"), method="pca")
    assert (len(told), told.method) == (COUNT, "pca")
    encoded = opened.trained.encode(digits[0])
    oracle = PCA(2).fit(encoded)
    table = np.genfromtxt(
        place("map").file, delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    points = np.stack([table["x"], table["y"]], axis=1)
    np.testing.assert_allclose(points, oracle.transform(encoded), atol=1e-3 * encoded.std())
    assert table["label"].tolist() == digits[1].tolist()
    assert table["name"][5] == "digits train 5"
    assert told.axes[0] == f"component 1, {oracle.explained_variance_ratio_[0]:.0%} of the variance"
    np.testing.assert_allclose(
        told.to_codes(points), oracle.inverse_transform(points), atol=1e-4 * encoded.std()
    )
    assert size(place("map").beside()) == (1000, 1000)
    assert size(place("map").beside("-grid.png")) == (960, 960)
    with Image.open(place("map").beside("-grid.png")) as page:
        corner = np.asarray(page)[-48:, :48].reshape(8, 6, 8, 6)[:, 3, :, 3]
    least = np.quantile(points, 0.01, axis=0)
    expected = opened.decode(oracle.inverse_transform(least[None]).astype(np.float32))[0, ..., 0]
    np.testing.assert_allclose(corner / 255, np.clip(expected, 0, 1), atol=0.01)


def test_umap_is_asked_for_by_name_or_found():
    with mock.patch.dict(sys.modules, {"umap": None}):  # as if it were not installed
        assert [projection._choose_method("auto", np.zeros((9, size))) for size in (2, 3)] == [
            "code",
            "pca",
        ]
        with pytest.raises(
            AutoencodeError, match="umap-learn; install it with: pip install 'autoencode\\[umap\\]'"
        ):
            projection.check_method("umap")
    with pytest.raises(UsageError, match="Known: auto, pca, umap"):
        projection.check_method("tsne")


def test_too_few_images_for_umap_lie_on_pcas_plane(opened, digits, place):
    for count in (1, 2, 3):
        told = write_map(opened, digits[0][:count], place("map"), method="auto")
        assert (len(told), told.method) == (count, "pca")
    assert projection._choose_method("auto", np.zeros((4, 3))) == (
        "umap" if projection._has_umap() else "pca"
    )
    with pytest.raises(AutoencodeError, match="at least 4 images, received 3: choose `method=pca`"):
        projection._fit_umap(np.zeros((3, 4)))


def test_umap_parts_what_lies_apart_and_a_place_decodes_to_the_codes_around_it():
    draw = np.random.default_rng(0)
    codes = np.concatenate([draw.normal(0, 1, (60, 6)), draw.normal(9, 1, (60, 6))]).astype(
        np.float32
    )
    plane = projection._fit_umap(codes)
    middles = plane.points.reshape(2, 60, 2).mean(1)
    distances = np.linalg.norm(plane.points[:, None] - middles, axis=-1)
    assert distances.argmin(1).tolist() == [0] * 60 + [1] * 60
    np.testing.assert_allclose(plane.to_codes(plane.points), codes, atol=1e-5)
    np.testing.assert_allclose(plane.to_codes(middles), [[0] * 6, [9] * 6], atol=2)


def test_the_names_of_classes_stay_on_the_page_and_apart():
    classes = [
        "_under",
        "$x$",
        "",
        "W" * 30,
        *(f"brain tumour of a long kind, number {place}" for place in range(9)),
    ]
    points = np.zeros((13, 2))
    figure = charts.draw_map(points, ("x", "y"), {}, np.arange(13), classes)
    charts.write_curve(figure, io.BytesIO())
    texts = figure.axes[0].get_legend().get_texts()
    assert max(text.get_window_extent().x1 for text in texts) <= figure.bbox.x1
    shown = [text.get_text() for text in texts]
    assert len(set(shown)) == 13
    assert shown[:3] == classes[:3]


@pytest.mark.parametrize("count", [3, 30])
def test_unlabelled_images_are_grey_on_a_map(count):
    points = np.random.default_rng(0).random((60, 2))
    labels = np.arange(60) % count
    labels[::4] = -1
    tiles = {0: np.zeros((4, 4, 1), np.uint8)}
    figure = charts.draw_map(
        points, ("x", "y"), tiles, labels, [f"class {index}" for index in range(count)]
    )
    axes = figure.axes[0]

    drawn = axes.collections[0]
    order = [int(np.argmin(np.abs(points - offset).sum(1))) for offset in drawn.get_offsets()]
    is_grey = (drawn.get_facecolors()[:, :3] == charts.UNLABELLED_COLOUR[:3]).all(1)
    np.testing.assert_array_equal(is_grey, labels[order] == -1)
    if count == 3:
        texts = [text.get_text() for text in axes.get_legend().get_texts()]
        assert texts == ["class 0", "class 1", "class 2", "unlabelled"]
    else:
        assert axes.get_title().endswith("; unlabelled images are grey")
    charts.write_curve(figure, io.BytesIO())
    full = charts.draw_map(points, ("x", "y"), {}, np.arange(60) % 3, ["a", "b", "c"])
    assert len(full.axes[0].get_legend().get_texts()) == 3


def test_a_map_without_any_label_in_it_is_all_grey():
    figure = charts.draw_map(np.eye(2), ("x", "y"), {}, np.array([-1, -1]), ())
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["unlabelled"]


def test_unlabelled_images_are_so_called_in_tables(opened, digits, place):
    labels = np.arange(30) % 3 - 1
    images = Images(
        "partly", digits[0][:20], digits[0][20:30], labels[:20], labels[20:], ("cat", "dog")
    )
    expected = [["unlabelled", "cat", "dog"][index % 3] for index in range(30)]
    assert read_rows(read(streamed(opened, images))).table()["label"] == expected
    write_codes(opened, images, place("encode", ".csv"))
    lines = csv.DictReader(place("encode", ".csv").file.read_text().splitlines())
    assert [line["label"] for line in lines] == expected
    write_codes(opened, images, place("encode"))
    np.testing.assert_array_equal(arrays(place("encode").file)["labels"], labels)
    write_map(opened, images, place("map"), method="pca")
    lines = csv.DictReader(place("map").file.read_text().splitlines())
    assert [line["label"] for line in lines] == expected


def read(stream: streaming.Stream) -> streaming.Stream:
    """The stream, once all of its images are read."""
    for _ in stream.batches(64):
        pass
    return stream


@EACH
@given(
    points=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 60), st.just(2)), elements=st.floats(-9, 9, width=32)
    )
)
def test_shown_images_are_spread_and_the_grid_lies_within(points):
    shown = projection.spread_points(points, 4)
    assert shown == sorted(set(shown))
    assert 1 <= len(shown) <= min(16, len(points))
    grid = projection.grid_points(points, 3).reshape(3, 3, 2)
    assert (grid >= points.min(0) - 1e-5).all()
    assert (grid <= points.max(0) + 1e-5).all()
    assert (np.diff(grid[..., 0], axis=1) >= 0).all()
    assert (np.diff(grid[..., 1], axis=0) <= 0).all()


# The command


def called(calls: list[list[str]], folder: Path) -> subprocess.CompletedProcess:
    """What a process of the command's own makes of some calls in turn."""
    code = (
        "import json, sys\nfrom autoencode.cli import app\nfor words in json.loads(sys.argv[1]):\n"
        "    app(words, exit_on_error=False, print_error=False, result_action='return_value')\n"
    )
    words = [sys.executable, "-c", code, json.dumps(calls)]
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=folder)


def test_every_verb_from_the_command_line(run, source, tmp_path):
    calls = [
        ["info", str(run)],
        ["reconstruct", str(run), str(source), "--part", "test", "--examples", "3"],
        ["encode", str(run), str(source), "--out", "table/codes.csv"],
        ["decode", str(run), "table/codes.csv"],
        ["denoise", str(run), str(source), "--add", "mask:0.3"],
        ["sample", str(run), "--count", "9", "--seed", "2"],
        ["interpolate", str(run), "0", "1", "--steps", "4"],
        ["map", str(run), str(source), "--out", "here", "--method", "pca"],
        ["info", str(run), "--json"],
    ]
    done = called(calls, tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)
    for part in (
        "digits-1: images of 8x8, grey, to 4 numbers and back (16 values a number)",
        "noise gaussian:0.3",
        "30 of 300 images drawn for testing by split seed 3",
        "codes.csv and codes.png in table",
        "dB with noise",
        "9 new images, their codes drawn near those of 270 training images",
        "4 images from A to B",
        "map.csv, map.png and map-grid.png in here",
    ):
        assert part in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["epochs"] == 2
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    marked = {path.parent for path in written if path.name == marks.MARKER}
    assert marked == {path.parent for path in written}
    assert {str(path) for path in written if path.name != marks.MARKER} == {
        "reconstruct-digits-1/reconstructions.npz", "reconstruct-digits-1/reconstructions.png",
        "table/codes.csv", "table/codes.png", "decode-digits-1/images.npz", "decode-digits-1/images.png",
        "denoise-digits-1/denoised.npz", "denoise-digits-1/denoised.png",
        "sample-digits-1/samples.npz", "sample-digits-1/samples.png",
        "interpolate-digits-1/interpolation.gif", "interpolate-digits-1/interpolation.png",
        "here/map.csv", "here/map.png", "here/map-grid.png",
    }  # fmt: skip


def pictures_with_some_broken(folder: Path, images: np.ndarray) -> Path:
    fill(folder, images, "")
    for number in range(7):
        (folder / f"broken{number}.png").write_bytes(b"no picture")
    return folder


def test_what_a_verb_leaves_out_is_listed_beside_its_results(run, digits, tmp_path):
    pictures_with_some_broken(tmp_path / "some", digits[0][:20])
    fill(tmp_path / "all", digits[0][:5], "")
    done = called([["encode", str(run), "some", "--out", f"{name}.csv"] for name in "ab"], tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [f"broken{number}.png\tit is not a picture of a known format" for number in range(7)]
    assert (tmp_path / "a-skipped.txt").read_text().splitlines() == lines
    assert "7 pictures left out, all of them in a-skipped.txt:" in done.stdout
    assert "and 2 more" in done.stdout
    done = called([["encode", str(run), "all", "--out", "b.csv", "--overwrite"]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "b-skipped.txt").exists()


def test_normal_images_that_are_left_out_are_told_and_refused_if_strict(run, digits, tmp_path):
    pictures_with_some_broken(tmp_path / "normal", digits[0][:40])
    fill(tmp_path / "fine", digits[0][50:60], "")
    (fill(tmp_path / "new", digits[0][50:60], "") / "bad.png").write_bytes(b"no picture")
    words = ["--normal", "normal", "--false-alarms", "0.4"]
    done = called(
        [
            ["anomalies", str(run), "new", *words],
            ["anomalies", str(run), "fine", *words, "--strict", "--out", "b"],
        ],
        tmp_path,
    )
    listed = (tmp_path / "anomalies-digits-1" / "anomalies-skipped.txt").read_text().splitlines()
    expected = ["bad.png", *(f"broken{number}.png" for number in range(7))]
    assert sorted(line.split("\t")[0] for line in listed) == expected
    assert "8 pictures left out" in done.stdout
    assert "`strict` allows no picture to be left out" in done.stderr
    assert not (tmp_path / "b").exists()


def test_a_long_way_goes_on_below(opened, digits, place):
    first, last = digits[0][:2]
    images = generation.interpolate(opened, first, last, steps=45)
    results.write_interpolation(place("interpolate"), first, images, last)
    with Image.open(place("interpolate").beside()) as found:
        page = np.asarray(found)
    width, height = grids.draw_path(first, digits[0][:20], last).size
    assert page.shape[1] == width
    assert page.shape[0] == height + 2 * grids.draw_sheet(digits[0][:1], 1).height
    tile = np.asarray(grids.draw_sheet(digits[0][1:2], 1))
    # B stands beside the last.
    np.testing.assert_array_equal(page[-tile.shape[0] :, -tile.shape[1] :], tile)


@pytest.mark.parametrize("bits", ["8", 17, True, [1]])
def test_a_strangers_bits_are_told(opened, source, bits):
    saved = replace(opened.saved, settings=opened.saved.settings | {"quantize": bits})
    with pytest.raises(
        AutoencodeError, match="expected quantize among its settings to be 1 to 16 bits"
    ):
        codes.encode(replace(opened, saved=saved), streamed(opened, source))


def test_a_variational_model_takes_no_source_to_sample(opened):
    saved = replace(opened.saved, settings=opened.saved.settings | {"variational": 1.0})
    assert generation.find_training_source(saved, None) is None
    assert generation.find_training_source(opened.saved, "mnist") == "mnist"
    with pytest.raises(UsageError, match="remove `source`"):
        generation.find_training_source(saved, "mnist")


def test_info_of_a_run_loads_no_framework(run):
    code = "import sys; from autoencode.cli import app; app(sys.argv[1:], result_action='return_value'); assert 'keras' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code, "info", str(run)], check=True, stdout=subprocess.DEVNULL
    )


def test_info_tells_what_the_run_recorded(run, opened):
    told = summary.describe_run(saved_model.find_model(run))
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert (told["loss"], told["val_loss"], told["epochs"]) == (
        metrics[1]["loss"],
        metrics[1]["val_loss"],
        2,
    )
    assert (told["shape"], told["code"], told["parameters"]) == (
        [8, 8, 1],
        4,
        opened.trained.model.count_params(),
    )
    assert told["pca"] == json.loads((run / "baseline.json").read_text())["pca"]
    file = summary.describe_file(opened.saved, opened.trained)
    assert all(file[name] == told[name] for name in ("shape", "code", "parameters", "settings"))
    assert saved_model.find_model(run / "model.keras") == saved_model.Saved(
        **vars(saved_model.find_model(run)) | {"run": mock.ANY}
    )


def test_info_shows_what_a_strangers_record_holds_as_escapes(run):
    told = summary.describe_run(saved_model.find_model(run))
    finding = {"what": "a\nb", "cause": "\x1b[31m", "advice": "c"}
    told |= {
        "source": "\x1b]0;title\x07",
        "device": "cpu\r",
        "findings": [finding],
        "versions": {"keras": "3\x9b"},
    }
    told["settings"] = told["settings"] | {"noise": "\x1b[2J"}
    lines = summary.format_description(told)
    assert all(line.isprintable() for line in lines)
    assert "doctor: a\\nb; \\x1b[31m: c" in lines


WRONG = [
    ("encode nowhere digits.npz", 2, "there is nothing at nowhere"),
    ("encode text.keras digits.npz", 1, "expected a whole .keras file"),
    ("encode empty digits.npz", 1, "not a run folder"),
    ("encode early digits.npz", 1, "no model.keras yet"),
    ("encode run digitz.npz", 2, "there is nothing at 'digitz.npz'"),
    ("encode run digits.npz --part tset", 2, "did you mean 'test'"),
    ("encode run digits.npz --fit squash", 2, "unknown fit"),
    ("encode run digits.npz --engine jaks", 2, "did you mean 'jax'"),
    ("encode run digits.npz --out codes.txt", 2, ".npz or .csv or .parquet"),
    ("encode run digits.npz --out digits.npz", 2, "is there already"),
    ("encode run digits.npz --out text.keras/codes.csv", 2, "is a file, expected a folder"),
    ("encode run digitz.npz --out deep/in/folders", 2, "there is nothing at 'digitz.npz'"),
    ("decode run none.csv", 2, "there is nothing at none.csv"),
    ("decode run empty", 2, "expected codes in a file"),
    ("decode run text.keras", 2, "expected codes in a file"),
    ("denoise run digits.npz --add fog", 2, "unknown noise"),
    ("encode run digits.npz --refine -1", 2, "Must be >= 0"),
    ("sample run --count 0", 2, "Must be >= 1"),
    ("sample run --seed -1", 2, "Must be >= 0"),
    ("interpolate run here.png 1", 2, "expected a picture's path or the index"),
    ("interpolate run 0 1 --spherical", 2, "expects a variational model"),
    ("interpolate run 0 1 --steps 1", 2, "Must be >= 2"),
    ("interpolate run 0 1 --steps 1001", 2, "Must be <= 1000"),
    ("interpolate run 0 1 --frame-seconds 0.01", 2, "Must be >= 0.02"),
    ("map run digits.npz --method tsne", 2, "unknown method"),
    ("train digits.npz --code 2.9", 2, '--code: unable to convert "2.9" into int'),
    ("encode run digits.npz --refine 1.5", 2, '--refine: unable to convert "1.5" into int'),
    ("info text.keras", 1, "expected a whole .keras file"),
]


@pytest.mark.filterwarnings(
    "ignore:Cyclopts application invoked without tokens"
)  # as a shell invokes it
@pytest.mark.parametrize(("words", "status", "part"), WRONG, ids=[words for words, _, _ in WRONG])
def test_a_wrong_call_is_one_line_and_leaves_nothing(
    tmp_path, monkeypatch, capsys, run, source, words, status, part
):
    (tmp_path / "run").symlink_to(run)
    (tmp_path / "digits.npz").symlink_to(source)
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "empty").mkdir()
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "config.json").write_bytes((run / "config.json").read_bytes())
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["autoencode", *words.split()])
    with mock.patch.dict(os.environ), pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert (ended.value.code, len(told.splitlines())) == (status, 1)
    assert part in told
    assert sorted(tmp_path.iterdir()) == before


BROKEN = {
    "wide.npy": (lambda path: np.save(path, np.zeros((5, 9), np.float32)), r"codes \(N, 4\)"),
    "words.npy": (lambda path: np.save(path, np.array([["a"] * 4])), r"codes \(N, 4\)"),
    "nan.npz": (
        lambda path: np.savez(path, codes=np.array([[0.0] * 4, [np.nan] * 4])),
        "row 1 .* NaN",
    ),
    "other.npz": (lambda path: np.savez(path, pixels=np.zeros(3)), "named codes, it holds pixels"),
    "cut.npz": (lambda path: path.write_bytes(b"PK\3\4 and no more"), "cannot be read"),
    "empty.csv": (lambda path: path.write_text(""), "empty.csv holds no codes"),
    "head.csv": (
        lambda path: path.write_text("name,code0,code1,code2,code3\n"),
        "head.csv holds no codes",
    ),
    "none.npy": (lambda path: np.save(path, np.zeros((0, 4))), "none.npy holds no codes"),
    "huge.npy": (
        lambda path: np.save(path, np.array([[0.0] * 4, [1e300] * 4])),
        "huge.npy: .* row 1",
    ),
    "huge.csv": (
        lambda path: path.write_text("code0,code1,code2,code3\n1,2,3,1e300\n"),
        "huge.csv: .* row 0",
    ),
    "bits.npz": (
        lambda path: np.savez(path, levels=np.full((2, 4), 9, "uint8"), bits=3),
        "levels of 1 to 16 bits",
    ),
    "many.npz": (
        lambda path: np.savez(path, levels=np.zeros((2, 4), "uint8"), bits=64),
        "levels of 1 to 16 bits",
    ),
    "word.npz": (
        lambda path: np.savez(path, levels=np.zeros((2, 4), "uint8"), bits="8"),
        "levels of 1 to 16 bits",
    ),
    "long.csv": (
        lambda path: path.write_text("name,code0,code1,code2,code3\na,1,2,3,4\nb,5,1,2,3,4\n"),
        "row 2 has 6 cells, and the head 5",
    ),
    "twice.csv": (
        lambda path: path.write_text("code0,code1,code1\n1,2,3\n"),
        "one column called code1, it holds 2",
    ),
    "words.csv": (lambda path: path.write_text("code0,code1,code2,code3\n1,2,3,oops\n"), "oops"),
    "other.csv": (
        lambda path: path.write_text("a,b\n1,2\n"),
        "columns code0, code1, ..., it holds a, b",
    ),
    "cut.parquet": (lambda path: path.write_bytes(b"PAR1"), "cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_without_fitting_codes_are_told(tmp_path, name):
    make, words = BROKEN[name]
    make(tmp_path / name)
    with pytest.raises(AutoencodeError, match=words) as told:
        code_files.read_codes(tmp_path / name, 4)
    assert "\n" not in str(told.value)


def test_models_of_another_kind_are_told(tmp_path):
    import keras

    engines.load(engines.choose("auto"))
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "foreign.keras")
    with pytest.raises(AutoencodeError, match="layers named encoder and decoder"):
        saved_model.open_model(saved_model.find_model(tmp_path / "foreign.keras"))


def test_a_source_that_is_gone_is_told(run, opened, tmp_path):
    saved = saved_model.Saved(**vars(opened.saved) | {"run": None})
    with pytest.raises(UsageError, match="name a source with `source`"):
        saved_model.find_source(saved, None)
    gone = saved_model.find_model(run)
    gone.run.record["location"] = str(tmp_path / "gone.npz")
    with pytest.raises(UsageError, match="which is not here: name a source with `source`"):
        saved_model.find_source(gone, None)
    assert saved_model.find_source(saved, "mnist") == "mnist"


def test_what_is_there_stays_unless_it_may_be_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with output_files.claim_files("map", "digits-1") as place:
        file_formats.write_table(place.file, {"name": ["a"]})
    assert place.file == Path("map-digits-1/map.csv")
    with (
        pytest.raises(UsageError, match="`overwrite`"),
        output_files.claim_files("map", "digits-1"),
    ):
        pass
    with output_files.claim_files("map", "digits-1", overwrite=True) as place:
        file_formats.write_table(place.file, {"name": ["b"]})
    assert place.file.read_text() == "name\nb\n"
    with (
        pytest.raises(AutoencodeError, match="NaN"),
        output_files.claim_files("sample", "digits-1"),
    ):
        raise AutoencodeError("NaN")
    assert [path.name for path in tmp_path.iterdir()] == ["map-digits-1"]


def test_a_list_that_is_there_stays_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "codes-skipped.txt").write_text("mine")
    with (
        pytest.raises(UsageError, match="codes-skipped.txt is there already"),
        output_files.claim_files("encode", "m", tmp_path),
    ):
        pass
    assert (tmp_path / "codes-skipped.txt").read_text() == "mine"


def test_a_failure_leaves_no_half_set_and_nothing_that_was_there_goes(tmp_path):
    def fail(*written: str, overwrite: bool = False) -> None:
        with pytest.raises(OSError, match="full"):  # noqa: SIM117
            with output_files.claim_files(
                "map", "digits-1", tmp_path / "a" / "b", overwrite=overwrite
            ) as place:
                for ending in written:
                    place.beside(ending).write_text("new")
                raise OSError("full")

    fail(".csv", ".png")
    assert list(tmp_path.iterdir()) == []
    fail(".csv", ".png", "-grid.png")  # the set is whole: it was the telling that failed
    assert len(list((tmp_path / "a" / "b").iterdir())) == 3 + 1  # and the marker
    (tmp_path / "a" / "b" / "map.png").unlink()
    (tmp_path / "a" / "b" / "map-scores.png").write_text("another's")
    fail(".csv", overwrite=True)
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {
        "map.csv", "map-grid.png", "map-scores.png", marks.MARKER
    }  # fmt: skip
    with output_files.claim_files("map", "digits-1", tmp_path / "a" / "b" / "MAP.CSV") as place:
        assert place.written() == []


def test_sigterm_leaves_nothing(run, source, tmp_path):
    code = (
        "import os, signal, sys\nfrom autoencode.cli import file_formats, main\n"
        "write = file_formats.write_arrays\n"
        "def written(*words):\n    write(*words)\n    os.kill(os.getpid(), signal.SIGTERM)\n"
        "file_formats.write_arrays = written\nmain()\n"
    )
    words = [sys.executable, "-c", code, "encode", str(run), str(source), "--out", "a/b"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (
        143,
        "autoencode: interrupted\n",
        [],
    )


def test_a_full_disk_leaves_no_half_file(opened, source, tmp_path, digits):
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from autoencode import AutoencodeError\nfrom autoencode.cli import file_formats\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "images = np.random.default_rng(0).integers(0, 256, (99, 9, 9, 1), 'uint8')\n"
        "def spool(path):\n"
        "    file_formats.BYTES_IN_MEMORY = 1\n"
        "    with file_formats.spooled((9, 9, 1), path.parent) as spool:\n"
        "        for _ in range(9): spool.add(images)\n"
        "writers = [lambda path: file_formats.write_arrays(path.with_suffix('.npz'), {'images': images[:90].repeat(2, 0)}),\n"
        "    lambda path: file_formats.write_arrays(path.with_suffix('.npy'), {'images': images.repeat(2, 0)}),\n"
        "    lambda path: file_formats.write_table(path.with_suffix('.csv'), {'x': np.random.rand(2000)}),\n"
        "    lambda path: file_formats.write_table(path.with_suffix('.parquet'), {'x': np.random.rand(2000)}),\n"
        "    lambda path: file_formats.write_sheet(path.with_suffix('.png'), images), spool]\n"
        "for write in writers:\n"
        "    try:\n        write(Path('file'))\n        sys.exit('written')\n"
        "    except AutoencodeError as error:\n        assert 'could not write' in str(error), error\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_have_a_dot_in_its_name(tmp_path):
    with output_files.claim_files("encode", "m", tmp_path / "v1.2") as place:
        assert place.file == tmp_path / "v1.2" / "codes.npz"
