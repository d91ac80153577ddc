"""Room 5: the run folder, the hub that everything after training reads. Knows pictures and files, no engine.

Every file is written under a temporary name and renamed when it is whole; metrics.jsonl grows by whole lines. So a
folder holds good files at any moment, whatever ends the process. Pictures are drawn by a thread of the folder's own,
while the next epoch trains.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode import pictures, report
from autoencode.errors import AutoencodeError, reason
from autoencode.files import replacing
from autoencode.images import Skipped

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

FORMAT = 1  # of the folder; a reader refuses a newer one
RECORD, METRICS, BASELINE, MODEL = "config.json", "metrics.jsonl", "baseline.json", "model.keras"
FINDINGS = "doctor.json"
SKIPPED = "skipped.txt"  # a line a picture: name, tab, reason
REQUIRED = {
    "format",
    "source",
    "settings",
    "command",
    "engine",
    "device",
    "versions",
    "images",
    "parameters",
    "started",
}
METRIC_KEYS = {"epoch", "steps", "seconds", "step_seconds", "images_per_second", "loss", "val_loss"}


@contextmanager
def claim(folder: str | os.PathLike | None, source: str) -> Iterator[Path]:
    """Give a new, empty run folder: `folder`, or the first free runs/SOURCE-1, -2, ...

    A folder that was made here and still holds nothing at the end is removed again.
    Raises `AutoencodeError` where `folder` holds anything or cannot be written.
    """
    made = folder is None or not Path(folder).exists()
    path = _claim_numbered(Path("runs"), _plain_name(source)) if folder is None else Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        held = next(path.iterdir(), None)
    except OSError as error:
        raise _not_written(path, error) from error
    if (path / RECORD).exists():
        raise AutoencodeError(
            f"{path} already holds a run: choose another --run folder, or see it with: autoencode show {path}"
        )
    if held is not None:
        raise AutoencodeError(f"{path} is not empty (it holds {held.name}): choose a new or empty --run folder.")
    try:
        yield path
    finally:
        if made:
            with suppress(OSError):  # one that holds something stays
                path.rmdir()
                if folder is None:
                    path.parent.rmdir()


def _plain_name(source: str) -> str:
    """The last part of a path or name, of letters that any file system takes."""
    return re.sub(r"[^\w.-]+", "_", Path(source).resolve().name)[:80].lstrip(".") or "images"


def _claim_numbered(parent: Path, name: str) -> Path:
    taken = [int(found[1]) for path in parent.glob(f"{name}-*") if (found := re.fullmatch(r".*-(\d+)", path.name))]
    number = max(taken, default=0) + 1
    while True:
        path = parent / f"{name}-{number}"
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            if not parent.is_dir():
                raise AutoencodeError(f"{parent} is a file; expected a folder: name one with --run.") from None
            number += 1  # another process was first
        except OSError as error:
            raise _not_written(path, error) from error


class Run:
    """A run folder that is open, to write (`create`) or to read (`open`)."""

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder, self.record = folder, record
        self._drawing: ThreadPoolExecutor | None = None
        self._drawn: list[Future] = []

    @classmethod
    def create(cls, folder: Path, record: dict[str, Any]) -> Run:
        """Write config.json into a folder that `claim` gave; raise `AutoencodeError` where that fails."""
        run = cls(folder, {"format": FORMAT} | record)
        run._write_json(RECORD, run.record)
        return run

    @classmethod
    def open(cls, folder: str | os.PathLike) -> Run:
        """Open a run that was written before; raise `AutoencodeError` where the folder is none or is damaged."""
        path = Path(folder)
        if not (path / RECORD).is_file():
            raise AutoencodeError(f"{path} is not a run folder: expected {RECORD} in it.")
        record = _read_json(path / RECORD)
        if not isinstance(record, dict) or not isinstance(record.get("format"), int):
            raise _damaged(path / RECORD, "it is not the record of a run")
        if record["format"] > FORMAT:
            raise AutoencodeError(
                f"{path} was written by a newer autoencode (folder format {record['format']}, known here: {FORMAT}): "
                "upgrade with: pip install --upgrade autoencode"
            )
        if missing := REQUIRED - record.keys():
            raise _damaged(path / RECORD, f"it lacks {', '.join(sorted(missing))}")
        return cls(path, record)

    # Writing

    def begin(self, originals: np.ndarray, skipped: Sequence[Skipped] = ()) -> None:
        """Store the images that every epoch redraws, uint8 (E, H, W, C), and the pictures left out, if any, by name."""
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        self._write_array("originals", originals)
        if skipped:
            with self._replacing(SKIPPED) as file:
                file.write("".join(f"{one.name}\t{one.reason}\n" for one in skipped).encode())

    def write_epoch(self, metrics: dict[str, Any], originals: np.ndarray, reconstructions: np.ndarray) -> None:
        """Add an epoch: its line in metrics.jsonl now, its arrays and picture while the next one trains.

        Raises `AutoencodeError` where this epoch, or the drawing of an earlier one, could not be written.
        """
        self._raise_if_drawing_failed()
        index = metrics["epoch"] - 1
        self._append_metrics(metrics)
        self._drawn.append(self._drawing.submit(self._write_example, index, originals, reconstructions))

    def finish(self, model: keras.Model, pca: float, components: int, findings: list[dict[str, str]]) -> None:
        """Write the model, PCA's error, what the doctor found, the GIF, the curve and the report."""
        metrics = self.metrics()
        self._drawn.append(self._drawing.submit(self._draw_gif, len(metrics)))
        try:
            self._write_json(BASELINE, {"pca": pca, "components": components})
            self._write_json(FINDINGS, findings)
            with self._temporary(MODEL) as path:
                model.save(path)
            curve = self._draw_curve(metrics)
        finally:
            self._drawing.shutdown()  # waits for what is still being drawn
        self._raise_if_drawing_failed()
        self._write_report(metrics, curve)

    def show(self) -> None:
        """Draw pictures, GIF, curve and report again from what the folder stores."""
        metrics = self.metrics()
        originals = self._read_array("originals")
        for index in range(len(metrics)):
            reconstructions = self._read_array(f"reconstructions{index}")
            if reconstructions.shape != originals.shape:
                raise _damaged(
                    self._array(f"reconstructions{index}"),
                    f"expected {originals.shape}, received {reconstructions.shape}",
                )
            self._draw_example(index, originals, reconstructions)
        self._draw_gif(len(metrics))
        self._write_report(metrics, self._draw_curve(metrics))

    def _raise_if_drawing_failed(self) -> None:
        for drawn in self._drawn:
            if drawn.done():
                drawn.result()

    def _append_metrics(self, metrics: dict[str, Any]) -> None:
        path = self.folder / METRICS
        before = path.stat().st_size if path.exists() else 0
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(metrics) + "\n")
        except OSError as error:
            if path.exists():
                os.truncate(path, before)  # no half line stays behind
            raise _not_written(path, error) from error

    def _write_example(self, index: int, originals: np.ndarray, reconstructions: np.ndarray) -> None:
        self._write_array(f"reconstructions{index}", reconstructions)
        self._draw_example(index, originals, reconstructions)

    def _draw_example(self, index: int, originals: np.ndarray, reconstructions: np.ndarray) -> None:
        picture = pictures.draw_examples(originals, reconstructions)
        with self._replacing(f"example{index}.png") as file:
            pictures.write_png(picture, file)

    def _draw_gif(self, epochs: int) -> None:
        with self._replacing("output.gif") as file:
            pictures.write_gif(self._examples(epochs), file, self.record["settings"]["frame_seconds"])

    def _draw_curve(self, metrics: list[dict[str, Any]]) -> Figure:
        baseline = self.baseline()
        curve = pictures.draw_curve(
            [line["loss"] for line in metrics],
            [line["val_loss"] for line in metrics],
            baseline.get("pca"),
            baseline.get("components"),
            comparable=self.record.get("comparable", True),
        )
        with self._replacing("curve.png") as file:
            pictures.write_curve(curve, file)
        return curve

    def _write_report(self, metrics: list[dict[str, Any]], curve: Figure) -> None:
        drawn, svg = self._examples(len(metrics)), pictures.curve_as_svg(curve)
        page = report.render(self.record, metrics, self.baseline().get("pca"), self.findings(), drawn, svg)
        with self._replacing("report.html") as file:
            file.write(page.encode())

    def _examples(self, epochs: int) -> list[bytes]:
        return [self._read_bytes(f"example{index}.png") for index in range(epochs)]

    def _write_json(self, name: str, value: Any) -> None:
        with self._replacing(name) as file:
            file.write(json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")

    def _write_array(self, name: str, array: np.ndarray) -> None:
        written = io.BytesIO()  # into a file of its own, NumPy overlooks a disk that is full at the last bytes
        np.save(written, array, allow_pickle=False)
        with self._replacing(self._array(name).relative_to(self.folder)) as file:
            file.write(written.getbuffer())

    @contextmanager
    def _replacing(self, name: str | os.PathLike) -> Iterator[Any]:
        """A file to write that takes `name` when it is whole, and is gone when it is not."""
        with self._temporary(name) as path, path.open("wb") as file:
            yield file

    @contextmanager
    def _temporary(self, name: str | os.PathLike) -> Iterator[Path]:
        path = self.folder / name
        try:
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as temporary:
                yield temporary
        except OSError as error:
            raise _not_written(path, error) from error

    # Reading

    def metrics(self) -> list[dict[str, Any]]:
        """Return the epochs so far, the lines of metrics.jsonl."""
        path = self.folder / METRICS
        try:
            lines = path.read_text("utf-8").splitlines() if path.exists() else []
            metrics = [json.loads(line) for line in lines]
        except (OSError, ValueError) as error:
            raise _damaged(path, reason(error)) from error
        for number, line in enumerate(metrics, start=1):
            if not isinstance(line, dict) or not METRIC_KEYS <= line.keys() or line["epoch"] != number:
                raise _damaged(path, f"line {number} is not the record of epoch {number}")
        if not metrics:
            raise AutoencodeError(f"{self.folder} holds no finished epoch yet: train it again into a new folder.")
        return metrics

    def baseline(self) -> dict[str, Any]:
        """Return PCA's error and components, or nothing where they were not yet measured."""
        path = self.folder / BASELINE
        return _read_json(path) if path.exists() else {}

    def findings(self) -> list[dict[str, str]]:
        """Return what the doctor found: `what`, `cause` and `advice` of each."""
        path = self.folder / FINDINGS
        found = _read_json(path) if path.exists() else []
        if not isinstance(found, list) or not all(
            isinstance(one, dict) and one.keys() >= {"what", "cause", "advice"} for one in found
        ):
            raise _damaged(path, "it is not a list of findings")
        return found

    def _array(self, name: str) -> Path:
        return self.folder / "arrays" / f"{name}.npy"

    def _read_array(self, name: str) -> np.ndarray:
        path = self._array(name)
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise _damaged(path, reason(error)) from error

    def _read_bytes(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise _damaged(self.folder / name, reason(error)) from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, reason(error)) from error


def _damaged(path: Path, why: str) -> AutoencodeError:
    return AutoencodeError(f"{path} is damaged ({why}): bring it back from a copy, or train into a new folder.")


def _not_written(path: Path, error: OSError) -> AutoencodeError:
    return AutoencodeError(
        f"could not write {path} ({reason(error)}): what was written before is intact; "
        "make room or choose another --run folder, and train again."
    )
