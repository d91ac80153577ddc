"""A stopped run is opened again, checked, and its training goes on bit for bit."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoencode import engines, models, runs
from autoencode.config import Plan
from autoencode.errors import AutoencodeError, UsageError, reason
from autoencode.images import Images
from autoencode.runs import schema
from autoencode.runs.description import describe_images, versions
from autoencode.training import (
    Best,
    Position,
    planning,
)


@dataclass(frozen=True)
class Resumed:
    """What a stopped training resumes from: its folder, its position, and the engine's state.

    `good` is the state at the end of the epoch before, both None where there is no checkpoint yet;
    `lines` are those of metrics.jsonl. `notes` tell what the user should know.
    """

    run: runs.Run
    position: Position
    state: list[np.ndarray] | None = None
    good: list[np.ndarray] | None = None
    best: list[np.ndarray] | None = None
    lines: bytes = b""
    sequence: int = -1
    notes: tuple[str, ...] = ()


def plan_resume(
    run: runs.Run, epochs: int | None = None, *, measuring: bool = False
) -> tuple[Plan, Resumed]:
    """Return the plan of a run that stopped, and what it resumes from.

    It has its own engine, and `epochs` in all. With `measuring`, a run that has all of its epochs
    is given as well: nothing is left to train, but the engine to use. Raises `UsageError` for
    `epochs` that it has passed, and `AutoencodeError` where it is finished or damaged.
    """
    # Runs of older versions lack some settings.
    before = planning.resolve(schema.settings(run.record))
    if run.record["engine"] not in engines.MODULES:
        raise schema.damaged(
            run.folder / runs.RECORD, f"it knows no engine {run.record['engine']!r}"
        )
    plan = dataclasses.replace(before, engine=run.record["engine"], epochs=epochs or before.epochs)
    resumed = _last_checkpoint(run)
    done = resumed.position.number - 1
    if plan.epochs < done:
        raise UsageError(f"`epochs={plan.epochs}` is less than the {done} that {run.folder} holds.")
    if plan.epochs == done and run.state()["state"] == "finished" and not measuring:
        raise UsageError(
            f"{run.folder} has all of its {done} epochs: "
            f"go on with more of them by `epochs={2 * done}`."
        )
    notes = list(resumed.notes)
    if plan.epochs != before.epochs and plan.schedule in ("cosine", "linear"):
        notes.append(
            f"the {plan.schedule} schedule now ends after epoch {plan.epochs}: "
            "the learning rate continues at another position in it, "
            "and the end is not that of one training"
        )
    now = versions(plan.engine)
    changed = [name for name, version in run.record["versions"].items() if now.get(name) != version]
    if changed:
        notes.append(f"{', '.join(changed)} changed since: the end may differ in the last digits")
    return plan, dataclasses.replace(resumed, notes=tuple(notes))


def _last_checkpoint(run: runs.Run) -> Resumed:
    checkpoint, wrong = run.checkpoint()
    notes = tuple(f"{one}: resuming from the other checkpoint" for one in wrong)
    if checkpoint is None and not wrong and run.state()["state"] != "finished":
        return Resumed(run, Position(), notes=("no checkpoint was written yet: beginning anew",))
    if checkpoint is None:
        why = "; ".join(wrong) or f"{run.folder} has lost its checkpoints"
        raise AutoencodeError(f"{why}: train into a new folder.")
    try:
        lines = b"".join(part.tobytes() for part in checkpoint.arrays.get("metrics", ()))
        position = _position(
            checkpoint.notes, tuple(line["loss"] for line in runs.parse_metrics(lines))
        )
        good = checkpoint.arrays["good"]
        best = checkpoint.arrays.get("best", good)
        state = checkpoint.arrays["state"] if position.step else good
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise schema.damaged(run.folder / runs.CHECKPOINT, reason(error)) from error
    return Resumed(run, position, state, good, best, lines, checkpoint.sequence, notes)


def _position(notes: dict[str, Any], losses: tuple[float, ...]) -> Position:
    best = notes.pop("best", None)
    position = Position(
        **notes, losses=losses, best=None if best is None else _best(best, len(losses))
    )
    whole = (
        type(position.number) is int and type(position.step) is int and 0 <= position.step < 2**31
    )
    numbers = all(map(_is_finite, (position.total, position.seconds, position.first)))
    texts = isinstance(position.setbacks, list) and all(map(_is_text, position.setbacks))
    if not (whole and numbers and texts and position.number == len(losses) + 1):
        raise ValueError("it is not where a training stood")
    return dataclasses.replace(position, setbacks=tuple(position.setbacks))


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _best(notes: dict[str, Any], done: int) -> Best:
    best = Best(**notes)
    if type(best.epoch) is not int or not 0 <= best.epoch <= done:
        raise ValueError("its best epoch is invalid")
    if not isinstance(best.error, float) or not math.isfinite(best.error):
        raise ValueError("its best epoch has no error")
    return best


def restore(engine: engines.Engine, images: Images, resumed: Resumed) -> None:
    """Give `engine` the state of a resumed training.

    Raises `AutoencodeError` where the images or the model do not match.
    """
    before = resumed.run.record["images"]
    now = describe_images(images)
    if now != before:
        counts = " and ".join(
            f"{one['train']:,} + {one['test']:,} images of {one['shape']}" for one in (before, now)
        )
        same = "" if now["fingerprint"] == before["fingerprint"] else ", with other pixels"
        raise AutoencodeError(
            f"{resumed.run.folder} was trained on other images than {images.name} holds now "
            f"({counts}{same}): "
            "bring the same images back, or train into a new folder."
        )
    model = resumed.run.record["settings"]["model"]
    expected = [(array.shape, array.dtype) for array in engine.state()]
    for state in filter(None, (resumed.state, resumed.good, resumed.best)):
        if [(array.shape, array.dtype) for array in state] != expected:
            if model not in models.ARCHITECTURES:
                raise AutoencodeError(
                    f"{model} now builds another model than {resumed.run.folder} was trained "
                    "with: bring it back as it was, or train into a new folder."
                )
            raise schema.damaged(
                resumed.run.folder / runs.CHECKPOINT, "it is the state of another model"
            )
    if resumed.state:
        engine.restore(resumed.state)
