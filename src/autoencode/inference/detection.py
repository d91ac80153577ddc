"""How well anomaly scores tell defects from normal images, where labels name both: AUROC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoencode.data import Dataset

# What classes of normal images are called, in any case: MVTec AD's `good`, and two that others use.
NORMAL_CLASSES = ("good", "normal", "ok")
ALL_DEFECTS = "all defects"


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


def find_normal_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return which of `classes` are those of normal images, by name; nothing where no others are.

    >>> find_normal_classes(["broken", "Good"]), find_normal_classes(["good"])
    (('Good',), ())
    >>> find_normal_classes(["cat", "dog"])
    ()
    """
    normal = tuple(name for name in classes if name.casefold() in NORMAL_CLASSES)
    return normal if len(normal) < len(classes) else ()


def find_normal_images(dataset: Dataset) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Return the classes of normal images, and the indices of theirs; None where all are normal."""
    labels, classes = dataset.labels({"all": np.arange(len(dataset))})
    normal = find_normal_classes(classes)
    if not normal:
        return (), None
    numbers = [number for number, name in enumerate(classes) if name in normal]
    return normal, np.flatnonzero(np.isin(labels["all_labels"], numbers))


def measure_detections(
    scores: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> list[Detection]:
    """Return the AUROC of each class of defects against normal images, and last that of all.

    `scores` are float (N,), higher for stranger images; `labels` integers (N,), indices into
    `classes` or below 0 for unlabelled images, which are ignored. Normal are the classes called
    good, normal or ok, in any case. Nothing where there are no normal images, or no others.

    >>> scores = np.array([1.0, 2.0, 3.0])
    >>> for detection in measure_detections(scores, np.array([1, 0, 0]), ["cut", "good"]):
    ...     print(detection)
    AUROC of cut: 1.0000 (2 images against 1 normal)
    AUROC of all defects: 1.0000 (2 images against 1 normal)
    """
    from sklearn.metrics import roc_auc_score

    normal = find_normal_classes(classes)
    is_normal = np.isin(labels, [number for number, name in enumerate(classes) if name in normal])
    groups = [(name, labels == number) for number, name in enumerate(classes) if name not in normal]
    groups = [(name, is_defect) for name, is_defect in groups if is_defect.any()]
    if not is_normal.any() or not groups:
        return []

    detections: list[Detection] = []
    groups.append((ALL_DEFECTS, np.any([is_defect for _, is_defect in groups], axis=0)))
    for name, is_defect in groups:
        chosen = is_normal | is_defect
        auroc = float(roc_auc_score(is_defect[chosen], scores[chosen]))
        detections.append(Detection(name, int(is_defect.sum()), int(is_normal.sum()), auroc))
    return detections
