"""The strangest images of a source first, by what normal images are like: anomalies."""

from __future__ import annotations

import numpy as np

from autoencode import metrics
from autoencode.data.streaming import Stream
from autoencode.images import to_pixels
from autoencode.inference import anomalies
from autoencode.inference.detection import measure_detections
from autoencode.inference.results import AnomalyRanking, Differences
from autoencode.inference.rows import row_fields
from autoencode.inference.saved_model import Opened
from autoencode.inference.threshold import Calibration


def rank_anomalies(opened: Opened, stream: Stream, calibration: Calibration) -> AnomalyRanking:
    """Return how unlike normal images each image of `stream` is.

    Where the labels tell normal images from defects, the result holds `detections`, see
    `detection.measure_detections`.
    """
    batch_scores: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    distances: list[np.ndarray] = []
    for images in stream.batches(opened.trained.batch_size):
        codes = opened.encode(images)
        floats = opened.decode(codes)
        code_distances = calibration.normality.distances(codes)
        batch_scores.append(anomalies.scores(images, floats, code_distances))
        errors.append(metrics.squared_errors(images, floats))
        distances.append(code_distances)
    scores = np.concatenate(batch_scores)

    rows = row_fields(stream)
    detections = []
    if rows["labels"] is not None:
        detections = measure_detections(scores, rows["labels"], rows["classes"])
    return AnomalyRanking(
        scores=scores,
        errors=np.concatenate(errors),
        distances=np.concatenate(distances),
        threshold=calibration.threshold,
        description=calibration.describe(),
        normal_scores=calibration.held_out,
        detections=tuple(detections),
        **rows,
    )


def find_differences(opened: Opened, stream: Stream, indices: np.ndarray) -> Differences:
    """Return where some images differ from their reconstructions.

    `indices` (n,) say which of the images that were read, in which order.
    """
    ascending = np.sort(indices)
    originals = stream.images(ascending)[np.searchsorted(ascending, indices)]
    floats = opened.decode(opened.encode(originals))
    return Differences(originals, to_pixels(floats), anomalies.heat(originals, floats))
