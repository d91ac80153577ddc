"""Pictures and tables as HTML, for notebooks. What comes from elsewhere is escaped."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from autoencode.plots import grids

SHEET_COLUMNS = 10
# Rows of a table that are shown.
MAX_ROWS = 10


def picture_element(picture: Image.Image, alt: str) -> str:
    """Return `picture` as an element that holds its pixels, so that it needs no file."""
    png = io.BytesIO()
    picture.save(png, "PNG")
    pixels = base64.b64encode(png.getvalue()).decode()
    return (
        f'<img src="data:image/png;base64,{pixels}" alt="{html.escape(alt)}" '
        'style="max-width: 100%; background: white">'
    )


def pairs_element(originals: np.ndarray, reconstructions: np.ndarray) -> str:
    """Return originals above their reconstructions, uint8 (E, H, W, C) each."""
    rows = {"original": originals, "reconstruction": reconstructions}
    return picture_element(grids.draw_rows(rows), "originals above their reconstructions")


def sheet_element(images: np.ndarray) -> str:
    """Return a contact sheet of images, uint8 (N, H, W, C)."""
    columns = min(len(images), SHEET_COLUMNS)
    return picture_element(grids.draw_sheet(images, columns), f"{len(images)} images")


def table_element(head: Sequence[str], rows: Iterable[Sequence[object]], count: int) -> str:
    """Return a table of the first `MAX_ROWS` of `count` rows, and how many there are."""
    cells = [_row("th", head)]
    for index, row in enumerate(rows):
        if index == MAX_ROWS:
            break
        cells.append(_row("td", row))
    more = f"<p>{MAX_ROWS} of {count:,} rows</p>" if count > MAX_ROWS else ""
    return f"<table>{''.join(cells)}</table>{more}"


def card_element(title: str, facts: Iterable[tuple[str, object]], *elements: str) -> str:
    """Return a heading, a line of facts, and HTML `elements` below."""
    line = " &middot; ".join(
        f"{html.escape(name)} <b>{html.escape(str(value))}</b>" for name, value in facts
    )
    return f"<div><p><b>{html.escape(title)}</b></p><p>{line}</p>{''.join(elements)}</div>"


def _row(tag: str, cells: Sequence[object]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
