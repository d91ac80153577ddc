"""A training and its run folder: events are written on their way, and a training that stopped is taken up again.

Knows the loop, the run folder and the doctor; loads no source and starts no engine.
"""

from __future__ import annotations

import dataclasses
import math
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from autoencode import engines, models, objectives, runs
from autoencode.config import Config
from autoencode.errors import AutoencodeError, UsageError, out_of_memory, reason
from autoencode.images import Images
from autoencode.metrics import Baseline
from autoencode.runs import records
from autoencode.training import (
    Best,
    BestEpoch,
    Chunk,
    Diverged,
    Epoch,
    Evaluation,
    Position,
    Setback,
    doctor,
    evaluate,
    planning,
    train_error,
    warming_up,
)
from autoencode.training.doctor import Finding

CHECKPOINT_SECONDS = 10.0  # between two checkpoints within an epoch, at least
CHECKPOINT_SHARE = (
    0.01  # of the time that taking and writing them may cost: a large model's are rarer
)
CHECKPOINT_SECONDS_MOST = 300.0  # whatever they cost


@dataclass(frozen=True)
class Resumed:
    """What a stopped training goes on from: its folder, where it stood, and the engine's state there.

    `good` is the state at the end of the epoch before, both None where there is no checkpoint yet; `lines` are those of
    metrics.jsonl. `notes` tell what the user should know.
    """

    run: runs.Run
    position: Position
    state: list[np.ndarray] | None = None
    good: list[np.ndarray] | None = None
    best: list[np.ndarray] | None = None
    lines: bytes = b""
    sequence: int = -1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """A training that is ready: its images, its engine with the built model, and the events to iterate.

    `config` has every "auto" filled in; `command` repeats the training, `location` is where the source lies, if it is a
    file or folder. `baseline` are the errors of PCA and of the mean training image on the test images,
    and `examined` what the doctor finds in the images; both are measured on another thread.
    """

    source: str
    location: str | None
    command: str
    config: Config
    images: Images
    engine: engines.Engine
    events: Iterator[Chunk | Epoch | Setback]
    baseline: Future[Baseline]
    resumed: Resumed | None = None
    examined: Future[list[Finding]] | None = None


@dataclass(frozen=True)
class Stopped:
    """A training was asked to stop, and has a checkpoint at `position`: from now on nothing can be lost."""

    position: Position


def record(
    training: Training, folder: Path, stopping: Callable[[], bool] = lambda: False
) -> Iterator[Chunk | Epoch | Setback | Stopped | Finding]:
    """Pass on the events of `training` and write them into `folder`, which `runs.claim` or `runs.reclaim` gave.

    What the doctor finds comes at the end. Once `stopping()` is true after an event, a checkpoint is written, `Stopped`
    is yielded, and the folder is finished with the epochs so far. Closing this generator early does the same; Ctrl-C
    leaves a finished folder with the checkpoint of its last epoch.
    """
    scribe = _Scribe(training, folder)
    try:
        with memory_told(training.config):
            for event in training.events:
                scribe.note(event)
                yield event
                if isinstance(event, Epoch):
                    yield from scribe.warn(event)
                if stopping():
                    scribe.keep(event.position)
                    scribe.run.wait()
                    scribe.run.mark("stopped")
                    yield Stopped(event.position)
                    yield from scribe.finish("stopped")
                    return
            yield from scribe.finish("finished")
    except GeneratorExit:
        scribe.close()
        raise
    except KeyboardInterrupt:
        scribe.finish("stopped")
        raise
    except Diverged as error:
        scribe.finish("failed", str(error))
        raise
    except BaseException as error:
        scribe.run.fail(reason(error))
        raise


class _Scribe:
    """Writes the events of one training into its run folder."""

    def __init__(self, training: Training, folder: Path) -> None:
        self.training, self.engine = training, training.engine
        self._good = self.engine.state()  # at the end of the last epoch
        self._best = self._good  # at the end of the best one
        self._position = Position()  # of the last event
        self._last: Epoch | BestEpoch | None = None
        self._kept, self._taking, self._finished = time.monotonic(), 0.0, False  # clock, seconds
        originals = training.images.test[: training.config.examples]
        if training.resumed is None:
            self.run = runs.Run.create(
                folder, _describe(training), originals, training.images.skipped
            )
        else:
            resumed = training.resumed
            self.run, self._position, self._good = (
                resumed.run,
                resumed.position,
                resumed.good or self._good,
            )
            self._best = resumed.best or self._good
            again = self.run.record | {
                "settings": self.run.record["settings"] | {"epochs": training.config.epochs},
                "command": training.command,
            }
            self.run.go_on(resumed.lines, again, originals, resumed.sequence)

    def note(self, event: Chunk | Epoch | Setback | BestEpoch) -> None:
        """Write what there is to write of `event`."""
        self._position = event.position
        if isinstance(event, BestEpoch):
            self._last = event
            self._good = self.engine.state()
            return
        self.run.give_sign_of_life()
        if isinstance(event, Epoch):
            self._last = event
            self.run.write_epoch(describe_epoch(event), event.originals, event.reconstructions)
        if isinstance(event, (Epoch, Setback)):
            self._good = self.engine.state()
        best = event.position.best
        if isinstance(event, Epoch) and best is not None and best.epoch == event.number:
            self._best = self._good
        if not isinstance(event, Chunk) or self._checkpoint_is_due():
            self.keep(event.position)

    def _checkpoint_is_due(self) -> bool:
        cost = self._taking + self.run.checkpoint_seconds
        apart = min(max(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE), CHECKPOINT_SECONDS_MOST)
        return time.monotonic() - self._kept > apart

    def keep(self, position: Position) -> None:
        """Have a checkpoint written of `position`, where the engine stands."""
        began = time.monotonic()
        notes = dataclasses.asdict(position)
        del notes["losses"]  # metrics.jsonl holds them
        states = {"good": self._good}
        if position.step:
            states["state"] = self.engine.state()
        if position.best is not None and position.best.epoch not in (0, position.number - 1):
            states["best"] = self._best
        self.run.keep(notes, states)
        self._kept = time.monotonic()
        self._taking = self._kept - began

    def close(self) -> None:
        """Keep where the training stands and finish the folder, unless it is finished."""
        if not self._finished:
            self.keep(self._position)
            self.finish("stopped")

    def finish(self, state: str, why: str = "") -> list[Finding]:
        """Finish the folder with the model of the last epoch, and return what the doctor finds."""
        self._finished = True
        if not self.run.epochs:
            self.run.end(state, why)
            return []
        self.engine.restore(self._good)  # it may have gone on since
        self.engine.update_model()
        images, config = self.training.images, self.training.config
        last = (
            self._last.evaluation
            if self._last
            else evaluate(self.engine, images.test, config.examples)
        )
        baseline = self.training.baseline.result()
        pca = baseline.pca
        findings = doctor.diagnose(self._patient(last, baseline))
        found = [dataclasses.asdict(finding) for finding in findings]
        kept = self._kept_epoch()
        self.run.finish(
            models.unshared(self.engine.model), pca, config.code, found, state, why, kept
        )
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
        """Return what the doctor finds after a first few epochs, once; nothing where the training ends with them."""
        if epoch.number != doctor.EARLY_EPOCH or epoch.number == self.training.config.epochs:
            return []
        if not self.training.baseline.done():  # it is told at the end
            return []
        return doctor.warn(
            self._patient(epoch.evaluation, self.training.baseline.result(), epoch.loss)
        )

    def _patient(
        self, last: Evaluation, baseline: Baseline, train_loss: float | None = None
    ) -> doctor.Patient:
        """What the doctor looks at; `train_loss` stands in for the error on training images, which takes time."""
        metrics, config = self.run.metrics(), self.training.config
        val_losses = [line["val_loss"] for line in metrics]
        val_losses[-1] = last.error  # that of the weights that are kept
        error = train_error(self.engine, self.training.images) if train_loss is None else train_loss
        return doctor.Patient(
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


def describe_epoch(epoch: Epoch) -> dict[str, Any]:
    """Return the numbers of an epoch as metrics.jsonl and --json hold them."""
    return {
        "epoch": epoch.number,
        "steps": epoch.steps,
        "seconds": epoch.seconds,
        "step_seconds": epoch.step_seconds,
        "images_per_second": epoch.images_per_second,
        "loss": epoch.loss,
        "val_loss": epoch.val_loss,
    } | ({} if epoch.holdout_loss is None else {"holdout_loss": epoch.holdout_loss})


def _describe(training: Training) -> dict[str, Any]:
    images, engine = training.images, training.engine
    return {
        "source": training.source,
        "location": training.location,
        "settings": dataclasses.asdict(training.config),
        "command": training.command,
        "engine": engine.name,
        "device": engine.device,
        "versions": _versions(engine.name),
        "images": _describe_images(images),
        "ranges": {kind: list(limits) for kind, limits in images.ranges.items()},
        "notes": list(images.notes),
        "parameters": engine.model.count_params(),
        "comparable": objectives.is_plain(training.config),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions(engine: str) -> dict[str, str]:
    packages = ["autoencode", "keras", engine, "numpy"]
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in packages
    }


def _describe_images(images: Images) -> dict[str, Any]:
    return {
        "shape": list(images.shape),
        "train": len(images.train),
        "test": len(images.test),
        "fingerprint": images.fingerprint(),
    } | ({} if images.holdout is None else {"holdout": len(images.holdout)})


@contextmanager
def memory_told(config: Config) -> Iterator[None]:
    """Turn an end of memory into one line."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise AutoencodeError(
            f"memory ran out ({reason(error)[:200]}): try a --batch-size below {config.batch_size}, a smaller --width, --code or "
            "--size. What was written before is intact."
        ) from error


# Taking up again


def take_up(
    run: runs.Run, epochs: int | None = None, *, measuring: bool = False
) -> tuple[Config, Resumed]:
    """Return the settings of a run that stopped, with its own engine and `epochs` in all, and what it goes on from.

    With `measuring`, a run that has all of its epochs is given as well: nothing is left to train, but the engine to use.
    Raises `UsageError` for `epochs` that it has passed, and `AutoencodeError` where it is finished or damaged.
    """
    before = planning.complete(records.settings(run.record))  # runs of older versions lack some
    if run.record["engine"] not in engines.MODULES:
        raise records.damaged(
            run.folder / runs.RECORD, f"it knows no engine {run.record['engine']!r}"
        )
    config = dataclasses.replace(
        before, engine=run.record["engine"], epochs=epochs or before.epochs
    )
    resumed = _last_checkpoint(run)
    done = resumed.position.number - 1
    if config.epochs < done:
        raise UsageError(
            f"--epochs {config.epochs} is less than the {done} that {run.folder} holds."
        )
    if config.epochs == done and run.state()["state"] == "finished" and not measuring:
        raise UsageError(
            f"{run.folder} has all of its {done} epochs: go on with more of them by --epochs {2 * done}."
        )
    notes = list(resumed.notes)
    if config.epochs != before.epochs and config.schedule != "constant":
        notes.append(
            f"the {config.schedule} schedule now ends after epoch {config.epochs}: the learning rate goes on from "
            "another place of it, and the end is not that of one training"
        )
    now = _versions(config.engine)
    changed = [name for name, version in run.record["versions"].items() if now.get(name) != version]
    if changed:
        notes.append(f"{', '.join(changed)} changed since: the end may differ in the last digits")
    return config, dataclasses.replace(resumed, notes=tuple(notes))


def _last_checkpoint(run: runs.Run) -> Resumed:
    checkpoint, wrong = run.checkpoint()
    notes = tuple(f"{one}: going on from the other checkpoint" for one in wrong)
    if checkpoint is None and not wrong and run.state()["state"] != "finished":
        return Resumed(run, Position(), notes=("no checkpoint was written yet: beginning anew",))
    if checkpoint is None:
        raise AutoencodeError(
            f"{'; '.join(wrong) or f'{run.folder} has lost its checkpoints'}: train into a new folder."
        )
    try:
        lines = b"".join(part.tobytes() for part in checkpoint.arrays.get("metrics", ()))
        position = _position(
            checkpoint.notes, tuple(line["loss"] for line in runs.parse_metrics(lines))
        )
        good = checkpoint.arrays["good"]
        best = checkpoint.arrays.get("best", good)
        state = checkpoint.arrays["state"] if position.step else good
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise records.damaged(run.folder / runs.CHECKPOINT, reason(error)) from error
    return Resumed(run, position, state, good, best, lines, checkpoint.sequence, notes)


def _position(notes: dict[str, Any], losses: tuple[float, ...]) -> Position:
    best = notes.pop("best", None)
    position = Position(
        **notes, losses=losses, best=None if best is None else _best(best, len(losses))
    )
    whole = (
        type(position.number) is int and type(position.step) is int and 0 <= position.step < 2**31
    )
    floats = (position.total, position.seconds, position.first)
    numbers = all(isinstance(one, (int, float)) and math.isfinite(one) for one in floats)
    texts = isinstance(position.setbacks, list) and all(
        isinstance(one, str) for one in position.setbacks
    )
    if not (whole and numbers and texts and position.number == len(losses) + 1):
        raise ValueError("it is not where a training stood")
    return dataclasses.replace(position, setbacks=tuple(position.setbacks))


def _best(notes: dict[str, Any], done: int) -> Best:
    best = Best(**notes)
    if type(best.epoch) is not int or not 0 <= best.epoch <= done:
        raise ValueError("its best epoch is none")
    if not isinstance(best.error, float) or not math.isfinite(best.error):
        raise ValueError("its best epoch has no error")
    return best


def restore(engine: engines.Engine, images: Images, resumed: Resumed) -> None:
    """Give `engine` the state of a resumed training; raise `AutoencodeError` where images or model are others."""
    before, now = resumed.run.record["images"], _describe_images(images)
    if now != before:
        told = " and ".join(
            f"{one['train']:,} + {one['test']:,} images of {one['shape']}" for one in (before, now)
        )
        same = "" if now["fingerprint"] == before["fingerprint"] else ", with other pixels"
        raise AutoencodeError(
            f"{resumed.run.folder} was trained on other images than {images.name} holds now ({told}{same}): "
            "bring the same images back, or train into a new folder."
        )
    expected = [(array.shape, array.dtype) for array in engine.state()]
    for state in filter(None, (resumed.state, resumed.good, resumed.best)):
        if [(array.shape, array.dtype) for array in state] != expected:
            raise records.damaged(
                resumed.run.folder / runs.CHECKPOINT, "it is the state of another model"
            )
    if resumed.state:
        engine.restore(resumed.state)
