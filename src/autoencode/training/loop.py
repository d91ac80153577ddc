"""The training loop: a generator of chunks and epochs, with rollback and early stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from autoencode import models
from autoencode.config import Plan
from autoencode.engines import Engine
from autoencode.images import Images
from autoencode.training.batches import feed
from autoencode.training.evaluation import evaluate
from autoencode.training.events import (
    HALVINGS,
    Best,
    BestEpoch,
    Chunk,
    Diverged,
    Epoch,
    Position,
    Rollback,
)
from autoencode.training.pace import Pace, chunks, compile_programs

# An epoch's loss that is so many times the lowest so far, and above the first, has diverged; so has
# one that is clearly above the first, since outputs between 0 and 1 bound the squared error:
# saturated models end at 1.4 times the first. Judged by whole epochs, so that it does not depend on
# where chunks end; the first epoch against its first step.
DIVERGED_TIMES = 10.0
ABOVE_FIRST = 1.25
# Below that loss, 30 dB, a model that starts as PCA has not diverged: its start may be perfect.
PCA_FLOOR = 1e-3
# The best epoch is kept, and not PCA, as which some models start, where its hold-out error is that
# much lower: images held out of photographs are like those trained on, and flatter by 5 to 12 %
# (docs/performance.md, "Defaults"). Of fewer than 20, one alone may make that difference. PCA is
# fitted on all training images once more.
CLEARLY_BETTER = 0.05
# Training stops when the hold-out error has not improved for that share of all epochs, and for ten.
# Epochs in the first half of a falling learning rate do not count: there the error often rises
# above that of the start, and falls below it at lower rates (0.95 of PCA's on photograph patches).
PATIENCE_SHARE = 0.3
MIN_PATIENCE = 10


def train(
    engine: Engine,
    images: Images,
    plan: Plan,
    start: Position | None = None,
    good: list[np.ndarray] | None = None,
    best: list[np.ndarray] | None = None,
) -> Iterator[Chunk | Epoch | Rollback | BestEpoch]:
    """Return an iterator over the epochs of a training, their chunks before them, and rollbacks.

    With held-out images, `BestEpoch` comes last, unless the iteration is stopped early. To resume
    from `start`, the engine has been given its state there; `good` is the state at the end of the
    epoch before, `best` that at the end of the best one. The end is then bit for bit that of a
    training that was never interrupted. The iterator raises `Diverged` where the loss becomes NaN
    or infinite, or diverges, after the learning rate has been halved three times.
    """
    good = good or engine.state()
    return _events(engine, images, plan, start or Position(), good, best or good)


def _events(
    engine: Engine,
    images: Images,
    plan: Plan,
    position: Position,
    good: list[np.ndarray],
    best: list[np.ndarray],
) -> Iterator[Chunk | Epoch | Rollback | BestEpoch]:
    count = len(images.train)
    starts_as_pca = models.find(plan.model).starts_as_pca
    if images.holdout is not None and position == Position() and starts_as_pca:
        error = evaluate(engine, images.holdout, 0).error
        position = replace(position, best=Best(0, error, start=error))
    rows = feed(engine, images.train, plan.batch_size)
    pace = Pace()
    compiling = None
    with ThreadPoolExecutor(1) as beside:
        while position.number <= plan.epochs and not _is_exhausted(position, plan):
            before = position
            started = time.perf_counter() - position.seconds
            # Else only the evaluation is left.
            if position.step * plan.batch_size < count:
                rows.begin(plan.seed, position.number, position.step * plan.batch_size)
                compiling = compiling or beside.submit(compile_programs, engine, rows, images, plan)
            for chunk in chunks(rows, position, count, plan.batch_size, pace):
                position = chunk.position
                if not math.isfinite(chunk.loss):
                    break
                yield chunk
            floor = PCA_FLOOR if starts_as_pca else 0.0
            what = _diverged(position.total / count, position, warming_up(plan), floor)
            epoch = None if what else _epoch(engine, images, plan, position, started)
            if epoch and not math.isfinite(epoch.val_loss):
                what = f"val_loss became {epoch.val_loss}"
            if epoch and not what:
                good = engine.state()
                position = epoch.position
                if position.best is not None and position.best.epoch == epoch.number:
                    best = good
                yield epoch
            else:
                what = f"epoch {position.number}: {what}"
                good, position = _roll_back(engine, good, before, what, plan)
                yield Rollback(what, position)
    if position.best is not None:
        yield _restore_best(engine, images, plan, position, position.best, best)


def _is_exhausted(position: Position, plan: Plan) -> bool:
    """Whether the hold-out error has not improved for so long that it will not any more."""
    if position.best is None or position.step:
        return False
    patience = max(MIN_PATIENCE, math.ceil(PATIENCE_SHARE * plan.epochs))
    first = 0 if plan.schedule == "constant" else plan.epochs // 2
    return position.number - 1 - max(position.best.epoch, first) >= patience


def _restore_best(
    engine: Engine,
    images: Images,
    plan: Plan,
    position: Position,
    best: Best,
    state: list[np.ndarray],
) -> BestEpoch:
    """Give the engine the weights to keep: `state`, those of the `best` epoch, or PCA's.

    PCA is fitted on all training images, those held out too.
    """
    held_out = images.holdout
    # Or there is no best epoch.
    assert held_out is not None
    if best.start is not None and not _is_clearly_better(best, best.start, len(held_out)):
        # A training resumed here has not copied the engine's state into the model yet.
        engine.update_model()
        models.initialise(plan.model, engine.model, np.concatenate([images.train, held_out]))
        engine.read_model()
        evaluation = evaluate(engine, images.test, plan.examples)
        return BestEpoch(0, None, best.start, evaluation, position)
    engine.restore(state)
    engine.update_model()
    evaluation = evaluate(engine, images.test, plan.examples)
    return BestEpoch(best.epoch, position.losses[best.epoch - 1], best.error, evaluation, position)


def _is_clearly_better(best: Best, start: float, held_out: int) -> bool:
    """Whether the error on so many held-out images fell far enough below that at the start."""
    return best.error < (1 - max(CLEARLY_BETTER, 1 / held_out)) * start


def warming_up(plan: Plan) -> int:
    """Return over how many epochs the loss grows by design, since the variational term does."""
    return 0 if plan.variational is None else math.ceil(plan.warm_up)


def _diverged(loss: float, position: Position, warming: int, floor: float = 0.0) -> str:
    """Return what is wrong with the loss of an epoch, given those before it.

    The text is empty where it is well, as below `floor`.
    """
    if loss < floor:
        return ""
    if not math.isfinite(loss):
        return f"the loss became {loss}"
    if not position.losses:
        # One batch says little: only a multiple of it counts; and nothing where its loss lacked a
        # term that grows since.
        before = () if warming else (position.first,)
        first = math.inf
    else:
        before = position.losses[warming:]
        first = ABOVE_FIRST * before[0] if before else math.inf
    if before and loss > min(first, max(DIVERGED_TIMES * min(before), before[0])):
        return (
            f"the loss rose to {loss:.4g}, from {before[0]:.4g} at first "
            f"and {min(before):.4g} at best"
        )
    return ""


def _roll_back(
    engine: Engine, good: list[np.ndarray], start: Position, what: str, plan: Plan
) -> tuple[list[np.ndarray], Position]:
    """Roll the engine back to the last good epoch, at half the learning rate.

    Returns that state and its position.
    """
    engine.restore(good)
    setbacks = (*start.setbacks, what)
    if len(setbacks) > HALVINGS:
        engine.update_model()
        raise Diverged(
            f"{what}, with the learning rate halved {HALVINGS} times: it is most likely still far "
            "too high, or the loss has no bound; try a `learning_rate` below an eighth of "
            f"{plan.learning_rate}, or another `loss`. "
            "Earlier epochs are kept."
        )
    engine.scale_learning_rate(0.5)
    position = Position(
        start.number,
        first=start.first,
        losses=start.losses,
        setbacks=setbacks,
        best=start.best,
    )
    return engine.state(), position


def _epoch(engine: Engine, images: Images, plan: Plan, position: Position, started: float) -> Epoch:
    evaluation = evaluate(engine, images.test, plan.examples)
    engine.update_model()
    count = len(images.train)
    loss = position.total / len(images.train)
    holdout_loss = None
    best = position.best
    if images.holdout is not None:
        holdout_loss = evaluate(engine, images.holdout, 0).error
        best = _best_of(best, position.number, holdout_loss)
    return Epoch(
        number=position.number,
        steps=position.step,
        seconds=time.perf_counter() - started,
        step_seconds=position.seconds / position.step,
        images_per_second=count / position.seconds,
        loss=loss,
        val_loss=evaluation.error,
        originals=np.asarray(images.test[: plan.examples]),
        reconstructions=evaluation.examples,
        evaluation=evaluation,
        model=engine.model,
        position=Position(
            position.number + 1,
            first=position.first,
            losses=(*position.losses, loss),
            setbacks=position.setbacks,
            best=best,
        ),
        holdout_loss=holdout_loss,
    )


def _best_of(best: Best | None, epoch: int, error: float) -> Best:
    """Return the better one of the best epoch so far and one with that hold-out error."""
    if best is None:
        return Best(epoch, error)
    return replace(best, epoch=epoch, error=error) if error < best.error else best
