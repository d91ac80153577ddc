"""The leaderboard of a comparison: tables, a chart and a picture."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autoencode.comparison.compare import read_measures
from autoencode.comparison.entries import LEADERBOARD, MEASURES, Entry, write_file
from autoencode.plots import charts, grids

EXAMPLES = 10  # test images in the picture
COLUMNS = {
    "mse": "test MSE",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "probe": "linear probe",
    "neighbours": "k-NN",
    "parameters": "parameters",
    "epochs": "epochs",
    "seconds": "training (s)",
    "images_per_second": "images a second",
}
FORMATS = {
    "mse": "{:.5f}",
    "psnr": "{:.2f}",
    "ssim": "{:.4f}",
    "probe": "{:.4f}",
    "neighbours": "{:.4f}",
    "seconds": "{:,.0f}",
}

# Of each model and size of the code, the measures of all its trainings.
Groups = dict[tuple[str, int], list[dict[str, Any]]]


def write_leaderboard(folder: Path) -> list[str]:
    """Write leaderboard.md, leaderboard.csv, reconstructions.png and error.png.

    They hold all that is done in `folder`, by whichever call. The picture is of the size of the
    code that most models have, the largest of several. Returns the lines of the leaderboard.
    """
    entries = _read_entries(folder)
    groups: Groups = {}
    for entry, measures in entries:
        groups.setdefault((entry.model, entry.code), []).append(measures)

    # By size, PCA first, then by error.
    ordered = dict(
        sorted(
            groups.items(),
            key=lambda item: (item[0][1], item[0][0] != "pca", _mean(item[1], "mse")),
        )
    )
    lines = format_table(ordered)
    write_file(folder / f"{LEADERBOARD}.md", ("\n".join(lines) + "\n").encode())
    write_file(folder / f"{LEADERBOARD}.csv", _format_csv(ordered).encode())
    _write_picture(folder, [entry for entry, _ in entries], [code for _, code in groups])
    _write_chart(folder, groups)
    return lines


def _write_picture(folder: Path, entries: Sequence[Entry], sizes: Sequence[int]) -> None:
    """Write reconstructions.png of the entries with the most frequent of `sizes`."""
    shown = max(set(sizes), key=lambda size: (sizes.count(size), size))
    rows = _read_rows(folder, [entry for entry in entries if entry.code == shown])
    written = io.BytesIO()
    grids.write_png(grids.draw_rows(rows), written)
    write_file(folder / "reconstructions.png", written.getvalue())


def _write_chart(folder: Path, groups: Groups) -> None:
    """Write error.png, the errors of each model by the size of the code."""
    errors: dict[str, list[tuple[int, float, float]]] = {}
    for (model, code), measures in sorted(groups.items(), key=lambda item: item[0][1]):
        point = (code, _mean(measures, "mse"), _deviation(measures, "mse"))
        errors.setdefault(model, []).append(point)
    written = io.BytesIO()
    charts.write_curve(charts.draw_errors(errors), written)
    write_file(folder / "error.png", written.getvalue())


def _read_entries(folder: Path) -> list[tuple[Entry, dict[str, Any]]]:
    """Every finished entry with its measures, in the order of sizes, models and random seeds."""
    parsed = [Entry.parse(path.parent.name) for path in folder.glob(f"*/{MEASURES}")]
    entries = sorted(
        (entry for entry in parsed if entry is not None),
        key=lambda entry: (entry.code, entry.model != "pca", entry.model, entry.seed or 0),
    )
    measured = [(entry, read_measures(folder / entry.folder / MEASURES)) for entry in entries]
    return [(entry, measures) for entry, measures in measured if measures is not None]


def format_table(groups: Groups) -> list[str]:
    """Return the leaderboard as the lines of a Markdown table.

    Of several seeds, a cell holds the mean of a measure and its standard deviation.
    """
    head = ["model", "code", "seeds", *COLUMNS.values()]
    rows = [
        [model, str(code), str(len(measures)), *(_format_cell(measures, key) for key in COLUMNS)]
        for (model, code), measures in groups.items()
    ]
    return [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]]


def _format_cell(measures: Sequence[dict[str, Any]], key: str) -> str:
    if any(one.get(key) is None for one in measures):
        return ""
    style = FORMATS.get(key, "{:,.0f}")
    mean = style.format(_mean(measures, key))
    if len(measures) == 1 or key in ("parameters", "epochs"):
        return mean
    return f"{mean} ± {style.format(_deviation(measures, key))}"


def _mean(measures: Sequence[dict[str, Any]], key: str) -> float:
    return statistics.mean(one[key] for one in measures)


def _deviation(measures: Sequence[dict[str, Any]], key: str) -> float:
    """The standard deviation over random seeds; 0 for one."""
    return statistics.stdev(one[key] for one in measures) if len(measures) > 1 else 0.0


def _format_csv(groups: Groups) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    names = [f"{key}{end}" for key in COLUMNS for end in ("", "_deviation")]
    writer.writerow(["model", "code", "seeds", *names])
    for (model, code), measures in groups.items():
        cells = []
        for key in COLUMNS:
            is_known = all(one.get(key) is not None for one in measures)
            cells.append(_mean(measures, key) if is_known else "")
            # One seed has no deviation.
            is_spread = is_known and len(measures) > 1
            cells.append(_deviation(measures, key) if is_spread else "")
        writer.writerow([model, code, len(measures), *cells])
    return text.getvalue()


def _read_rows(folder: Path, entries: Sequence[Entry]) -> dict[str, np.ndarray]:
    """The originals, then the reconstructions by PCA and by the first seed of every model."""
    rows = {}
    for entry in entries:
        if entry.model in rows:
            continue
        path = folder / entry.folder
        if entry.model == "pca":
            rows["original"] = np.load(path / "originals.npy", allow_pickle=False)
            rows["pca"] = np.load(path / "reconstructions.npy", allow_pickle=False)
        else:
            files = (path / "arrays").glob("reconstructions*.npy")
            last = max(files, key=lambda file: int(file.stem.removeprefix("reconstructions")))
            rows[entry.model] = np.load(last, allow_pickle=False)[:EXAMPLES]
    return rows
