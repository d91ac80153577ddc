"""The loop, as a generator: the epochs of a training, one by one, and the chunks that they are made of.

Knows the engine's contract and arrays; no file, no picture and no screen. Stopping early is `break`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from autoencode import models
from autoencode.config import Config
from autoencode.engines import Engine
from autoencode.errors import AutoencodeError
from autoencode.feeding import Feed, feed
from autoencode.images import Images, evenly
from autoencode.system.memmap import release

if TYPE_CHECKING:
    import keras

CHUNK_SECONDS = 0.25  # so that a bar moves four times a second
HALVINGS = 3  # of the learning rate, before a training is given up
# An epoch's loss that is so many times the lowest so far, and above the first, has exploded; so has one that is clearly
# above the first, since outputs between 0 and 1 bound the squared error: saturated models end at 1.4 times the first.
# Judged by whole epochs, so that it does not depend on where chunks end; the first epoch against its first step.
EXPLODED, ABOVE_FIRST = 10.0, 1.25
# Below that loss, 30 dB, a model that starts as PCA has not exploded: its start may be perfect.
PCA_FLOOR = 1e-3
EVALUATION_VALUES = 2**20  # pixels in a batch of test images: 4 MB as float32
MOST_VALUES = 2**26  # pixels of training images that are looked at once the model is trained
# An epoch counts as better than PCA, as which some models start, where its hold-out error is that
# much lower: less may be chance, and PCA is fitted on all training images once more.
BEATS_START = 0.98
# Training stops when the hold-out error has not improved for that share of all epochs, and for ten.
# Epochs in the first half of a falling learning rate do not count: there the error often rises
# above that of the start, and falls below it at lower rates (0.95 of PCA's on photograph patches).
PATIENCE_SHARE, MIN_PATIENCE = 0.3, 10
MEASURED_STEPS = 16  # by which the seconds of an epoch are estimated


@dataclass(frozen=True)
class Position:
    """Where a training stands: with an engine's state, all that decides how it goes on.

    `step` steps of epoch `number` are done in `seconds`; `total` is the sum of their losses, each times the images of its
    batch, `first` the loss of the very first step. `losses` are those of the epochs before, `setbacks` what made the
    learning rate be halved.
    """

    number: int = 1
    step: int = 0
    total: float = 0.0
    seconds: float = 0.0
    first: float = 0.0
    losses: tuple[float, ...] = ()
    setbacks: tuple[str, ...] = ()
    best: Best | None = None


@dataclass(frozen=True)
class Best:
    """The epoch with the lowest error on the held-out images so far, and that error.

    Epoch 0 is the untrained model, where it starts as PCA.
    """

    epoch: int
    error: float


@dataclass(frozen=True)
class Chunk:
    """A part of an epoch: `step` of `steps` are done in `seconds`, at a mean `loss` since the epoch began.

    `position` is where to go on from, here and in the other events.
    """

    number: int
    step: int
    steps: int
    seconds: float
    loss: float
    position: Position


@dataclass(frozen=True)
class Setback:
    """The loss became no number, or exploded: the engine is back at the end of the epoch before, at half the learning rate."""

    what: str
    position: Position

    def __str__(self) -> str:
        number, halvings = self.position.number, len(self.position.setbacks)
        where = f"the end of epoch {number - 1}" if number > 1 else "the start"
        return f"{self.what}; back to {where}, at half the learning rate ({halvings} of {HALVINGS})"


class Diverged(AutoencodeError):
    """The loss became no number, or exploded, once more after `HALVINGS`; the engine's state is the last good one."""


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of a set of images.

    `examples` are the reconstructions of the first few, uint8 (E, H, W, C), `errors` the mean squared errors of all,
    float32 (N,), `codes` float32 (N, code), `least` and `largest` the extremes of the outputs before they were cut to [0, 1].
    """

    examples: np.ndarray
    errors: np.ndarray
    codes: np.ndarray
    least: float
    largest: float

    @property
    def error(self) -> float:
        """The mean squared error over all images."""
        return float(self.errors.mean(dtype=np.float64))


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images, and what the model makes of the test images after it.

    `number` counts from 1. `loss` is the objective's mean over the training images while they were trained on, `val_loss` the
    mean squared error over all test images, pixels in [0, 1], `holdout_loss` that over the held-out training images, if any. `seconds` holds training and evaluation, `step_seconds` one
    optimizer step; `evaluation` says more of the test images. `originals` and `reconstructions` are uint8 (E, H, W, C), the first E test images. `model` is the
    Keras model with the weights of this epoch, until the next epoch is asked for.
    """

    number: int
    steps: int
    seconds: float
    step_seconds: float
    images_per_second: float
    loss: float
    val_loss: float
    originals: np.ndarray
    reconstructions: np.ndarray
    evaluation: Evaluation
    model: keras.Model
    position: Position
    holdout_loss: float | None = None


@dataclass(frozen=True)
class BestEpoch:
    """The end of a training with held-out images: the engine has the weights of the best epoch.

    `epoch` is 0 where no epoch was better than PCA, and the model is PCA, fitted on all training
    images. `loss` is that epoch's, None for epoch 0; `holdout_loss` the mean squared error over
    the held-out images, `evaluation` what the model makes of the test images.
    """

    epoch: int
    loss: float | None
    holdout_loss: float
    evaluation: Evaluation
    position: Position

    def __str__(self) -> str:
        if self.epoch == 0:
            return (
                "no epoch reconstructs the held-out images 2 % better than PCA: the model is PCA, "
                f"fitted on all training images, val_loss {self.evaluation.error:.4f}"
            )
        return (
            f"the weights of epoch {self.epoch} are kept: lowest error on the held-out images "
            f"({self.holdout_loss:.4f}), val_loss {self.evaluation.error:.4f}"
        )


def train(
    engine: Engine,
    images: Images,
    config: Config,
    start: Position | None = None,
    good: list[np.ndarray] | None = None,
    best: list[np.ndarray] | None = None,
) -> Iterator[Chunk | Epoch | Setback | BestEpoch]:
    """Return an iterator over every epoch of a training, its chunks before it, and what set it back.

    With held-out images, `BestEpoch` comes last, unless the iteration is stopped early.
    To go on from `start`, the engine has been given its state there; `good` is the state at the end of the epoch before,
    `best` that at the end of the best one.
    The end is then bit for bit that of a training that was never interrupted.
    The iterator raises `Diverged` where the loss becomes no number, or explodes, after the learning rate has been halved
    three times.
    """
    good = good or engine.state()
    return _events(engine, images, config, start or Position(), good, best or good)


def _events(
    engine: Engine,
    images: Images,
    config: Config,
    position: Position,
    good: list[np.ndarray],
    best: list[np.ndarray],
) -> Iterator[Chunk | Epoch | Setback | BestEpoch]:
    count = len(images.train)
    starts_as_pca = models.find(config.model).starts_as_pca
    if images.holdout is not None and position == Position() and starts_as_pca:
        error = evaluate(engine, images.holdout, 0).error
        position = replace(position, best=Best(0, error))
    rows, pace, compiling = feed(engine, images.train, config.batch_size), _Pace(), None
    with ThreadPoolExecutor(1) as beside:
        while position.number <= config.epochs and not _is_exhausted(position, config):
            before, started = position, time.perf_counter() - position.seconds
            if position.step * config.batch_size < count:  # else only the evaluation is left
                rows.begin(config.seed, position.number, position.step * config.batch_size)
                compiling = compiling or beside.submit(_compile, engine, rows, images, config)
            for chunk in _chunks(rows, position, count, config.batch_size, pace):
                position = chunk.position
                if not math.isfinite(chunk.loss):
                    break
                yield chunk
            floor = PCA_FLOOR if starts_as_pca else 0.0
            what = _diverged(position.total / count, position, warming_up(config), floor)
            epoch = None if what else _epoch(engine, images, config, position, started)
            if epoch and math.isfinite(epoch.val_loss):
                good, position = engine.state(), epoch.position
                if position.best is not None and position.best.epoch == epoch.number:
                    best = good
                yield epoch
            else:
                what = f"epoch {position.number}: {what or f'val_loss became {epoch.val_loss}'}"
                good, position = _set_back(engine, good, before, what, config)
                yield Setback(what, position)
    if position.best is not None:
        yield _restore_best(engine, images, config, position, best)


def _is_exhausted(position: Position, config: Config) -> bool:
    """Whether the hold-out error has not improved for so long that it will not any more."""
    if position.best is None or position.step:
        return False
    patience = max(MIN_PATIENCE, math.ceil(PATIENCE_SHARE * config.epochs))
    first = 0 if config.schedule == "constant" else config.epochs // 2
    return position.number - 1 - max(position.best.epoch, first) >= patience


def _restore_best(
    engine: Engine, images: Images, config: Config, position: Position, best: list[np.ndarray]
) -> BestEpoch:
    """Give the engine the weights of the best epoch, or, where that is the start, PCA of all training images."""
    found = position.best
    loss = position.losses[found.epoch - 1] if found.epoch else None
    if found.epoch:
        engine.restore(best)
        engine.update_model()
    else:
        everything = np.concatenate([images.train, images.holdout])
        models.initialise(config.model, engine.model, everything)
        engine.read_model()
    evaluation = evaluate(engine, images.test, config.examples)
    return BestEpoch(found.epoch, loss, found.error, evaluation, position)


def _compile(engine: Engine, rows: Feed, images: Images, config: Config) -> None:
    """Compile what the end of the first epoch needs while its start runs.

    Should that fail, it will again where it is used, and be told there.
    """
    rest = len(images.train) % config.batch_size or config.batch_size
    engine.compile(rows.images, rows.order, rest, next(_batches(images.test)))


def warming_up(config: Config) -> int:
    """Return over how many epochs the loss grows by design, since the variational term does."""
    return 0 if config.variational is None else math.ceil(config.warm_up)


def _diverged(loss: float, position: Position, warming: int, floor: float = 0.0) -> str:
    """What is wrong with the loss of an epoch, given those before it; nothing where it is well, as below `floor`."""
    if loss < floor:
        return ""
    if not math.isfinite(loss):
        return f"the loss became {loss}"
    if not position.losses:
        # One batch says little: only a multiple of it counts; and nothing where its loss lacked a term that grows since.
        before, first = () if warming else (position.first,), math.inf
    else:
        before = position.losses[warming:]
        first = ABOVE_FIRST * before[0] if before else math.inf
    if before and loss > min(first, max(EXPLODED * min(before), before[0])):
        return f"the loss rose to {loss:.4g}, from {before[0]:.4g} at first and {min(before):.4g} at best"
    return ""


def _set_back(
    engine: Engine, good: list[np.ndarray], start: Position, what: str, config: Config
) -> tuple[list[np.ndarray], Position]:
    """Put the engine back to the last good epoch at half the learning rate; return that state and where it stands."""
    engine.restore(good)
    setbacks = (*start.setbacks, what)
    if len(setbacks) > HALVINGS:
        engine.update_model()
        raise Diverged(
            f"{what}, with the learning rate halved {HALVINGS} times: it is most likely still far too high, or the loss "
            f"has no bound; try a --learning-rate below an eighth of {config.learning_rate}, or another --loss. "
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


def _epoch(
    engine: Engine, images: Images, config: Config, position: Position, started: float
) -> Epoch:
    evaluation = evaluate(engine, images.test, config.examples)
    engine.update_model()
    count, loss = len(images.train), position.total / len(images.train)
    holdout_loss, best = None, position.best
    if images.holdout is not None:
        holdout_loss = evaluate(engine, images.holdout, 0).error
        if _is_better(holdout_loss, best):
            best = Best(position.number, holdout_loss)
    return Epoch(
        number=position.number,
        steps=position.step,
        seconds=time.perf_counter() - started,
        step_seconds=position.seconds / position.step,
        images_per_second=count / position.seconds,
        loss=loss,
        val_loss=evaluation.error,
        originals=np.asarray(images.test[: config.examples]),
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


def _is_better(error: float, best: Best | None) -> bool:
    if best is None:
        return True
    return error < (best.error if best.epoch else BEATS_START * best.error)


def epoch_seconds(engine: Engine, images: Images, config: Config) -> float:
    """Return about how long an epoch takes, in seconds; the engine's state is the same afterwards."""
    size = config.batch_size
    rows = engine.place(np.asarray(images.train[: MEASURED_STEPS * size]))
    count = min(len(images.train), MEASURED_STEPS * size)
    order = engine.place(np.arange(count, dtype=np.int32))
    steps = count // size
    state = engine.state()

    def measure() -> tuple[float, float]:
        began = time.perf_counter()
        engine.train(rows, order, 0, steps, size)
        trained = time.perf_counter()
        for part in (images.test, images.holdout):
            if part is not None:
                evaluate(engine, part, config.examples)
        return (trained - began) / steps, time.perf_counter() - trained

    measure()  # compiles
    step, evaluation = (min(one) for one in zip(measure(), measure(), strict=True))
    engine.restore(state)
    return math.ceil(len(images.train) / size) * step + evaluation


def evaluate(engine: Engine, images: np.ndarray, examples: int) -> Evaluation:
    """Return what the engine's model makes of uint8 (N, H, W, C); the reconstructions of the first `examples` are kept."""
    first, codes, errors, extremes = [], [], [], []
    for batch in _batches(images):
        redrawn = engine.reconstruct(batch)
        if sum(map(len, first)) < examples:
            first.append(redrawn.images)
        codes.append(redrawn.codes)
        errors.append(redrawn.errors)
        extremes += [float(redrawn.least), float(redrawn.largest)]
    release(images)
    count = len(images)
    return Evaluation(
        examples=np.concatenate(first)[: min(examples, count)]
        if first
        else np.empty((0, *images.shape[1:]), np.uint8),
        errors=np.concatenate(errors)[:count],
        codes=np.concatenate(codes)[:count],
        least=min(extremes),
        largest=max(extremes),
    )


def train_error(engine: Engine, images: Images) -> float:
    """Return the mean squared error of training images, undisturbed: as many as there are test images at most, drawn evenly."""
    most = max(1, MOST_VALUES // math.prod(images.shape))
    drawn = images.train[evenly(len(images.train), min(len(images.test), most))]
    release(images.train)
    return evaluate(engine, drawn, 0).error


def _batches(images: np.ndarray) -> Iterator[np.ndarray]:
    """Batches of one shape, so that they need one compiled program: the last is filled up with its last image."""
    largest = max(1, EVALUATION_VALUES // math.prod(images.shape[1:]))
    size = math.ceil(len(images) / math.ceil(len(images) / largest))
    for first in range(0, len(images), size):
        batch = images[first : first + size]
        yield np.concatenate([batch, batch[-1:].repeat(size - len(batch), 0)])


@dataclass
class _Pace:
    """How many steps the next chunk takes, so that it lasts about `CHUNK_SECONDS`; the first is one step alone."""

    steps: int = 1

    def measure(self, steps: int, seconds: float) -> None:
        fitting = int(steps * CHUNK_SECONDS / max(seconds, 1e-9))
        self.steps = max(1, min(fitting, 4 * self.steps))


def _chunks(
    rows: Feed, position: Position, count: int, batch_size: int, pace: _Pace
) -> Iterator[Chunk]:
    whole, rest = divmod(count, batch_size)
    steps = whole + (rest > 0)
    step, total, started = position.step, position.total, time.perf_counter() - position.seconds
    while step < steps:
        before = time.perf_counter()
        first = step * batch_size
        fitting = rows.ready(first) // batch_size  # whole batches; none where only the rest is left
        most = pace.steps if position.first else 1  # so that `first` does not depend on the pace
        taken, size = (min(most, fitting), batch_size) if fitting else (1, rest)
        total = rows.train(first, taken, size, total)
        if size == batch_size:  # the one step of the rest says nothing of a whole chunk
            pace.measure(taken, time.perf_counter() - before)
        step += taken
        seconds, seen = time.perf_counter() - started, min(step * batch_size, count)
        first_loss = position.first or total / seen
        position = replace(position, step=step, total=total, seconds=seconds, first=first_loss)
        yield Chunk(position.number, step, steps, seconds, total / seen, position)
