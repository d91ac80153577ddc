"""The strangest images of a source first, by what normal images are like: anomalies. Knows streams and places; no screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoencode import anomalies, measures, pictures
from autoencode.anomalies import Normality
from autoencode.data import streaming
from autoencode.data.loading import Progress, Rows
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, UsageError
from autoencode.images import Skipped, to_pixels
from autoencode.trained import KEPT_CODES
from autoencode.verbs import Opened, outputs
from autoencode.verbs.coding import codes_of, columns
from autoencode.verbs.outputs import Place


@dataclass(frozen=True)
class Alarm:
    """A score above which an image is an anomaly, and what it does on normal images.

    One half of `held_out` scores, those of normal images that the model was not trained on, set the `threshold`; of the
    other half, `measured` in number, `rate` lie above it. `skipped` are normal images that could not be read.
    """

    normality: Normality
    codes: int
    held_out: np.ndarray
    threshold: float
    rate: float
    skipped: tuple[Skipped, ...] = ()

    @property
    def measured(self) -> int:
        """How many held-out images the rate was measured on."""
        return len(self.held_out) // 2

    def measures(self, false_alarms: float) -> bool:
        """Whether these are enough to measure a rate of `false_alarms`: one of them may be expected above the threshold."""
        return self.measured * false_alarms >= 1


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
    codes, part, skipped = opened.saved.codes, "all", []
    if codes is None:
        train = streaming.stream(rows, opened.trained.shape, part="train", most=KEPT_CODES, **words)
        codes, part, skipped = codes_of(opened, train), "test", train.skipped
    normality = Normality(codes)
    test = streaming.stream(rows, opened.trained.shape, part=part, **words)
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
    return Alarm(normality, len(codes), held_out, threshold, rate, skipped)


def rank(opened: Opened, stream: Stream, alarm: Alarm, place: Place, *, examples: int = 10) -> dict[str, int]:
    """Write all images, the strangest first, and pictures of the first `examples` and of all scores.

    The table has the columns `name`, `label` where there are labels, `score`, `anomaly` (1 above the threshold, else 0),
    `error`, the mean squared error with pixels in [0, 1], and `distance`, that of the code. The first picture shows where an
    image differs from its reconstruction, the second the scores beside those of normal images. Returns the number of
    `images` and of `anomalies`.
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
    return {"images": len(order), "anomalies": int(strange.sum())}


def _shown(opened: Opened, stream: Stream, places: np.ndarray) -> dict[str, np.ndarray]:
    """Originals, reconstructions and heat of the images at `places`, in that order, by the name of the row."""
    ascending = np.sort(places)
    originals = stream.images(ascending)[np.searchsorted(ascending, places)]
    floats = opened.decode(opened.encode(originals))
    heat = anomalies.heat(originals, floats)
    return {"strangest": originals, "redrawn": to_pixels(floats), "difference": pictures.coloured(heat)}
