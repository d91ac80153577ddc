"""The command that ranks images by how unlike normal ones they are: anomalies."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from autoencode.cli.model_command import (
    Count,
    ModelCommand,
    ModelPath,
    Reading,
    Reads,
    SourceName,
    Writes,
    running,
)
from autoencode.cli.screen import app
from autoencode.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from autoencode.runs import Run

MAX_FOLD_SECONDS = 60  # of one training, beyond which five more need --folds


@app.command
def anomalies(
    model: ModelPath,
    source: SourceName,
    *,
    normal: str | None = None,
    false_alarms: float = 0.01,
    folds: bool | None = None,
    examples: Count = 10,
    reading: Reads = None,
    writing: Writes = None,
) -> None:
    """Rank images, the strangest first: a table, a picture of where they differ, a chart of scores.

    Where a class of the source is called good, normal or ok, in any case, the AUROC of each other
    class against it is printed.

    Parameters
    ----------
    normal
        Normal images: a threshold is set on those for testing, where they are enough for the rate
        of false alarms, and for a saved estimator on all of them, of which it must have been
        trained on none. Where one of its classes is called good, normal or ok, in any
        case, only the images of that are normal [default: what the model was trained on].
    false_alarms
        Share of normal images that may be taken for anomalies.
    folds
        Where normal images for testing are too few, but all of them are enough, train five models
        by the settings of this one, each without a fifth of the images, and set the threshold on
        the scores of those not trained on [default: where the model's own training took a minute at
        most].
    examples
        Images in the picture.
    """
    with running("anomalies", model, writing) as command:
        from autoencode import data
        from autoencode.cli import results
        from autoencode.inference import code_files, ranking, saved_model, threshold
        from autoencode.inference.anomalies import WARNING

        # 1. What is normal, and what is ranked.
        threshold.check_false_alarms(false_alarms)
        if command.files.format == ".parquet":
            code_files.load_parquet()  # before the work, not after
        run = command.saved.run if normal is None else None
        if folds and run is None:
            received = f"--normal {normal}" if normal else model
            raise UsageError(
                "--folds trains on what a run was trained on, by its settings: "
                f"expected a run folder and no --normal, received {received}."
            )
        known = saved_model.find_source(command.saved, normal, "--normal")
        reading = reading or Reading()
        opened, stream = command.read(source, reading)

        # 2. The threshold, and the ranking.
        config = reading.config(command.saved)
        calibration = threshold.set_threshold(
            opened,
            data.open_dataset(known, config),
            false_alarms,
            config=config,
            progress=command.progress,
            can_fold=run is not None,
            score_by_folds=None if run is None else _choose_folds(command, run, folds),
        )
        ranked = ranking.rank_anomalies(opened, stream, calibration)
        strangest = ranking.find_differences(opened, stream, ranked.order[:examples])
        results.write_ranking(command.files, ranked, strangest)

        # 3. Lines about both.
        tell = command.console.tell
        if calibration.note:
            tell(calibration.note)
        tell(f"normal: {known}; {ranked.description}")
        above = "the strangest first"
        if ranked.anomalies is not None:
            above = f"{ranked.anomalies.sum():,} above the threshold"
        # Often one source is both.
        is_same = known == source or Path(known).resolve() == Path(source).resolve()
        listed = calibration.skipped if is_same else ()
        skipped = [
            *calibration.skipped,
            *(picture for picture in ranked.skipped if picture not in listed),
        ]
        command.finish(f"{len(ranked):,} images, {above}", skipped)
        for detection in ranked.detections:
            tell(str(detection))
        if ranked.detections and normal is None and is_same and reading.part == "all":
            tell(
                "note: these normal images include those the model was trained on; "
                "--part test measures AUROC without them"
            )
        tell(f"note: {WARNING}")


def _choose_folds(
    command: ModelCommand, run: Run, given: bool | None
) -> Callable[[np.ndarray], np.ndarray] | None:
    """What scores normal images of `run` by models trained on the others.

    None where it is not wanted, or would take long without being asked for.
    """
    from autoencode import engines
    from autoencode.folds import FOLDS, score_by_folds
    from autoencode.runs import schema
    from autoencode.training import own_parts, planning

    seconds = sum(epoch["seconds"] for epoch in run.metrics())
    if given is False or (given is None and seconds > MAX_FOLD_SECONDS):
        return None
    settings = schema.settings(run.record)
    try:
        own_parts.check_own_parts(settings, run.folder)
    except UsageError as error:
        if not given:
            return None
        raise UsageError(
            f"`folds` trains more models like that of {run.folder}, which has own parts that this "
            "command does not know: do without it, or name normal images with `normal`."
        ) from error
    plan = planning.resolve(settings)
    tell = command.console.tell

    def score(images: np.ndarray) -> np.ndarray:
        minutes = math.ceil(FOLDS * seconds / 60)
        tell(
            f"training {FOLDS} models, each without a fifth of the {len(images):,} normal images, "
            f"to set a threshold: about {minutes} min; --no-folds leaves it out"
        )

        def report(done: int, total: int) -> None:
            tell(f"fold {done} of {total} scored")

        return score_by_folds(images, plan, engines.choose(command.engine), progress=report)

    return score
