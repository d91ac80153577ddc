"""The events of a training, written into its run folder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoencode import engines, models, objectives, runs
from autoencode.config import Config, Plan
from autoencode.errors import AutoencodeError, out_of_memory, reason
from autoencode.images import Images
from autoencode.metrics import Baseline
from autoencode.runs.description import describe, describe_epoch
from autoencode.runs.resume import Resumed
from autoencode.training import (
    BestEpoch,
    Chunk,
    Diverged,
    Epoch,
    Evaluation,
    Position,
    Rollback,
    doctor,
    evaluate,
    train_error,
    warming_up,
)
from autoencode.training.findings import Finding
from autoencode.training.summary import TrainingSummary

# Seconds between two checkpoints within an epoch, at least.
CHECKPOINT_SECONDS = 10.0
# Of the time that taking and writing them may cost: a large model's are rarer.
CHECKPOINT_SHARE = 0.01
# At most, whatever they cost.
MAX_CHECKPOINT_SECONDS = 300.0


@dataclass(frozen=True)
class Training:
    """A training that is ready: images, an engine with the built model, and the events to iterate.

    `command` repeats the training, `location` is where the
    source lies, if it is a file or folder. `baseline` are the errors of PCA and of the mean
    training image on the test images, and `examined` what the doctor finds in the images; both are
    measured on another thread.
    """

    source: str
    location: str | None
    command: str
    config: Plan
    images: Images
    engine: engines.Engine
    events: Iterator[Chunk | Epoch | Rollback | BestEpoch]
    baseline: Future[Baseline]
    resumed: Resumed | None = None
    examined: Future[list[Finding]] | None = None


@dataclass(frozen=True)
class Stopped:
    """A training was asked to stop, and has a checkpoint at `position`: nothing can be lost now."""

    position: Position


def record(
    training: Training, folder: Path, stopping: Callable[[], bool] = lambda: False
) -> Generator[Chunk | Epoch | Rollback | BestEpoch | Stopped | Finding]:
    """Pass on the events of `training` and write them into the run folder `folder`.

    `runs.claim` or `runs.reclaim` gave it. Raises `AutoencodeError` at once for an own model that
    cannot be saved. What the doctor finds comes at the end. Once
    `stopping()` is true after an event, a checkpoint is written, `Stopped` is yielded, and the
    folder is finished with the epochs so far. Closing this generator early does the same; Ctrl-C
    leaves a finished folder with the checkpoint of its last epoch.
    """
    if training.config.model not in models.ARCHITECTURES:
        models.check_saving(training.engine.model)
    recorder = Recorder(training, folder)
    try:
        with memory_told(training.config):
            for event in training.events:
                recorder.note(event)
                yield event
                if isinstance(event, Epoch):
                    yield from recorder.warn(event)
                if stopping():
                    recorder.save_checkpoint(event.position)
                    recorder.writer.wait()
                    recorder.writer.set_status("stopped")
                    yield Stopped(event.position)
                    yield from recorder.finish("stopped")
                    return
            yield from recorder.finish("finished")
    except GeneratorExit:
        recorder.close()
        raise
    except KeyboardInterrupt:
        recorder.finish("stopped")
        raise
    except Diverged as error:
        recorder.finish("failed", str(error))
        raise
    except BaseException as error:
        recorder.writer.close("failed", reason(error))
        raise


class Recorder:
    """Writes the events of one training into its run folder."""

    def __init__(self, training: Training, folder: Path) -> None:
        self.training = training
        self.engine = training.engine
        # The state at the end of the last epoch.
        self._good = self.engine.state()
        # The state at the end of the best epoch.
        self._best = self._good
        # The position of the last event.
        self._position = Position()
        self._last: Epoch | BestEpoch | None = None
        # When the last checkpoint was taken.
        self._saved_at = time.monotonic()
        # How many seconds that took.
        self._saving_seconds = 0.0
        self._is_finished = False

        originals = training.images.test[: training.config.examples]
        if training.resumed is None:
            self.writer = runs.RunWriter.create(
                folder, describe(training), originals, training.images.skipped
            )
            return
        resumed = training.resumed
        self._position = resumed.position
        self._good = resumed.good or self._good
        self._best = resumed.best or self._good
        before = resumed.run.record
        again = before | {
            "settings": before["settings"] | {"epochs": training.config.epochs},
            "command": training.command,
        }
        self.writer = runs.RunWriter.resume(
            resumed.run, resumed.lines, again, originals, resumed.sequence
        )

    def note(self, event: Chunk | Epoch | Rollback | BestEpoch) -> None:
        """Write what there is to write of `event`."""
        self._position = event.position
        if isinstance(event, BestEpoch):
            self._last = event
            self._good = self.engine.state()
            return
        self.writer.give_sign_of_life()
        if isinstance(event, Epoch):
            self._last = event
            self.writer.write_epoch(describe_epoch(event), event.originals, event.reconstructions)
        if isinstance(event, (Epoch, Rollback)):
            self._good = self.engine.state()
        best = event.position.best
        if isinstance(event, Epoch) and best is not None and best.epoch == event.number:
            self._best = self._good
        if not isinstance(event, Chunk) or self._checkpoint_is_due():
            self.save_checkpoint(event.position)

    def _checkpoint_is_due(self) -> bool:
        cost = self._saving_seconds + self.writer.checkpoint_seconds
        apart = min(max(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE), MAX_CHECKPOINT_SECONDS)
        return time.monotonic() - self._saved_at > apart

    def save_checkpoint(self, position: Position) -> None:
        """Have a checkpoint written of `position`, where the engine stands."""
        began = time.monotonic()
        notes = dataclasses.asdict(position)
        # They are in metrics.jsonl.
        del notes["losses"]
        states = {"good": self._good}
        if position.step:
            states["state"] = self.engine.state()
        if position.best is not None and position.best.epoch not in (0, position.number - 1):
            states["best"] = self._best
        self.writer.save_checkpoint(notes, states)
        self._saved_at = time.monotonic()
        self._saving_seconds = self._saved_at - began

    def close(self) -> None:
        """Keep where the training stands and finish the folder, unless it is finished."""
        if not self._is_finished:
            self.save_checkpoint(self._position)
            self.finish("stopped")

    def finish(self, state: str, why: str = "") -> list[Finding]:
        """Finish the folder with the model of the last epoch, and return what the doctor finds."""
        self._is_finished = True
        if not self.writer.epochs:
            self.writer.close(state, why)
            return []
        # The engine may have trained on since.
        self.engine.restore(self._good)
        self.engine.update_model()
        images = self.training.images
        config = self.training.config
        last = (
            self._last.evaluation
            if self._last
            else evaluate(self.engine, images.test, config.examples)
        )
        baseline = self.training.baseline.result()
        pca = baseline.pca
        findings = doctor.diagnose(self._summary(last, baseline))
        found = [dataclasses.asdict(finding) for finding in findings]
        model = models.unshared(self.engine.model)
        result = runs.Result(model, pca, config.code, found, self._kept_epoch())
        self.writer.close(state, why, result)
        return findings

    def _kept_epoch(self) -> dict[str, Any] | None:
        """The epoch whose weights are kept, where held-out images chose it."""
        if not isinstance(self._last, BestEpoch):
            return None
        return {
            "epoch": self._last.epoch,
            "val_loss": self._last.evaluation.error,
            "holdout_loss": self._last.holdout_loss,
        }

    def warn(self, epoch: Epoch) -> list[Finding]:
        """Return what the doctor finds after the first few epochs, once.

        Nothing where the training ends with them.
        """
        if epoch.number != doctor.EARLY_EPOCH or epoch.number == self.training.config.epochs:
            return []
        # It is reported at the end.
        if not self.training.baseline.done():
            return []
        return doctor.warn(
            self._summary(epoch.evaluation, self.training.baseline.result(), epoch.loss)
        )

    def _summary(
        self, last: Evaluation, baseline: Baseline, train_loss: float | None = None
    ) -> TrainingSummary:
        """Return what the doctor looks at.

        `train_loss` stands in for the error on training images, which takes time to measure.
        """
        metrics = self.writer.run.metrics()
        config = self.training.config
        val_losses = [line["val_loss"] for line in metrics]
        # The error of the weights that are kept.
        val_losses[-1] = last.error
        error = train_error(self.engine, self.training.images) if train_loss is None else train_loss
        return TrainingSummary(
            config=config,
            losses=[line["loss"] for line in metrics],
            val_losses=val_losses,
            train_error=error,
            pca=baseline.pca,
            codes=last.codes,
            least=last.least,
            largest=last.largest,
            setbacks=self._position.setbacks,
            warming_up=warming_up(config),
            traded=objectives.traded(config),
            mean=baseline.mean,
            steps=sum(line["steps"] for line in metrics),
        )


@contextmanager
def memory_told(config: Config) -> Generator[None]:
    """Turn an end of memory into one line."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise AutoencodeError(
            f"memory ran out ({reason(error)[:200]}): try a `batch_size` below "
            f"{config.batch_size}, a smaller `width`, `code` or `size`. "
            "What was written before is intact."
        ) from error
