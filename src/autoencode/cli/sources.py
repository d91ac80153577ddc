"""The commands that handle sources before a training: look and pack."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autoencode.cli.screen import app, decoding, tell_skipped
from autoencode.config import DataConfig


@app.command
def look(
    source: str,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "--sheet"))] = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    config: Annotated[DataConfig | None, Parameter(name="*")] = None,
) -> None:
    """Look at a source: counts, sizes, colours, duplicates, what cannot be read, a contact sheet.

    Parameters
    ----------
    source
        As for train.
    out
        Folder for the contact sheet, or a file that ends in .png [default: look-NAME/].
    overwrite
        Replace a file that is there already, and is not the contact sheet of an earlier look.
    """
    from autoencode.cli.console import Screen
    from autoencode.data import summary
    from autoencode.runs import plain_name
    from autoencode.training import image_checks

    console = Screen()
    if out is not None:  # before the work
        with _sheet("", out, overwrite=overwrite):
            pass
    with decoding(console) as progress:
        seen = summary.summarise(source, config or DataConfig(), progress)
    for line in seen.lines():
        console.tell(line)
    for finding in image_checks.examine_images(seen.images):
        console.tell(f"doctor: {finding}")
    with _sheet(plain_name(seen.name), out, overwrite=overwrite) as path:
        summary.write_sheet(seen, path)
    console.tell(f"contact sheet in {path}")
    tell_skipped(console, seen.skipped, None)


@contextmanager
def _sheet(name: str, out: Path | None, *, overwrite: bool) -> Generator[Path]:
    """Give the path of a contact sheet.

    One of an earlier look is replaced, any other file only with `overwrite`.
    """
    from autoencode.cli.output_files import claim_files, find_files
    from autoencode.system import marks

    files = find_files("look", name, out, overwrite=True)
    with suppress(OSError), files.file.open("rb") as file:
        overwrite = overwrite or marks.is_marked_picture(file.read(marks.HEAD_BYTES))
    with claim_files("look", name, out, overwrite=overwrite) as claimed:
        yield claimed.file


@app.command
def pack(
    source: str, file: Path, *, config: Annotated[DataConfig | None, Parameter(name="*")] = None
) -> None:
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
    console.tell(images.account())
    for note in (*images.unused_notes(), *images.notes):
        console.tell(note)
    count = sum(map(len, images.parts.values()))
    counted = f"{count:,} {'image' if count == 1 else 'images'}"
    height, width, channels = images.shape
    colour = "grey" if channels == 1 else "rgb"
    megabytes = file.stat().st_size / 1e6
    console.tell(f"{counted} of {width}x{height}, {colour}, in {file} ({megabytes:,.1f} MB)")
    tell_skipped(console, images.skipped, None)
