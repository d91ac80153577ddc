"""Anomalies ranked, their threshold, and AUROC where labels name defects."""

import csv
from collections.abc import Callable

import numpy as np
import pytest
from inference_support import COUNT, rows, size, write_ranking

from autoencode import AutoencodeError, Autoencoder, Config, Images, data, pipeline
from autoencode.data.splits import split_dataset
from autoencode.inference import anomalies, detection, saved_model, threshold


def test_anomalies_are_ranked_by_the_score_of_plain_keras_and_found(
    source, digits, tmp_path, files
):
    config = Config(code=8, epochs=20, batch_size=10, seed=1)
    opened = saved_model.open_model(
        saved_model.find_model(pipeline.run(str(source), config, tmp_path / "normal"))
    )
    noise = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), "uint8")
    mixed = np.concatenate([digits[0][:40], noise])
    np.save(tmp_path / "mixed.npy", mixed)
    alarm = threshold.set_threshold(opened, data.open_dataset(source), 0.2)
    told = write_ranking(opened, tmp_path / "mixed.npy", alarm, files("anomalies"), examples=5)
    lines = list(csv.DictReader(files("anomalies").file.read_text().splitlines()))
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
    assert [size(files("anomalies").beside(ending)) for ending in (".png", "-scores.png")] == [
        (120 + 520, 312),
        (800, 500),
    ]
    assert files("anomalies").written() == [
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


def test_anomalies_of_a_saved_estimator_have_its_scores(digits, tmp_path, files):
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
    write_ranking(opened, tmp_path / "new.npy", alarm, files("anomalies"))
    lines = csv.DictReader(files("anomalies").file.read_text().splitlines())
    found = {int(line["name"].split()[-1]): float(line["score"]) for line in lines}
    expected = -estimator.score_samples(digits[0][250:])
    np.testing.assert_allclose([found[index] for index in range(50)], expected, rtol=1e-5)
    one = threshold.set_threshold(opened, data.open_dataset(tmp_path / "one.npy"), 0.9)
    assert (one.threshold, one.rate, one.measured) == (one.held_out[0], None, 0)


def test_anomalies_rank_without_a_threshold_and_say_how_many_images_are_missing(
    opened, source, files
):
    held_out = threshold.set_threshold(opened, data.open_dataset(source), 0.5).held_out
    count = len(held_out)
    few = threshold.set_threshold(opened, data.open_dataset(source), 0.01, can_fold=True)
    told = write_ranking(opened, source, few, files("anomalies"))
    lines = list(csv.DictReader(files("anomalies").file.read_text().splitlines()))
    scores = [float(line["score"]) for line in lines]
    assert (len(told), told.anomalies) == (COUNT, None)
    assert scores == sorted(scores, reverse=True)
    assert "anomaly" not in lines[0]
    assert size(files("anomalies").beside("-scores.png")) == (800, 500)
    assert few.describe() == (
        f"no threshold: 1.00% false alarms need 99 held-out normal images, {99 - count} more than "
        f"the {count} there are; name a larger set with `normal`, or allow `false_alarms=0.033`, "
        f"or have five models trained on the {COUNT} normal images with `folds`"
    )
    every = threshold.set_threshold(
        opened, data.open_dataset(source), 0.033
    )  # what that line advises
    assert (every.threshold, every.rate) == (held_out.max(), None)
    assert f"set on all {count} held-out images, not measured" in every.describe()


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


def test_only_good_images_are_taken_as_normal(opened, digits, tmp_path, files):
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

    told = write_ranking(opened, mixed, found, files("anomalies"))
    lines = list(csv.DictReader(files("anomalies").file.read_text().splitlines()))
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
        AutoencodeError, match=r"mixed holds no normal image to test: .* with `normal`"
    ):
        threshold.set_threshold(opened, rows(mixed), 0.2)
    swapped = Images(
        "mixed", digits[0][:50], digits[0][50:100], labels[50:], labels[:50], ("dent", "good")
    )
    with pytest.raises(AutoencodeError, match="mixed holds no normal image to train on: "):
        threshold.set_threshold(opened, rows(swapped), 0.2)
