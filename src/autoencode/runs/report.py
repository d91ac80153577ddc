"""The report of a run: one HTML page that holds all it shows.

Knows what a run folder records, not its path.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

TEMPLATE = Path(__file__).with_name("report.html")


def build_report(
    record: dict[str, Any],
    metrics: Sequence[dict[str, Any]],
    pca: float | None,
    findings: Sequence[dict[str, str]],
    pictures: Sequence[bytes],
    curve: str,
    kept: dict[str, Any],
) -> str:
    """Return the page of a run as HTML that needs no other file and no network.

    `record` is config.json, `metrics` the lines of metrics.jsonl, `pca` the error of PCA where it
    is known, `findings` what the doctor found, `pictures` the PNG file of each epoch and `curve` an
    SVG element, `kept` the epoch whose weights the model has, and its val_loss. Every text is
    escaped.
    """
    sources = [
        "data:image/png;base64," + base64.b64encode(picture).decode() for picture in pictures
    ]
    lines = [f"{m['epoch']}: loss {m['loss']:.4f}, val_loss {m['val_loss']:.4f}" for m in metrics]
    summary = f"{record['parameters']:,} parameters, {len(metrics)} epochs"
    summary += f", val_loss {kept['val_loss']:.4f}"
    if kept["epoch"] != len(metrics):
        summary += (
            f" with the weights of epoch {kept['epoch']}"
            if kept["epoch"]
            else " as PCA, better than every epoch"
        )
    fields = {
        "title": f"autoencode: {record['source']}",
        "summary": summary
        + (f" (PCA with as many components: {pca:.4f})" if pca is not None else ""),
        "epochs": len(metrics),
        "code": record["settings"]["code"],
        "last_picture": sources[-1],
        "last_line": lines[-1],
        "command": record["command"],
    }
    markup = {
        "curve": curve,
        "findings": "\n".join(f"<li>{_finding(one)}</li>" for one in findings)
        or "<li>Nothing is wrong.</li>",
        "epoch_rows": "\n".join(_row(_epoch_cells(line)) for line in metrics),
        "setting_rows": "\n".join(_row(cells) for cells in _settings(record)),
        "pictures": _script(sources),
        "lines": _script(lines),
    }
    escaped = {name: html.escape(str(value)) for name, value in fields.items()}
    return Template(TEMPLATE.read_text("utf-8")).substitute(escaped | markup)


def _epoch_cells(line: dict[str, Any]) -> list[str]:
    return [
        f"{line['epoch']}",
        f"{line['steps']}",
        f"{line['seconds']:.2f}",
        f"{line['step_seconds'] * 1000:.2f}",
        f"{line['images_per_second']:,.0f}",
        f"{line['loss']:.4f}",
        f"{line['val_loss']:.4f}",
    ]


def _finding(finding: dict[str, str]) -> str:
    what, cause, advice = (_marked(finding[part]) for part in ("what", "cause", "advice"))
    return f"<strong>{what}</strong>: {cause}; {advice}."


def _marked(text: str) -> str:
    """Return `text` as HTML, with settings in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _settings(record: dict[str, Any]) -> list[tuple[str, Any]]:
    height, width, channels = record["images"]["shape"]
    return [
        ("source", record["source"]),
        ("images", f"{record['images']['train']:,} to train, {record['images']['test']:,} to test"),
        ("size", f"{width} x {height}, {'grey' if channels == 1 else 'colour'}"),
        *(("chosen", note) for note in record.get("notes", ())),
        *record["settings"].items(),
        ("engine chosen", record["engine"]),
        ("device", record["device"]),
        *((f"version of {name}", version) for name, version in record["versions"].items()),
        ("started", record["started"]),
    ]


def _row(cells: Sequence[Any]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _script(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")
