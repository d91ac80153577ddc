"""What is drawn of a run: the image file of each epoch, output.gif, curve.png and report.html.

Knows what a run folder stores, no model and no framework: `render_run` draws all of it again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoencode.errors import reason
from autoencode.plots import charts, grids
from autoencode.runs import report
from autoencode.runs.files import replace_file
from autoencode.runs.run import Run
from autoencode.runs.schema import damaged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GIF = "output.gif"
CURVE = "curve.png"
REPORT = "report.html"


def render_run(run: Run) -> None:
    """Draw the image files, the GIF, the curve and the report of a run again, from its folder.

    Raises `AutoencodeError` where the folder is damaged or cannot be written.
    """
    metrics = run.metrics()
    originals = run.originals()

    for index, line in enumerate(metrics):
        reconstructions = run.reconstructions(index, line)
        if reconstructions.shape != originals.shape:
            raise damaged(
                run.reconstructions_path(index),
                f"expected {originals.shape}, received {reconstructions.shape}",
            )
        write_example(run.folder, index, originals, reconstructions)

    write_gif(run, len(metrics))
    write_report(run, metrics, write_curve(run, metrics))


def example_path(folder: Path, index: int) -> Path:
    """Return the path of the image file of epoch `index` + 1."""
    return folder / f"example{index}.png"


def write_example(
    folder: Path, index: int, originals: np.ndarray, reconstructions: np.ndarray
) -> None:
    """Draw the image file of epoch `index` + 1: originals above their reconstructions.

    Both are uint8 (E, H, W, C). Raises `AutoencodeError` where it cannot be written.
    """
    figure = grids.draw_examples(originals, reconstructions)
    with replace_file(example_path(folder, index)) as file:
        grids.write_png(figure, file)


def write_gif(run: Run, epochs: int) -> None:
    """Write output.gif from the image files of the first `epochs` epochs.

    Raises `AutoencodeError` where one is missing or the GIF cannot be written.
    """
    seconds = run.record["settings"]["frame_seconds"]
    if seconds == "auto":
        seconds = 1.0
    with replace_file(run.folder / GIF) as file:
        grids.write_gif(_read_examples(run.folder, epochs), file, seconds)


def write_curve(run: Run, metrics: list[dict[str, Any]]) -> Figure:
    """Write curve.png, the losses by epoch beside PCA's error, and return its figure."""
    baseline = run.baseline()
    curve = charts.draw_curve(
        [line["loss"] for line in metrics],
        [line["val_loss"] for line in metrics],
        baseline.get("pca"),
        baseline.get("components"),
        comparable=run.record["comparable"],
    )
    with replace_file(run.folder / CURVE) as file:
        charts.write_curve(curve, file)
    return curve


def write_report(run: Run, metrics: list[dict[str, Any]], curve: Figure) -> None:
    """Write report.html, which holds the image files of all epochs and the curve as SVG."""
    page = report.build_report(
        run.record,
        metrics,
        run.baseline().get("pca"),
        run.findings(),
        _read_examples(run.folder, len(metrics)),
        charts.curve_as_svg(curve),
        run.kept(),
    )
    with replace_file(run.folder / REPORT) as file:
        # A name need not be text.
        file.write(page.encode("utf-8", "replace"))


def _read_examples(folder: Path, epochs: int) -> list[bytes]:
    return [_read_bytes(example_path(folder, index)) for index in range(epochs)]


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise damaged(path, reason(error)) from error
