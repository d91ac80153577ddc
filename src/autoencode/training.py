"""The loop, as a generator: the epochs of a training, one by one, and the chunks that they are made of.

Knows the engine's contract and arrays; no file, no picture and no screen. Stopping early is `break`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoencode.config import Config
from autoencode.engines import Engine
from autoencode.errors import AutoencodeError, UsageError
from autoencode.feeding import Feed, feed
from autoencode.images import Images
from autoencode.mapped import release

if TYPE_CHECKING:
    import keras

CHUNK_SECONDS = 0.25  # so that a bar moves four times a second
EVALUATION_VALUES = 2**20  # pixels in a batch of test images: 4 MB as float32


@dataclass(frozen=True)
class Chunk:
    """A part of an epoch: `step` of `steps` are done in `seconds`, at a mean `loss` since the epoch began."""

    number: int
    step: int
    steps: int
    seconds: float
    loss: float


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
    mean squared error over all test images, pixels in [0, 1]. `seconds` holds training and evaluation, `step_seconds` one
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


def train(engine: Engine, images: Images, config: Config) -> Iterator[Chunk | Epoch]:
    """Return an iterator over every epoch of a training, and its chunks before it.

    Raises `UsageError` at once where the batch is larger than the data; the iterator raises `AutoencodeError` where the
    loss is no longer a number.
    """
    count = len(images.train)
    if config.batch_size > count:
        raise UsageError(
            f"--batch-size {config.batch_size} is larger than the {count} training images of {images.name}: "
            f"choose at most {count}."
        )
    return _events(engine, images, config)


def _events(engine: Engine, images: Images, config: Config) -> Iterator[Chunk | Epoch]:
    count = len(images.train)
    rows = feed(engine, images.train, config.batch_size)
    pace = _Pace()
    rest = count % config.batch_size or config.batch_size
    with ThreadPoolExecutor(1) as beside:
        for number in range(1, config.epochs + 1):
            started = time.perf_counter()
            rows.begin(config.seed, number)
            if number == 1:
                # What the end of the first epoch needs is compiled while its start runs. Should that fail, it will
                # again where it is used, and be told there.
                beside.submit(engine.compile, rows.images, rows.order, rest, next(_batches(images.test)))
            for chunk in _chunks(rows, number, count, config.batch_size, pace):
                if not math.isfinite(chunk.loss):
                    raise AutoencodeError(
                        f"the loss became {chunk.loss} in epoch {number}; it must stay a number: "
                        f"try a --learning-rate below {config.learning_rate}. Earlier epochs are kept."
                    )
                yield chunk
            evaluation = evaluate(engine, images.test, config.examples)
            engine.update_model()
            yield Epoch(
                number=number,
                steps=chunk.steps,
                seconds=time.perf_counter() - started,
                step_seconds=chunk.seconds / chunk.steps,
                images_per_second=count / chunk.seconds,
                loss=chunk.loss,
                val_loss=evaluation.error,
                originals=np.asarray(images.test[: config.examples]),
                reconstructions=evaluation.examples,
                evaluation=evaluation,
                model=engine.model,
            )


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
        examples=np.concatenate(first)[: min(examples, count)] if first else np.empty((0, *images.shape[1:]), np.uint8),
        errors=np.concatenate(errors)[:count],
        codes=np.concatenate(codes)[:count],
        least=min(extremes),
        largest=max(extremes),
    )


def _batches(images: np.ndarray) -> Iterator[np.ndarray]:
    """Batches of one shape, so that they need one compiled program: the last is filled up with its last image."""
    largest = max(1, EVALUATION_VALUES // math.prod(images.shape[1:]))
    size = math.ceil(len(images) / math.ceil(len(images) / largest))
    for first in range(0, len(images), size):
        batch = images[first : first + size]
        yield np.concatenate([batch, batch[-1:].repeat(size - len(batch), 0)])


@dataclass
class _Pace:
    """How many steps the next chunk takes, so that it lasts about `CHUNK_SECONDS`."""

    steps: int = 8

    def measure(self, steps: int, seconds: float) -> None:
        fitting = int(steps * CHUNK_SECONDS / max(seconds, 1e-9))
        self.steps = max(1, min(fitting, 4 * self.steps))


def _chunks(rows: Feed, number: int, count: int, batch_size: int, pace: _Pace) -> Iterator[Chunk]:
    whole, rest = divmod(count, batch_size)
    steps = whole + (rest > 0)
    step, total, started = 0, 0.0, time.perf_counter()
    while step < steps:
        before = time.perf_counter()
        first = step * batch_size
        fitting = rows.ready(first) // batch_size  # whole batches; none where only the rest is left
        taken, size = (min(pace.steps, fitting), batch_size) if fitting else (1, rest)
        total += rows.train(first, taken, size)
        if size == batch_size:  # the one step of the rest says nothing of a whole chunk
            pace.measure(taken, time.perf_counter() - before)
        step += taken
        seen = min(step * batch_size, count)
        yield Chunk(number, step, steps, time.perf_counter() - started, total / seen)
