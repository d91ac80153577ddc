"""The strangest images of a source first, by what normal images are like: anomalies. Knows streams and places; no screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from autoencode import metrics
from autoencode.config import DataConfig
from autoencode.data import Dataset, Progress, streaming
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, UsageError
from autoencode.images import Skipped, to_pixels
from autoencode.inference import anomalies, outputs
from autoencode.inference.anomalies import Normality
from autoencode.inference.encoding import codes_of, columns
from autoencode.inference.opening import Opened
from autoencode.inference.outputs import Place
from autoencode.inference.trained import KEPT_CODES
from autoencode.plots import charts, grids

# What classes of normal images are called, in any case: MVTec AD's `good`, and two that others use.
NORMAL_CLASSES = ("good", "normal", "ok")
ALL_DEFECTS = "all defects"


@dataclass(frozen=True)
class Alarm:
    """A score above which an image is an anomaly, and what it does on normal images.

    `held_out` are the scores of normal images that the model was not trained on, float64 (N,). Where they are enough, one
    half of them sets the `threshold`, and of the other half, `measured` in number, `rate` lie above it. Where only all of
    them are enough, all set it: nothing is measured and `rate` is None. Where they are too few, `threshold` is None too,
    unless `by_folds`: then they are the scores of all normal images, each by a model that was not trained on it.
    `total` is the number of normal images that folds could be made of, `skipped` are those that could not be read.
    `note` says which images were taken as normal, where that was decided by their labels.
    """

    normality: Normality
    codes: int
    held_out: np.ndarray
    threshold: float | None
    rate: float | None
    measured: int
    total: int = 0
    skipped: tuple[Skipped, ...] = ()
    note: str = ""
    by_folds: bool = False

    def measures(self, false_alarms: float) -> bool:
        """Whether these are enough to measure a rate of `false_alarms`: one of them may be expected above the threshold."""
        return self.measured * false_alarms >= 1

    def describe(self, false_alarms: float) -> str:
        """Return a line on the threshold for a rate of `false_alarms`, or on what it would take to set one."""
        count = len(self.held_out)
        if self.threshold is None:
            least = anomalies.needed(false_alarms)
            other = f", or allow `false_alarms={_round_up(1 / (count + 1)):g}`" if count else ""
            if self.total >= least:
                other += f", or have five models trained on the {self.total:,} normal images with `folds`"
            return (
                f"no threshold: {false_alarms:.2%} false alarms need {least:,} held-out normal images, "
                f"{least - count:,} more than the {count:,} there are; name a larger set with `normal`{other}"
            )
        line = f"threshold {self.threshold:.4g} for {false_alarms:.2%} false alarms, "
        if self.by_folds:
            return f"{line}set on all {count:,} normal images, each scored by a model that was not trained on it"
        if self.rate is None:
            return (
                f"{line}set on all {count:,} held-out images, not measured: none are left for that"
            )
        few = "" if self.measures(false_alarms) else ", which are too few to measure such a rate"
        return (
            f"{line}set on {count - self.measured:,} held-out images, "
            f"measured on {self.measured:,} others: {self.rate:.2%}{few}"
        )


def _round_up(rate: float) -> float:
    """`rate` with two digits, not below it: as a rate to type."""
    digits = 1 - math.floor(math.log10(rate))
    return math.ceil(rate * 10**digits) / 10**digits


@dataclass(frozen=True)
class Detection:
    """How well scores tell the `images` of a class of defects from `normal` images, both numbers.

    `auroc` is the area under the ROC curve: the probability that an image of the class has a
    higher score than a normal one, where equal scores count half.
    """

    name: str
    images: int
    normal: int
    auroc: float

    def __str__(self) -> str:
        images = f"{self.images:,} image{'' if self.images == 1 else 's'}"
        return f"AUROC of {self.name}: {self.auroc:.4f} ({images} against {self.normal:,} normal)"


def check(false_alarms: float) -> None:
    """Raise `UsageError` unless the rate lies between 0 and 1."""
    if not 0 < false_alarms < 1:
        raise UsageError(f"`false_alarms` must lie between 0 and 1, received {false_alarms:g}.")


def learn(
    opened: Opened,
    dataset: Dataset,
    false_alarms: float,
    *,
    config: DataConfig | None = None,
    progress: Progress | None = None,
    can_fold: bool = False,
    score_by_folds: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Alarm:
    """Learn from normal images what is normal: codes from those for training, the threshold from those for testing.

    A saved estimator keeps its training codes: then all of `dataset` is for testing, and none may have been trained on.
    Where one of several classes is called good, normal or ok, in any case, only its images are
    normal, and the `note` of the result says so.
    Where those for testing are too few for the rate of `false_alarms`, and all normal images are
    enough, `score_by_folds` scores all of them, uint8 (N, H, W, C), see `folds.score_by_folds`.
    Without it, or where all are too few, the result has no threshold; its description advises
    folds where they would do and `can_fold` says that they are possible.
    Raises `AutoencodeError` where there is no normal image to learn from, or where `strict` allows none to be left out.
    """
    check(false_alarms)
    classes, normal = _normal_indices(dataset)
    read = partial(
        _normal_stream,
        dataset,
        opened.trained.shape,
        config or opened.saved.data_config(),
        among=normal,
        scale=opened.saved.scale,
        progress=progress,
    )

    codes, part, skipped = opened.saved.codes, "all", []
    if codes is None:
        train = read(part="train", most=KEPT_CODES)
        codes, part, skipped = codes_of(opened, train), "test", train.skipped
    normality = Normality(codes)

    test = read(part=part)
    batches = test.batches(opened.trained.batch_size)
    held_out = np.concatenate([normality.scores(opened.trained, batch) for batch in batches])
    count = len(dataset) if normal is None else len(normal)
    by_folds = (
        score_by_folds is not None and len(held_out) < anomalies.needed(false_alarms) <= count
    )
    if by_folds:
        everything = read(part="all")
        held_out = score_by_folds(
            np.concatenate(list(everything.batches(opened.trained.batch_size)))
        )
        test = everything
    skipped = tuple(dict.fromkeys([*skipped, *test.skipped]))
    threshold, rate, measured = _set_threshold(held_out, false_alarms, halves=not by_folds)
    note = ""
    if normal is not None:
        note = (
            f"only the {len(normal):,} images labelled {' or '.join(classes)} of the {len(dataset):,} "
            f"in {dataset.name} are taken as normal"
        )
    return Alarm(
        normality,
        len(codes),
        held_out,
        threshold,
        rate,
        measured,
        count if can_fold else 0,
        skipped,
        note,
        by_folds,
    )


def _set_threshold(
    held_out: np.ndarray, false_alarms: float, *, halves: bool
) -> tuple[float | None, float | None, int]:
    """The threshold, the measured rate, and on how many images it was measured, see `Alarm`.

    Without `halves`, all images set the threshold, and none measures it.
    """
    least, setting, measuring = anomalies.needed(false_alarms), held_out[::2], held_out[1::2]
    if len(held_out) < least:
        return None, None, 0
    if not halves or len(setting) < least or not len(measuring):
        return anomalies.threshold(held_out, false_alarms), None, 0
    threshold = anomalies.threshold(setting, false_alarms)
    return threshold, float((measuring > threshold).mean()), len(measuring)


def normal_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return which of `classes` are those of normal images, by name; nothing where no others are.

    >>> normal_classes(["broken", "Good"]), normal_classes(["good"]), normal_classes(["cat", "dog"])
    (('Good',), (), ())
    """
    normal = tuple(name for name in classes if name.casefold() in NORMAL_CLASSES)
    return normal if len(normal) < len(classes) else ()


def _normal_indices(dataset: Dataset) -> tuple[tuple[str, ...], np.ndarray | None]:
    """The names of the classes of normal images, and the indices of theirs; None where all are normal."""
    labels, classes = dataset.labels({"all": np.arange(len(dataset))})
    normal = normal_classes(classes)
    if not normal:
        return (), None
    numbers = [number for number, name in enumerate(classes) if name in normal]
    return normal, np.flatnonzero(np.isin(labels["all_labels"], numbers))


def _normal_stream(
    dataset: Dataset, shape: tuple[int, int, int], config: DataConfig, *, part: str, **words: Any
) -> Stream:
    """A part of `dataset` as `streaming.stream` gives it; raise `AutoencodeError` where it holds no normal image."""
    found = streaming.stream(dataset, shape, config, part=part, **words)
    if not len(found):
        use = "test" if part == "test" else "train on"
        raise AutoencodeError(
            f"{dataset.name} holds no normal image to {use}: expected some labelled "
            f"{', '.join(NORMAL_CLASSES[:-1])} or {NORMAL_CLASSES[-1]} among its images for that; "
            "name normal images alone with `normal`."
        )
    return found


def rank(
    opened: Opened, stream: Stream, alarm: Alarm, place: Place, *, examples: int = 10
) -> dict[str, Any]:
    """Write all images, the strangest first, and pictures of the first `examples` and of all scores.

    The table has the columns `name`, `label` where there are labels, `score`, where there is a threshold `anomaly` (1 above
    it, else 0), `error`, the mean squared error with pixels in [0, 1], and `distance`, that of the code. The first picture shows where an
    image differs from its reconstruction, the second the scores beside those of normal images. Returns the number of
    `images`, of `anomalies` where there is a threshold, and, where the labels tell normal images from defects,
    `detections`, see `measure_detections`.
    """
    if place.format == ".parquet":
        outputs.parquet()  # before the work, not after
    found = score_images(opened, stream, alarm)
    order = np.argsort(-found["score"], kind="stable")
    table = {name: [values[place] for place in order] for name, values in columns(stream).items()}
    table["score"] = found["score"][order]
    counts = {"images": len(order)}
    if alarm.threshold is not None:
        is_strange = found["score"] > alarm.threshold
        table["anomaly"] = is_strange[order].astype(np.uint8)
        counts["anomalies"] = int(is_strange.sum())
    outputs.write_table(
        place.file, table | {name: found[name][order] for name in ("error", "distance")}
    )
    outputs.write_png(place.beside(), grids.draw_rows(_shown(opened, stream, order[:examples])))
    figure = charts.draw_scores(alarm.held_out, found["score"], alarm.threshold)
    outputs.write_figure(place.beside("-scores.png"), figure)
    labels, classes = stream.labels()
    detections = [] if labels is None else measure_detections(found["score"], labels, classes)
    return counts | {"detections": detections} if detections else counts


def score_images(opened: Opened, stream: Stream, alarm: Alarm) -> dict[str, np.ndarray]:
    """Return `score`, `error` and `distance` of all images of `stream`, each (N,), see `rank`."""
    found = {"score": [], "error": [], "distance": []}
    for images in stream.batches(opened.trained.batch_size):
        codes = opened.encode(images)
        floats = opened.decode(codes)
        distances = alarm.normality.distances(codes)
        found["score"].append(anomalies.scores(images, floats, distances))
        found["error"].append(metrics.squared_errors(images, floats))
        found["distance"].append(distances)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def measure_detections(
    scores: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> list[Detection]:
    """Return the AUROC of each class of defects against normal images, and last that of all defects together.

    `scores` are float (N,), higher for stranger images; `labels` integers (N,), indices into `classes`
    or below 0 for unlabelled images, which are ignored. Normal are the classes called good, normal or
    ok, in any case. Nothing where there are no normal images, or no others.

    >>> for detection in measure_detections(np.array([1.0, 2.0, 3.0]), np.array([1, 0, 0]), ["cut", "good"]):
    ...     print(detection)
    AUROC of cut: 1.0000 (2 images against 1 normal)
    AUROC of all defects: 1.0000 (2 images against 1 normal)
    """
    from sklearn.metrics import roc_auc_score

    normal = normal_classes(classes)
    is_normal = np.isin(labels, [number for number, name in enumerate(classes) if name in normal])
    groups = {name: labels == number for number, name in enumerate(classes) if name not in normal}
    groups = {name: is_defect for name, is_defect in groups.items() if is_defect.any()}
    if not is_normal.any() or not groups:
        return []

    detections = []
    for name, is_defect in [*groups.items(), (ALL_DEFECTS, np.any(list(groups.values()), axis=0))]:
        chosen = is_normal | is_defect
        auroc = float(roc_auc_score(is_defect[chosen], scores[chosen]))
        detections.append(Detection(name, int(is_defect.sum()), int(is_normal.sum()), auroc))
    return detections


def _shown(opened: Opened, stream: Stream, places: np.ndarray) -> dict[str, np.ndarray]:
    """Originals, reconstructions and heat of the images at `places`, in that order, by the name of the row."""
    ascending = np.sort(places)
    originals = stream.images(ascending)[np.searchsorted(ascending, places)]
    floats = opened.decode(opened.encode(originals))
    heat = anomalies.heat(originals, floats)
    return {
        "strangest": originals,
        "redrawn": to_pixels(floats),
        "difference": grids.coloured(heat),
    }
