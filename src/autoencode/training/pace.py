"""How many steps a chunk has, and how long an epoch takes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from autoencode.config import Plan
from autoencode.engines import Engine
from autoencode.images import Images
from autoencode.training.batches import Feed
from autoencode.training.evaluation import batches_of, evaluate
from autoencode.training.events import Chunk, Position

# Seconds of a chunk, so that a bar moves four times a second.
CHUNK_SECONDS = 0.25
# Steps by which the seconds of an epoch are estimated.
MEASURED_STEPS = 16


def compile_programs(engine: Engine, rows: Feed, images: Images, plan: Plan) -> None:
    """Compile what the end of the first epoch needs while its start runs.

    Should that fail, it will again where it is used, and be reported there.
    """
    rest = len(images.train) % plan.batch_size or plan.batch_size
    engine.compile(rows.images, rows.order, rest, next(batches_of(images.test)))


def epoch_seconds(engine: Engine, images: Images, plan: Plan) -> float:
    """Return about how long an epoch takes, in seconds; the engine's state stays the same."""
    size = plan.batch_size
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
                evaluate(engine, part, plan.examples)
        return (trained - began) / steps, time.perf_counter() - trained

    # The first call compiles.
    measure()
    step, evaluation = (min(one) for one in zip(measure(), measure(), strict=True))
    engine.restore(state)
    return math.ceil(len(images.train) / size) * step + evaluation


@dataclass
class Pace:
    """How many steps the next chunk takes, so that it lasts about `CHUNK_SECONDS`.

    The first is one step alone.
    """

    steps: int = 1

    def measure(self, steps: int, seconds: float) -> None:
        """Take account of `steps` that took `seconds`; a chunk grows fourfold at most."""
        fitting = int(steps * CHUNK_SECONDS / max(seconds, 1e-9))
        self.steps = max(1, min(fitting, 4 * self.steps))


def chunks(
    rows: Feed, position: Position, count: int, batch_size: int, pace: Pace
) -> Iterator[Chunk]:
    """Train the rest of an epoch of `count` images from `position` on, chunk by chunk."""
    whole, rest = divmod(count, batch_size)
    steps = whole + (rest > 0)
    step = position.step
    total = position.total
    started = time.perf_counter() - position.seconds
    while step < steps:
        before = time.perf_counter()
        first = step * batch_size
        # Whole batches; none where only the rest is left.
        fitting = rows.ready(first) // batch_size
        # So that `first` does not depend on the pace.
        most = pace.steps if position.first else 1
        taken, size = (min(most, fitting), batch_size) if fitting else (1, rest)
        total = rows.train(first, taken, size, total)
        # The one step of the rest says nothing of a whole chunk.
        if size == batch_size:
            pace.measure(taken, time.perf_counter() - before)
        step += taken
        seconds = time.perf_counter() - started
        seen = min(step * batch_size, count)
        first_loss = position.first or total / seen
        position = replace(position, step=step, total=total, seconds=seconds, first=first_loss)
        yield Chunk(position.number, step, steps, seconds, total / seen, position)
