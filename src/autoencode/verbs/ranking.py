"""The strangest images of a source first, by what normal images are like: anomalies. Knows streams and places; no screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoencode import anomalies, measures, pictures
from autoencode.anomalies import Normality
from autoencode.config import Config
from autoencode.data import loading, streaming
from autoencode.data.decode import Plan
from autoencode.data.loading import Progress, Rows
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, UsageError
from autoencode.images import Skipped, evenly, to_pixels
from autoencode.trained import KEPT_CODES
from autoencode.verbs import Opened, outputs
from autoencode.verbs.coding import codes_of, columns
from autoencode.verbs.outputs import Place

# What classes of normal images are called, in any case: MVTec AD's `good`, and two that others use.
NORMAL_CLASSES = ("good", "normal", "ok")
ALL_DEFECTS = "all defects"


@dataclass(frozen=True)
class Alarm:
    """A score above which an image is an anomaly, and what it does on normal images.

    One half of `held_out` scores, those of normal images that the model was not trained on, set the `threshold`; of the
    other half, `measured` in number, `rate` lie above it. `skipped` are normal images that could not be read.
    `note` says which images were taken as normal, where that was decided by their labels.
    """

    normality: Normality
    codes: int
    held_out: np.ndarray
    threshold: float
    rate: float
    skipped: tuple[Skipped, ...] = ()
    note: str = ""

    @property
    def measured(self) -> int:
        """How many held-out images the rate was measured on."""
        return len(self.held_out) // 2

    def measures(self, false_alarms: float) -> bool:
        """Whether these are enough to measure a rate of `false_alarms`: one of them may be expected above the threshold."""
        return self.measured * false_alarms >= 1


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
        raise UsageError(f"--false-alarms must lie between 0 and 1, received {false_alarms:g}.")


def learn(
    opened: Opened,
    rows: Rows,
    false_alarms: float,
    *,
    fit: str | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Alarm:
    """Learn from normal images what is normal: codes from those for training, the threshold from those for testing.

    A saved estimator keeps its training codes: then all of `rows` are for testing, and none may have been trained on.
    Where one of several classes is called good, normal or ok, in any case, only its images are
    normal, and the `note` of the result says so.
    Raises `AutoencodeError` where those for testing are too few for the rate of `false_alarms`, or where `strict` allows none
    to be left out.
    """
    check(false_alarms)
    words = {
        "fit": fit or opened.saved.fit,
        "split_seed": opened.saved.split_seed,
        "strict": strict,
        "progress": progress,
    }
    classes, normal = _normal_rows(rows)
    shape = opened.trained.shape

    codes, part, skipped = opened.saved.codes, "all", []
    if codes is None:
        train = _normal_stream(rows, shape, normal, part="train", most=KEPT_CODES, **words)
        codes, part, skipped = codes_of(opened, train), "test", train.skipped
    normality = Normality(codes)

    test = _normal_stream(rows, shape, normal, part=part, **words)
    batches = test.batches(opened.trained.batch_size)
    held_out = np.concatenate([normality.scores(opened.trained, batch) for batch in batches])
    skipped = tuple(dict.fromkeys([*skipped, *test.skipped]))
    if len(held_out) < 2:
        raise AutoencodeError(
            "anomalies expects at least 2 held-out normal images, one to set the threshold and one to measure it, "
            f"received {len(held_out)}: give more with --normal."
        )
    threshold = anomalies.threshold(held_out[::2], false_alarms)
    rate = float((held_out[1::2] > threshold).mean())
    note = ""
    if normal is not None:
        note = (
            f"only the {len(normal):,} images labelled {' or '.join(classes)} of the {len(rows):,} "
            f"in {rows.name} are taken as normal"
        )
    return Alarm(normality, len(codes), held_out, threshold, rate, skipped, note)


def normal_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return which of `classes` are those of normal images, by name; nothing where no others are.

    >>> normal_classes(["broken", "Good"]), normal_classes(["good"]), normal_classes(["cat", "dog"])
    (('Good',), (), ())
    """
    normal = tuple(name for name in classes if name.casefold() in NORMAL_CLASSES)
    return normal if len(normal) < len(classes) else ()


def _normal_rows(rows: Rows) -> tuple[tuple[str, ...], np.ndarray | None]:
    """The names of the classes of normal images, and their indices; None where all are normal."""
    labels, classes = rows.labels({"all": np.arange(len(rows))})
    normal = normal_classes(classes)
    if not normal:
        return (), None
    numbers = [number for number, name in enumerate(classes) if name in normal]
    return normal, np.flatnonzero(np.isin(labels["all_labels"], numbers))


def _normal_stream(
    rows: Rows,
    shape: tuple[int, int, int],
    normal: np.ndarray | None,
    *,
    part: str,
    fit: str = Config.fit,
    split_seed: int = Config.split_seed,
    most: int | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Stream:
    """Return a part of `rows` as `streaming.stream` does, of those at `normal` alone if given."""
    if normal is None:
        options = {"split_seed": split_seed, "most": most, "strict": strict, "progress": progress}
        return streaming.stream(rows, shape, part=part, fit=fit, **options)

    streaming.check(part, fit)
    indices = normal
    if part != "all":
        train, test, _ = loading.split(rows, split_seed)
        indices = np.intersect1d(normal, train if part == "train" else test)
    if not len(indices):
        use = "test" if part == "test" else "train on"
        raise AutoencodeError(
            f"{rows.name} holds no normal image to {use}: expected some labelled "
            f"{', '.join(NORMAL_CLASSES[:-1])} or {NORMAL_CLASSES[-1]} among its images for that; "
            "name normal images alone with --normal."
        )
    if most is not None:
        indices = indices[evenly(len(indices), most)]
    return Stream(rows, indices, Plan(*shape, fit), strict=strict, progress=progress)


def rank(
    opened: Opened, stream: Stream, alarm: Alarm, place: Place, *, examples: int = 10
) -> dict[str, Any]:
    """Write all images, the strangest first, and pictures of the first `examples` and of all scores.

    The table has the columns `name`, `label` where there are labels, `score`, `anomaly` (1 above the threshold, else 0),
    `error`, the mean squared error with pixels in [0, 1], and `distance`, that of the code. The first picture shows where an
    image differs from its reconstruction, the second the scores beside those of normal images. Returns the number of
    `images` and of `anomalies`, and, where the labels part normal images from defects,
    `detections`, see `measure_detections`.
    """
    if place.format == ".parquet":
        outputs.parquet()  # before the work, not after
    found = {"score": [], "error": [], "distance": []}
    for images in stream.batches(opened.trained.batch_size):
        codes = opened.encode(images)
        floats, distances = opened.decode(codes), alarm.normality.distances(codes)
        found["score"].append(anomalies.scores(images, floats, distances))
        found["error"].append(measures.squared_errors(images, floats))
        found["distance"].append(distances)
    found = {name: np.concatenate(parts) for name, parts in found.items()}
    order = np.argsort(-found["score"], kind="stable")
    strange = found["score"] > alarm.threshold
    table = {name: [values[place] for place in order] for name, values in columns(stream).items()}
    table |= {"score": found["score"][order], "anomaly": strange[order].astype(np.uint8)}
    outputs.write_table(place.file, table | {name: found[name][order] for name in ("error", "distance")})
    outputs.write_png(place.beside(), pictures.draw_rows(_shown(opened, stream, order[:examples])))
    figure = pictures.draw_scores(alarm.held_out, found["score"], alarm.threshold)
    outputs.write_figure(place.beside("-scores.png"), figure)
    counts = {"images": len(order), "anomalies": int(strange.sum())}
    labels, classes = stream.labels()
    detections = [] if labels is None else measure_detections(found["score"], labels, classes)
    return counts | {"detections": detections} if detections else counts


def measure_detections(
    scores: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> list[Detection]:
    """Return the AUROC of each class of defects against normal images, and last of all defects.

    `scores` are float (N,), higher for stranger images; `labels` integers (N,), indices into
    `classes`, or below 0 for unlabelled images, which are ignored. Normal are the classes called
    good, normal or ok, in any case. Nothing where there are no normal images, or no others.

    >>> scores, labels = np.array([1.0, 2.0, 3.0]), np.array([1, 0, 0])
    >>> for detection in measure_detections(scores, labels, ["cut", "good"]):
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
    return {"strangest": originals, "redrawn": to_pixels(floats), "difference": pictures.coloured(heat)}
