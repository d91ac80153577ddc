"""The run folder, the hub that everything after training reads. Knows pictures and files, no engine.

Every file is written under a temporary name and renamed when it is whole; metrics.jsonl grows by whole lines. So a
folder holds good files at any moment, whatever ends the process. Each record carries a checksum of itself, and of the
arrays that it tells of. Pictures are drawn by a thread of the folder's own, while the next epoch trains; another writes
the checkpoints that a training goes on from.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode import models
from autoencode.config import MOST_EXAMPLES
from autoencode.errors import AutoencodeError, reason
from autoencode.images import Skipped
from autoencode.plots import charts, grids
from autoencode.runs import checkpoints, report, schema
from autoencode.runs.locks import LOCK, RECORD, hold
from autoencode.runs.schema import FORMAT, damaged, not_written, seal, unseal
from autoencode.system.files import is_temporary, replacing
from autoencode.system.memmap import check_npy

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure


METRICS, BASELINE, MODEL, STATE = "metrics.jsonl", "baseline.json", "model.keras", "state.json"
FINDINGS = "doctor.json"
SKIPPED = "skipped.txt"
ARRAYS, CHECKPOINT = "arrays", "checkpoint"  # folders
LIFE_SECONDS = 5.0  # between two signs of life
MOST_METRICS = 2**26  # bytes of metrics.jsonl: 200,000 epochs
MOST_ARRAY = 2**30  # bytes of an array that is drawn


def source(record: Mapping[str, Any]) -> str:
    """Return what a run was trained on, so that it is found from any folder: the place of a path, else a name.

    A path that has the name of a built-in dataset here was not there then.
    """
    if record["location"] is None and Path(record["source"]).exists():
        return f"builtin:{record['source']}"
    return record["location"] or record["source"]


@contextmanager
def reclaim(folder: str | os.PathLike) -> Iterator[Run]:
    """Give a run that stopped, and keep other processes from writing in its folder.

    Raises `AutoencodeError` where the folder is none, is damaged, or another process trains in it.
    """
    Run.open(folder)  # before a lock is made in whatever it is
    with hold(Path(folder)):
        yield Run.open(folder)


class Run:
    """A run folder that is open, to write (`create`, then perhaps `go_on`) or to read (`open`)."""

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder, self.record = folder, record
        self.epochs = 0  # written so far
        self._lines = b""  # what metrics.jsonl holds
        self._drawn: list[Future] = []
        self._unsynchronised: list[Path] = []
        self._alive = 0.0

    @classmethod
    def create(
        cls,
        folder: Path,
        record: dict[str, Any],
        originals: np.ndarray,
        skipped: Sequence[Skipped] = (),
    ) -> Run:
        """Begin a run in a folder that `claim` gave; raise `AutoencodeError` where it cannot be written.

        `originals`, uint8 (E, H, W, C), are the images that every epoch redraws, `skipped` the pictures left out.
        """
        run = cls(folder, {"format": FORMAT} | record | {"originals": checksum(originals)})
        try:
            run._begin(originals, sequence=-1)
            if skipped:
                with run._replacing(SKIPPED) as file:
                    file.write("".join(f"{one}\n" for one in skipped).encode())
            run._write_json(RECORD, seal(run.record))
        except AutoencodeError:
            run._remove_beginning()  # without its record it is no run, and would be in the way of one
            raise
        return run

    @classmethod
    def open(cls, folder: str | os.PathLike) -> Run:
        """Open a run that was written before; raise `AutoencodeError` where the folder is none or is damaged."""
        path = Path(folder)
        if not (path / RECORD).is_file():
            raise AutoencodeError(f"{path} is not a run folder: expected {RECORD} in it.")
        record = schema.read(path / RECORD, schema.check_run)
        return cls(path, record | {"settings": dataclasses.asdict(schema.settings(record))})

    # Writing

    def _remove_beginning(self) -> None:
        for path in (STATE, SKIPPED, ARRAYS, CHECKPOINT):
            with suppress(OSError):
                shutil.rmtree(self.folder / path) if (self.folder / path).is_dir() else (
                    self.folder / path
                ).unlink()

    def go_on(
        self, lines: bytes, record: dict[str, Any], originals: np.ndarray, sequence: int
    ) -> None:
        """Take up an opened run again: metrics.jsonl is to hold `lines`, what came after is made again.

        The pictures of those epochs are drawn again meanwhile. `sequence` is that of the last checkpoint.
        Raises `AutoencodeError` where the folder cannot be written or an array is damaged.
        """
        metrics = parse_metrics(lines)
        # All is read before anything is written: a folder that is refused stays as it is.
        redrawn = [
            self._read_array(f"reconstructions{index}", line["reconstructions"])
            for index, line in enumerate(metrics)
        ]
        self.record = record
        self._begin(originals, sequence)
        self._write_json(RECORD, seal(record))
        with self._replacing(METRICS) as file:
            file.write(lines)
        self._lines, self.epochs = lines, len(metrics)
        self._unsynchronised.append(self.folder / METRICS)
        self._remove_what_came_after()
        for index, images in enumerate(redrawn):
            self._drawn.append(self._drawing.submit(self._draw_example, index, originals, images))

    def _remove_what_came_after(self) -> None:
        """Remove pictures and arrays of later epochs, and what a killed process had begun to write."""
        with self._told(""):
            drawn = [*self.folder.glob("example*.png")]
            arrays = [*self.folder.glob(f"{ARRAYS}/reconstructions*.npy")]
            hidden = [*self.folder.rglob(".*")]
        for path in (*drawn, *arrays):
            found = re.search(r"(\d+)\.\w+$", path.name)
            if found and int(found[1]) >= self.epochs:
                _remove(path)
        for path in hidden:
            if is_temporary(path.name):
                _remove(path)

    def _begin(self, originals: np.ndarray, sequence: int) -> None:
        for name in (ARRAYS, CHECKPOINT):
            try:
                (self.folder / name).mkdir(exist_ok=True)
            except OSError as error:
                raise not_written(self.folder / name, error) from error
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        self._checkpoints = checkpoints.Writer(self.folder / CHECKPOINT, sequence)
        self.mark("training")
        # The first checkpoint counts on these too.
        self._unsynchronised += [
            self._write_array("originals", originals),
            self.folder / STATE,
            self.folder / RECORD,
        ]

    def write_epoch(
        self, metrics: dict[str, Any], originals: np.ndarray, reconstructions: np.ndarray
    ) -> None:
        """Add an epoch: its array and its line in metrics.jsonl now, its picture while the next one trains.

        Raises `AutoencodeError` where this epoch, or the drawing of an earlier one, could not be written.
        """
        self._raise_if_drawing_failed()
        index = metrics["epoch"] - 1
        self._unsynchronised.append(self._write_array(f"reconstructions{index}", reconstructions))
        self._append_metrics(metrics | {"reconstructions": checksum(reconstructions)})
        self.epochs += 1
        self._drawn.append(
            self._drawing.submit(self._draw_example, index, originals, reconstructions)
        )

    def keep(self, notes: dict[str, Any], states: Mapping[str, list[np.ndarray]]) -> None:
        """Have a checkpoint written meanwhile, of `notes`, `states` and the metrics so far.

        Raises `AutoencodeError` where an earlier one could not be written.
        """
        lines = {"metrics": [np.frombuffer(self._lines, np.uint8)]} if self._lines else {}
        before, self._unsynchronised = self._unsynchronised, []
        with self._told(CHECKPOINT):
            self._checkpoints.put(checkpoints.Checkpoint(notes, {**states, **lines}), before)

    @property
    def checkpoint_seconds(self) -> float:
        """How long the last checkpoint took to write."""
        return self._checkpoints.seconds

    def wait(self) -> None:
        """Return when the last checkpoint is on the disk; raise `AutoencodeError` where it could not be written."""
        with self._told(CHECKPOINT):
            self._checkpoints.wait()

    def give_sign_of_life(self) -> None:
        """Let `listing` see that this process still trains."""
        if time.monotonic() - self._alive > LIFE_SECONDS:
            self._alive = time.monotonic()
            with suppress(OSError):  # a folder that nobody claimed has no lock
                os.utime(self.folder / LOCK)

    def mark(self, state: str, why: str = "") -> None:
        """Write down what became of the run, a word of `records.STATES`, and why it failed."""
        self._write_json(STATE, seal({"state": state, "why": why, "epochs": self.epochs}))

    def end(self, state: str, why: str = "") -> None:
        """Write down what became of the run, and leave all else as it is."""
        self._drawing.shutdown(cancel_futures=True)
        self.wait()
        self._checkpoints.close()
        self.mark(state, why)

    def fail(self, why: str) -> None:
        """End the run after an error, which is told already: the disk may be full."""
        self._drawing.shutdown(cancel_futures=True)
        self._checkpoints.close()
        with suppress(AutoencodeError):
            self.mark("failed", why)

    def finish(
        self,
        model: keras.Model,
        pca: float,
        components: int,
        findings: list[dict[str, str]],
        state: str = "finished",
        why: str = "",
        kept: dict[str, Any] | None = None,
    ) -> None:
        """Write the model, PCA's error, what the doctor found, the GIF, the curve, the report, and what became of it.

        `kept` tells the epoch whose weights the model has, and its errors, where it need not be the last.
        """
        metrics = self.metrics()
        self._drawn.append(self._drawing.submit(self._draw_gif, len(metrics)))
        try:
            self._write_json(
                BASELINE,
                seal({"pca": pca, "components": components} | ({"kept": kept} if kept else {})),
            )
            self._write_json(FINDINGS, seal({"findings": findings}))
            with self._temporary(MODEL) as path:
                models.save(model, path)
            curve = self._draw_curve(metrics)
        finally:
            self._drawing.shutdown()  # waits for what is still being drawn
        self._raise_if_drawing_failed()
        self._write_report(metrics, curve)
        self.wait()
        self._checkpoints.close()
        self.mark(state, why)

    def show(self) -> None:
        """Draw pictures, GIF, curve and report again from what the folder stores."""
        metrics = self.metrics()
        originals = self._read_array("originals", self.record["originals"])
        for index, line in enumerate(metrics):
            reconstructions = self._read_array(f"reconstructions{index}", line["reconstructions"])
            if reconstructions.shape != originals.shape:
                raise damaged(
                    self._array(f"reconstructions{index}"),
                    f"expected {originals.shape}, received {reconstructions.shape}",
                )
            self._draw_example(index, originals, reconstructions)
        self._draw_gif(len(metrics))
        self._write_report(metrics, self._draw_curve(metrics))

    def _raise_if_drawing_failed(self) -> None:
        self._drawn = [drawn for drawn in self._drawn if not drawn.done() or drawn.result()]

    def _append_metrics(self, metrics: dict[str, Any]) -> None:
        path, line = self.folder / METRICS, json.dumps(seal(metrics)).encode() + b"\n"
        try:
            with path.open("ab") as file:
                file.write(line)
        except OSError as error:
            with suppress(OSError):
                os.truncate(path, len(self._lines))  # no half line stays behind
            raise not_written(path, error) from error
        self._lines += line
        self._unsynchronised.append(path)

    def _draw_example(self, index: int, originals: np.ndarray, reconstructions: np.ndarray) -> None:
        picture = grids.draw_examples(originals, reconstructions)
        with self._replacing(f"example{index}.png") as file:
            grids.write_png(picture, file)

    def _draw_gif(self, epochs: int) -> None:
        seconds = self.record["settings"]["frame_seconds"]
        seconds = 1.0 if seconds == "auto" else seconds
        with self._replacing("output.gif") as file:
            grids.write_gif(self._examples(epochs), file, seconds)

    def _draw_curve(self, metrics: list[dict[str, Any]]) -> Figure:
        baseline = self.baseline()
        curve = charts.draw_curve(
            [line["loss"] for line in metrics],
            [line["val_loss"] for line in metrics],
            baseline.get("pca"),
            baseline.get("components"),
            comparable=self.record["comparable"],
        )
        with self._replacing("curve.png") as file:
            charts.write_curve(curve, file)
        return curve

    def _write_report(self, metrics: list[dict[str, Any]], curve: Figure) -> None:
        drawn, svg = self._examples(len(metrics)), charts.curve_as_svg(curve)
        page = report.render(
            self.record,
            metrics,
            self.baseline().get("pca"),
            self.findings(),
            drawn,
            svg,
            self.kept(),
        )
        with self._replacing("report.html") as file:
            file.write(page.encode("utf-8", "replace"))  # a name need not be text

    def _examples(self, epochs: int) -> list[bytes]:
        return [self._read_bytes(f"example{index}.png") for index in range(epochs)]

    def _write_json(self, name: str, value: Any) -> None:
        with self._replacing(name) as file:
            file.write(json.dumps(value, indent=2).encode() + b"\n")

    def _write_array(self, name: str, array: np.ndarray) -> Path:
        # Into a file of its own, NumPy overlooks a disk that is full at the last bytes.
        written = io.BytesIO()
        np.save(written, array, allow_pickle=False)
        with self._replacing(self._array(name).relative_to(self.folder)) as file:
            file.write(written.getbuffer())
        return self._array(name)

    @contextmanager
    def _replacing(self, name: str | os.PathLike) -> Iterator[Any]:
        """A file to write that takes `name` when it is whole, and is gone when it is not."""
        with self._temporary(name) as path, path.open("wb") as file:
            yield file

    @contextmanager
    def _temporary(self, name: str | os.PathLike) -> Iterator[Path]:
        with self._told(name), replacing(self.folder / name) as temporary:
            yield temporary

    @contextmanager
    def _told(self, name: str | os.PathLike) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise not_written(self.folder / name, error) from error

    # Reading

    def state(self) -> dict[str, Any]:
        """Return what became of the run: `state`, a word of `records.STATES`, `epochs`, and `why` it failed."""
        return schema.read(self.folder / STATE, schema.check_state)

    def has_metrics(self) -> bool:
        """Whether an epoch has been finished."""
        path = self.folder / METRICS
        return path.exists() and path.stat().st_size > 0

    def metrics(self) -> list[dict[str, Any]]:
        """Return the epochs so far, the lines of metrics.jsonl."""
        if not self.has_metrics():
            raise AutoencodeError(
                f"{self.folder} holds no finished epoch yet: go on with `resume={self.folder}`"
            )
        path = self.folder / METRICS
        try:
            if path.stat().st_size > MOST_METRICS:
                raise ValueError(f"it holds more than {MOST_METRICS:,} bytes")
            metrics = parse_metrics(path.read_bytes())
            ended = self.state() if (self.folder / STATE).exists() else {"state": "training"}
            if ended["state"] != "training" and len(metrics) != ended["epochs"]:
                raise ValueError(f"it holds {len(metrics)} epochs of {ended['epochs']}")
            return metrics
        except (OSError, ValueError, RecursionError) as error:
            raise damaged(path, reason(error)) from error

    def baseline(self) -> dict[str, Any]:
        """Return PCA's error and components, or nothing where they were not yet measured."""
        path = self.folder / BASELINE
        return schema.read(path, schema.check_baseline) if path.exists() else {}

    def kept(self) -> dict[str, Any]:
        """Return `epoch` and `val_loss` of the weights that the model has: the last epoch's, unless held-out images chose."""
        last = self.metrics()[-1]
        return self.baseline().get("kept") or {"epoch": last["epoch"], "val_loss": last["val_loss"]}

    def findings(self) -> list[dict[str, str]]:
        """Return what the doctor found: `what`, `cause` and `advice` of each."""
        path = self.folder / FINDINGS
        return schema.read(path, schema.check_findings)["findings"] if path.exists() else []

    def checkpoint(self) -> tuple[checkpoints.Checkpoint | None, list[str]]:
        """Return the newest whole checkpoint, if any, and what is wrong with a damaged one; see `checkpoints.read`."""
        return checkpoints.read(self.folder / CHECKPOINT)

    def _array(self, name: str) -> Path:
        return self.folder / ARRAYS / f"{name}.npy"

    def _read_array(self, name: str, expected: int) -> np.ndarray:
        path = self._array(name)
        try:
            if path.stat().st_size > MOST_ARRAY:
                raise ValueError(f"it holds more than {MOST_ARRAY:,} bytes")
            content = io.BytesIO(path.read_bytes())
            check_npy(content, len(content.getbuffer()))
            array = np.load(content, allow_pickle=False)
            if array.dtype != np.uint8 or array.ndim != 4 or checksum(array) != expected:
                raise ValueError("its checksum is another")
            if (
                not 1 <= len(array) <= MOST_EXAMPLES
                or 0 in array.shape
                or array.shape[3] not in (1, 3)
            ):
                raise ValueError(f"its shape is {array.shape}")
            return array
        except (OSError, EOFError, ValueError) as error:
            raise damaged(path, reason(error)) from error

    def _read_bytes(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise damaged(self.folder / name, reason(error)) from error


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise not_written(path, error, action="remove") from error


def checksum(array: np.ndarray) -> int:
    """Return the CRC-32 of the shape and the bytes of an array."""
    return zlib.crc32(np.ascontiguousarray(array), zlib.crc32(str(array.shape).encode()))


def parse_metrics(lines: bytes) -> list[dict[str, Any]]:
    """Return the epochs that metrics.jsonl holds; raise `ValueError` where a line is not as it was written."""
    metrics = []
    for number, line in enumerate(lines.splitlines(), start=1):
        if len(line) > schema.MOST_LINE:
            raise ValueError(f"line {number} is too long")
        metrics.append(json.loads(line))
        schema.check_epoch(metrics[-1], number)
        metrics[-1] = unseal(metrics[-1])
    return metrics
