"""The score above which an image is an anomaly: set on normal images that are held out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from autoencode.config import DataConfig
from autoencode.data import Dataset, Progress, streaming
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, UsageError
from autoencode.images import Skipped
from autoencode.inference.anomalies import Normality
from autoencode.inference.codes import encode_stream
from autoencode.inference.detection import NORMAL_CLASSES, find_normal_images
from autoencode.inference.saved_model import Opened
from autoencode.inference.trained import KEPT_CODES


@dataclass(frozen=True, repr=False)
class Calibration:
    """A score above which an image is an anomaly, and what it does on normal images.

    `held_out` are the scores of normal images that the model was not trained on, float64 (N,).
    Where they are enough for the rate of `false_alarms`, one half of them sets the `threshold`,
    and of the other half, `measured` in number, `rate` lie above it. Where only all of them are
    enough, all set it: nothing is measured and `rate` is None. Where they are too few, `threshold`
    is None too, unless `by_folds`: then they are the scores of all normal images, each by a model
    that was not trained on it.

    `normality` is what distances are measured by, from so many `codes`. `total` is the number of
    normal images that folds could be made of, `skipped` are those that could not be read. `note`
    says which images were taken as normal, where that was decided by their labels.
    """

    normality: Normality
    codes: int
    false_alarms: float
    held_out: np.ndarray
    threshold: float | None
    rate: float | None
    measured: int
    total: int = 0
    skipped: tuple[Skipped, ...] = ()
    note: str = ""
    by_folds: bool = False

    def __repr__(self) -> str:
        return f"Calibration({self.describe()})"

    def measures(self, false_alarms: float) -> bool:
        """Whether these are enough to measure a rate of `false_alarms`.

        They are where one of them may be expected above the threshold.
        """
        return self.measured * false_alarms >= 1

    def describe(self) -> str:
        """Return a line on the threshold, or on what it would take to set one."""
        count = len(self.held_out)
        if self.threshold is None:
            return self._describe_missing()
        line = f"threshold {self.threshold:.4g} for {self.false_alarms:.2%} false alarms, set on "
        if self.by_folds:
            return (
                f"{line}all {count:,} normal images, each scored by a model that was not "
                "trained on it"
            )
        if self.rate is None:
            return f"{line}all {count:,} held-out images, not measured: none are left for that"
        is_measured = self.measures(self.false_alarms)
        few = "" if is_measured else ", which are too few to measure such a rate"
        return (
            f"{line}{count - self.measured:,} held-out images, "
            f"measured on {self.measured:,} others: {self.rate:.2%}{few}"
        )

    def _describe_missing(self) -> str:
        count = len(self.held_out)
        least = count_needed(self.false_alarms)
        advice = "name a larger set with `normal`"
        if count:
            advice += f", or allow `false_alarms={_round_up(1 / (count + 1)):g}`"
        if self.total >= least:
            advice += (
                f", or have five models trained on the {self.total:,} normal images with `folds`"
            )
        return (
            f"no threshold: {self.false_alarms:.2%} false alarms need {least:,} held-out normal "
            f"images, {least - count:,} more than the {count:,} there are; {advice}"
        )


def check_false_alarms(false_alarms: float) -> None:
    """Raise `UsageError` unless the rate lies between 0 and 1."""
    if not 0 < false_alarms < 1:
        raise UsageError(f"`false_alarms` must lie between 0 and 1, received {false_alarms:g}.")


def set_threshold(
    opened: Opened,
    dataset: Dataset,
    false_alarms: float,
    *,
    config: DataConfig | None = None,
    progress: Progress | None = None,
    can_fold: bool = False,
    score_by_folds: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Calibration:
    """Learn from normal images what is normal.

    The codes are those of images for training, the threshold is set on those for testing.

    A saved estimator keeps its training codes: then all of `dataset` is for testing, and none may
    have been trained on. Where one of several classes is called good, normal or ok, in any case,
    only its images are normal, and the `note` of the result says so.

    Where those for testing are too few for the rate of `false_alarms`, and all normal images are
    enough, `score_by_folds` scores all of them, uint8 (N, H, W, C), see `folds.score_by_folds`.
    Without it, or where all are too few, the result has no threshold; its description advises
    folds where they would do and `can_fold` says that they are possible.

    Raises `AutoencodeError` where there is no normal image to learn from, or where `strict` allows
    none to be skipped.
    """
    check_false_alarms(false_alarms)
    classes, normal = find_normal_images(dataset)
    read = partial(
        _read_normal,
        dataset,
        opened.trained.shape,
        config or opened.saved.data_config(),
        among=normal,
        scale=opened.saved.scale,
        progress=progress,
    )

    # 1. What is normal: the codes of training images.
    codes = opened.saved.codes
    part = "all"
    skipped = []
    if codes is None:
        train = read(part="train", most=KEPT_CODES)
        codes = encode_stream(opened, train)
        part = "test"
        skipped = train.skipped
    normality = Normality(codes)

    # 2. The scores of normal images that the model was not trained on.
    test = read(part=part)
    size = opened.trained.batch_size
    held_out = np.concatenate(
        [normality.scores(opened.trained, batch) for batch in test.batches(size)]
    )
    count = len(dataset) if normal is None else len(normal)
    are_too_few = len(held_out) < count_needed(false_alarms) <= count
    by_folds = False
    if score_by_folds is not None and are_too_few:
        by_folds = True
        test = read(part="all")
        held_out = score_by_folds(np.concatenate(list(test.batches(size))))

    # 3. The threshold.
    threshold, rate, measured = _split_threshold(held_out, false_alarms, halves=not by_folds)
    note = ""
    if normal is not None:
        note = (
            f"only the {len(normal):,} images labelled {' or '.join(classes)} of the "
            f"{len(dataset):,} in {dataset.name} are taken as normal"
        )
    return Calibration(
        normality=normality,
        codes=len(codes),
        false_alarms=false_alarms,
        held_out=held_out,
        threshold=threshold,
        rate=rate,
        measured=measured,
        total=count if can_fold else 0,
        skipped=tuple(dict.fromkeys([*skipped, *test.skipped])),
        note=note,
        by_folds=by_folds,
    )


def count_needed(false_alarms: float) -> int:
    """Return how many held-out normal images a threshold for a rate of `false_alarms` needs.

    >>> count_needed(0.01), count_needed(0.5)
    (99, 1)
    """
    return int(np.ceil(1 / false_alarms - 1e-9)) - 1


def conformal_threshold(scores: np.ndarray, false_alarms: float) -> float:
    """Return the score above which a share of `false_alarms` of normal images is expected at most.

    `scores` (N,) are those of normal images that the model was not trained on. It is the split
    conformal quantile, the ceil((N + 1)(1 - share))-th smallest, which holds on average whatever
    the scores' distribution (Lei and others, Journal of the American Statistical Association 113,
    2018, 1094-1111, section 2.2). Raises `AutoencodeError` where there are too few scores for so
    small a share.

    >>> conformal_threshold(np.arange(1.0, 100.0), false_alarms=0.1)
    90.0
    """
    least = count_needed(false_alarms)
    if len(scores) < least:
        raise AutoencodeError(
            f"a false-alarm rate of {false_alarms:g} needs at least {least} held-out normal "
            f"images, received {len(scores)}: give more, or allow more false alarms."
        )
    rank = int(np.ceil((len(scores) + 1) * (1 - false_alarms) - 1e-9))
    return float(np.sort(scores)[rank - 1])


def _split_threshold(
    held_out: np.ndarray, false_alarms: float, *, halves: bool
) -> tuple[float | None, float | None, int]:
    """The threshold, the measured rate, and on how many images it was measured, see `Calibration`.

    Without `halves`, all images set the threshold, and none measures it.
    """
    least = count_needed(false_alarms)
    if len(held_out) < least:
        return None, None, 0
    setting = held_out[::2]
    measuring = held_out[1::2]
    if not halves or len(setting) < least or not len(measuring):
        return conformal_threshold(held_out, false_alarms), None, 0
    threshold = conformal_threshold(setting, false_alarms)
    return threshold, float((measuring > threshold).mean()), len(measuring)


def _round_up(rate: float) -> float:
    """`rate` with two digits, not below it: as a rate to type."""
    digits = 1 - math.floor(math.log10(rate))
    return math.ceil(rate * 10**digits) / 10**digits


def _read_normal(
    dataset: Dataset, shape: tuple[int, int, int], config: DataConfig, *, part: str, **options: Any
) -> Stream:
    """A part of `dataset` as `streaming.stream` gives it.

    Raises `AutoencodeError` where it holds no normal image.
    """
    stream = streaming.stream(dataset, shape, config, part=part, **options)
    if not len(stream):
        use = "test" if part == "test" else "train on"
        raise AutoencodeError(
            f"{dataset.name} holds no normal image to {use}: expected some labelled "
            f"{', '.join(NORMAL_CLASSES[:-1])} or {NORMAL_CLASSES[-1]} among its images for that; "
            "name normal images alone with `normal`."
        )
    return stream
