"""The run folder, written: epochs, checkpoints, image files, and in the end the model and report.

metrics.jsonl grows by whole lines, every other file is replaced whole (`runs.files`). Image files
are drawn by a thread of the writer's own while the next epoch trains; another thread writes the
checkpoints that a training resumes from, in two files in turn (`checkpoints.CheckpointWriter`).
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode import models
from autoencode.errors import AutoencodeError
from autoencode.images import Skipped
from autoencode.runs import checkpoints, render
from autoencode.runs.cleanup import remove_beginning, remove_later_epochs
from autoencode.runs.files import name_unwritten, replace_file, replace_path
from autoencode.runs.locks import LOCK, RECORD
from autoencode.runs.run import (
    ARRAYS,
    BASELINE,
    CHECKPOINT,
    FINDINGS,
    METRICS,
    MODEL,
    SKIPPED,
    STATE,
    Run,
    checksum,
    originals_path,
    parse_metrics,
    reconstructions_path,
)
from autoencode.runs.schema import FORMAT, not_written, seal

if TYPE_CHECKING:
    import keras

# Seconds between two signs of life.
HEARTBEAT_SECONDS = 5.0


@dataclass(frozen=True)
class Result:
    """What a training ends with, for the folder: the model, PCA's error, and the doctor's findings.

    `pca` is the error of PCA with `components` components. `kept` holds the epoch whose weights
    the model has, and its errors, where it need not be the last.
    """

    model: keras.Model
    pca: float
    components: int
    findings: list[dict[str, str]]
    kept: dict[str, Any] | None = None


class RunWriter:
    """Writes the folder of one training: begun by `create` or `resume`, ended by `close`.

    `run` reads the same folder, `epochs` counts those written so far.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.epochs = 0
        # What metrics.jsonl holds.
        self._lines = b""
        self._drawn: list[Future[None]] = []
        self._unsynchronised: list[Path] = []
        self._last_heartbeat = 0.0
        self._drawing: ThreadPoolExecutor
        self._checkpoints: checkpoints.CheckpointWriter

    @classmethod
    def create(
        cls,
        folder: Path,
        record: dict[str, Any],
        originals: np.ndarray,
        skipped: Sequence[Skipped] = (),
    ) -> RunWriter:
        """Begin a run in a folder that `claim` gave.

        `originals`, uint8 (E, H, W, C), are the images that every epoch reconstructs; `skipped`
        are the image files of the source that could not be read.
        Raises `AutoencodeError` where the folder cannot be written.
        """
        record = {"format": FORMAT} | record | {"originals": checksum(originals)}
        writer = cls(Run(folder, record))
        try:
            writer._begin(originals, sequence=-1)
            if skipped:
                with replace_file(folder / SKIPPED) as file:
                    file.write("".join(f"{one}\n" for one in skipped).encode())
            writer._write_record(RECORD, record)
        except AutoencodeError:
            # Without its record it is no run, and would be in the way of one.
            remove_beginning(folder)
            raise
        return writer

    @classmethod
    def resume(
        cls, run: Run, lines: bytes, record: dict[str, Any], originals: np.ndarray, sequence: int
    ) -> RunWriter:
        """Go on writing a run: metrics.jsonl is to hold `lines`, later epochs are trained again.

        The image files of those epochs are drawn again meanwhile. `sequence` is that of the last
        checkpoint. Raises `AutoencodeError` where the folder cannot be written or an array is
        damaged.
        """
        metrics = parse_metrics(lines)
        # All is read before anything is written: a folder that is refused stays as it is.
        reconstructions = [run.reconstructions(index, line) for index, line in enumerate(metrics)]

        writer = cls(Run(run.folder, record))
        writer._begin(originals, sequence)
        writer._write_record(RECORD, record)
        with replace_file(run.folder / METRICS) as file:
            file.write(lines)
        writer._lines = lines
        writer.epochs = len(metrics)
        writer._unsynchronised.append(run.folder / METRICS)

        remove_later_epochs(run.folder, writer.epochs)
        for index, images in enumerate(reconstructions):
            writer._draw_example(index, originals, images)
        return writer

    def _begin(self, originals: np.ndarray, sequence: int) -> None:
        folder = self.run.folder
        for name in (ARRAYS, CHECKPOINT):
            with name_unwritten(folder / name):
                (folder / name).mkdir(exist_ok=True)
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        self._checkpoints = checkpoints.CheckpointWriter(folder / CHECKPOINT, sequence)
        self.set_status("training")
        # The first checkpoint counts on these too.
        path = originals_path(folder)
        _write_array(path, originals)
        self._unsynchronised += [path, folder / STATE, folder / RECORD]

    def write_epoch(
        self, metrics: dict[str, Any], originals: np.ndarray, reconstructions: np.ndarray
    ) -> None:
        """Add an epoch: its array and its line in metrics.jsonl now, its image file meanwhile.

        Raises `AutoencodeError` where this epoch, or the image file of an earlier one, could not be
        written.
        """
        self._raise_if_drawing_failed()
        index = metrics["epoch"] - 1
        path = reconstructions_path(self.run.folder, index)
        _write_array(path, reconstructions)
        self._unsynchronised.append(path)
        self._append_metrics(metrics | {"reconstructions": checksum(reconstructions)})
        self.epochs += 1
        self._draw_example(index, originals, reconstructions)

    def save_checkpoint(
        self, notes: dict[str, Any], states: Mapping[str, list[np.ndarray]]
    ) -> None:
        """Have a checkpoint written meanwhile, of `notes`, `states` and the metrics so far.

        It replaces the older of two, see `checkpoints.rotate_checkpoint`.
        Raises `AutoencodeError` where an earlier one could not be written.
        """
        lines = {"metrics": [np.frombuffer(self._lines, np.uint8)]} if self._lines else {}
        before = self._unsynchronised
        self._unsynchronised = []
        with name_unwritten(self.run.folder / CHECKPOINT):
            self._checkpoints.put(checkpoints.Checkpoint(notes, {**states, **lines}), before)

    @property
    def checkpoint_seconds(self) -> float:
        """How long the last checkpoint took to write."""
        return self._checkpoints.seconds

    def wait(self) -> None:
        """Return when the last checkpoint is on the disk.

        Raises `AutoencodeError` where it could not be written.
        """
        with name_unwritten(self.run.folder / CHECKPOINT):
            self._checkpoints.wait()

    def give_sign_of_life(self) -> None:
        """Let `listing` see that this process still trains."""
        if time.monotonic() - self._last_heartbeat > HEARTBEAT_SECONDS:
            self._last_heartbeat = time.monotonic()
            # A folder that nobody claimed has no lock.
            with suppress(OSError):
                os.utime(self.run.folder / LOCK)

    def set_status(self, status: str, why: str = "") -> None:
        """Write state.json: the status, a word of `schema.STATES`, and why the run failed."""
        self._write_record(STATE, {"state": status, "why": why, "epochs": self.epochs})

    def close(self, status: str, why: str = "", result: Result | None = None) -> None:
        """End the run with a status, a word of `schema.STATES`, and why it failed.

        With a `result`, the model, the baseline, the findings, the GIF, the curve and the report
        are written first. Raises `AutoencodeError` where something could not be written; but a run
        that failed and has no result raises nothing more: its error is known, and the disk may be
        full.
        """
        if status == "failed" and result is None:
            self._drawing.shutdown(cancel_futures=True)
            self._checkpoints.close()
            with suppress(AutoencodeError):
                self.set_status(status, why)
            return

        if result is not None:
            self._write_result(result)
        self._drawing.shutdown(cancel_futures=True)
        self.wait()
        self._checkpoints.close()
        self.set_status(status, why)

    def _write_result(self, result: Result) -> None:
        folder = self.run.folder
        metrics = self.run.metrics()
        self._drawn.append(self._drawing.submit(render.write_gif, self.run, len(metrics)))

        baseline: dict[str, Any] = {"pca": result.pca, "components": result.components}
        if result.kept:
            baseline["kept"] = result.kept
        try:
            self._write_record(BASELINE, baseline)
            self._write_record(FINDINGS, {"findings": result.findings})
            with replace_path(folder / MODEL) as path:
                models.save(result.model, path)
            curve = render.write_curve(self.run, metrics)
        finally:
            # Waits for what is still being drawn.
            self._drawing.shutdown()

        self._raise_if_drawing_failed()
        render.write_report(self.run, metrics, curve)

    def _draw_example(self, index: int, originals: np.ndarray, reconstructions: np.ndarray) -> None:
        self._drawn.append(
            self._drawing.submit(
                render.write_example, self.run.folder, index, originals, reconstructions
            )
        )

    def _raise_if_drawing_failed(self) -> None:
        self._drawn = [drawn for drawn in self._drawn if not drawn.done() or drawn.result()]

    def _append_metrics(self, metrics: dict[str, Any]) -> None:
        path = self.run.folder / METRICS
        line = json.dumps(seal(metrics)).encode() + b"\n"
        try:
            with path.open("ab") as file:
                file.write(line)
        except OSError as error:
            # No half line stays behind.
            with suppress(OSError):
                os.truncate(path, len(self._lines))
            raise not_written(path, error) from error
        self._lines += line
        self._unsynchronised.append(path)

    def _write_record(self, name: str, record: dict[str, Any]) -> None:
        with replace_file(self.run.folder / name) as file:
            file.write(json.dumps(seal(record), indent=2).encode() + b"\n")


def _write_array(path: Path, array: np.ndarray) -> None:
    # Into a file of its own, NumPy overlooks a disk that is full at the last bytes.
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    with replace_file(path) as file:
        file.write(content.getbuffer())
