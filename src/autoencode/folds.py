"""Anomaly scores of normal images by models that were not trained on them.

They set a threshold where no other normal images are left for that, see `inference.threshold`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autoencode import pipeline
from autoencode.config import Config
from autoencode.images import Images
from autoencode.inference.anomalies import Normality
from autoencode.inference.trained import Trained
from autoencode.training import train

FOLDS = 5


def score_by_folds(
    images: np.ndarray,
    config: Config,
    engine_name: str,
    *,
    folds: int = FOLDS,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return the anomaly score of each of uint8 images (N, H, W, C), float64 (N,).

    The images are split into `folds` by the seed of `config`. For each, a model is trained by the
    resolved `config` on all others and scores it, as in cross-conformal prediction (Barber and
    others, "Predictive inference with the jackknife+", Annals of Statistics 49, 2021, 486-507,
    section 3: CV+). `progress` is called with how many folds of how many are scored.
    Raises `Diverged` where a training fails.

    >>> score_by_folds(images, Config(model="dense", epochs=2), "jax").shape  # doctest: +SKIP
    (300,)
    """
    from sklearn.model_selection import KFold

    scores = np.empty(len(images))
    parts = KFold(folds, shuffle=True, random_state=config.seed).split(images)
    for number, (kept, left) in enumerate(parts, start=1):
        fold = Images(f"fold {number}", images[kept], images[left])
        fold, resolved = pipeline.fit(fold, config, tutorial=True, cut_batches=True)
        engine = pipeline.start(engine_name, fold, resolved)
        for _ in train(engine, fold, resolved):
            pass

        model = Trained(engine.model)
        normality = Normality(model.encode(images[kept]))
        scores[left] = normality.scores(model, images[left])
        if progress is not None:
            progress(number, folds)
    return scores
