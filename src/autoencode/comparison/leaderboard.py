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

SHOWN = 10  # test images in the picture
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
FORMATS = {"mse": "{:.5f}", "psnr": "{:.2f}", "ssim": "{:.4f}", "probe": "{:.4f}", "neighbours": "{:.4f}", "seconds": "{:,.0f}"}  # fmt: skip


def write(folder: Path) -> list[str]:
    """Write leaderboard.md, leaderboard.csv, reconstructions.png and error.png; return the lines of the leaderboard.

    They hold all that is done in `folder`, by whichever call. The picture is of the size of code that most models have, the
    largest of several.
    """
    results = _finished(folder)
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for entry, found in results:
        groups.setdefault((entry.model, entry.code), []).append(found)
    ordered = sorted(
        groups.items(), key=lambda item: (item[0][1], item[0][0] != "pca", _mean(item[1], "mse"))
    )
    lines = table(dict(ordered))
    write_file(folder / f"{LEADERBOARD}.md", ("\n".join(lines) + "\n").encode())
    write_file(folder / f"{LEADERBOARD}.csv", _csv(dict(ordered)).encode())
    sizes = [code for _, code in groups]
    shown = max(set(sizes), key=lambda code: (sizes.count(code), code))
    page = grids.draw_rows(_rows(folder, [entry for entry, _ in results if entry.code == shown]))
    written = io.BytesIO()
    grids.write_png(page, written)
    write_file(folder / "reconstructions.png", written.getvalue())
    errors: dict[str, list[tuple[int, float, float]]] = {}
    for (model, code), found in sorted(groups.items(), key=lambda item: item[0][1]):
        errors.setdefault(model, []).append((code, _mean(found, "mse"), _spread(found, "mse")))
    written = io.BytesIO()
    charts.write_curve(charts.draw_errors(errors), written)
    write_file(folder / "error.png", written.getvalue())
    return lines


def _finished(folder: Path) -> list[tuple[Entry, dict[str, Any]]]:
    """Every entry of a comparison that is done, with its measures, in the order of sizes, models and seeds."""
    entries = filter(None, (Entry.of(path.parent.name) for path in folder.glob(f"*/{MEASURES}")))
    ordered = sorted(
        entries, key=lambda entry: (entry.code, entry.model != "pca", entry.model, entry.seed or 0)
    )
    found = ((entry, read_measures(folder / entry.folder / MEASURES)) for entry in ordered)
    return [(entry, measured) for entry, measured in found if measured is not None]


def table(groups: dict[tuple[str, int], list[dict[str, Any]]]) -> list[str]:
    """Return the leaderboard as the lines of a Markdown table: mean and, over several seeds, spread of every measure."""
    head = ["model", "code", "seeds", *COLUMNS.values()]
    rows = [
        [name, str(code), str(len(found)), *(_cell(found, key) for key in COLUMNS)]
        for (name, code), found in groups.items()
    ]
    return [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]]


def _cell(found: Sequence[dict[str, Any]], key: str) -> str:
    if any(one.get(key) is None for one in found):
        return ""
    style = FORMATS.get(key, "{:,.0f}")
    mean = style.format(_mean(found, key))
    return (
        mean
        if len(found) == 1 or key in ("parameters", "epochs")
        else f"{mean} ± {style.format(_spread(found, key))}"
    )


def _mean(found: Sequence[dict[str, Any]], key: str) -> float:
    return statistics.mean(one[key] for one in found)


def _spread(found: Sequence[dict[str, Any]], key: str) -> float:
    """The standard deviation over seeds; 0 for one."""
    return statistics.stdev(one[key] for one in found) if len(found) > 1 else 0.0


def _csv(groups: dict[tuple[str, int], list[dict[str, Any]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        [
            "model",
            "code",
            "seeds",
            *(f"{key}{end}" for key in COLUMNS for end in ("", "_deviation")),
        ]
    )
    for (model, code), found in groups.items():
        cells = []
        for key in COLUMNS:
            known = all(one.get(key) is not None for one in found)
            spread = _spread(found, key) if known and len(found) > 1 else ""  # one seed has none
            cells += [_mean(found, key) if known else "", spread]
        writer.writerow([model, code, len(found), *cells])
    return text.getvalue()


def _rows(folder: Path, entries: Sequence[Entry]) -> dict[str, np.ndarray]:
    """The originals, then what PCA and the first seed of every model redraw of them."""
    rows = {}
    for entry in entries:
        if entry.model in rows:
            continue
        path = folder / entry.folder
        if entry.model == "pca":
            rows["original"] = np.load(path / "originals.npy", allow_pickle=False)
            rows["pca"] = np.load(path / "reconstructions.npy", allow_pickle=False)
        else:
            last = max(
                (path / "arrays").glob("reconstructions*.npy"), key=lambda one: int(one.stem[15:])
            )
            rows[entry.model] = np.load(last, allow_pickle=False)[:SHOWN]
    return rows
