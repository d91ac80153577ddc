"""The commands that handle sources before a training: look and pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autoencode.cli.screen import app, decoding, tell_skipped
from autoencode.config import DataConfig


@app.command
def look(
    source: str,
    *,
    sheet: Path | None = None,
    config: Annotated[DataConfig | None, Parameter(name="*")] = None,
) -> None:
    """Look at a source: how many pictures, their sizes and colours, duplicates, what cannot be read, a contact sheet.

    Parameters
    ----------
    source
        As for train.
    sheet
        PNG file for the contact sheet [default: NAME-look.png].
    """
    from autoencode.cli.console import Screen
    from autoencode.data import summary

    console = Screen()
    with decoding(console) as progress:
        seen = summary.summarise(source, config or DataConfig(), progress)
    for line in seen.lines():
        console.tell(line)
    path = sheet or Path(f"{seen.name}-look.png")
    summary.write_sheet(seen, path)
    console.tell(f"contact sheet in {path}")
    tell_skipped(console, seen.skipped, None)


@app.command
def pack(source: str, file: Path, *, config: Annotated[DataConfig | None, Parameter(name="*")] = None) -> None:
    """Decode a source once, on all cores, into one file that training reads without filling memory.

    The same command continues a packing that was cut off.

    Parameters
    ----------
    source
        As for train.
    file
        The packed store to write; train, look and pack take it as a source.
    """
    from autoencode import data
    from autoencode.cli.console import Screen

    console = Screen()
    with decoding(console) as progress:
        images = data.pack(source, file, config or DataConfig(), progress)
    for note in images.notes:
        console.tell(note)
    count, (height, width, channels) = sum(map(len, images.parts.values())), images.shape
    console.tell(
        f"{count:,} {'image' if count == 1 else 'images'} of {width}x{height}, {'grey' if channels == 1 else 'rgb'}, in {file} "
        f"({file.stat().st_size / 1e6:,.1f} MB)"
    )
    tell_skipped(console, images.skipped, None)
