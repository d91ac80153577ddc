"""The commands between images and codes: encode and decode."""

from __future__ import annotations

from pathlib import Path

from autoencode.cli.model_command import ModelPath, Reads, SourceName, Steps, Writes, running
from autoencode.cli.screen import app


@app.command
def encode(
    model: ModelPath,
    source: SourceName,
    *,
    refine: Steps = 0,
    reading: Reads = None,
    writing: Writes = None,
) -> None:
    """Turn every image into its code: a table with names and labels, a picture of the distribution.

    Parameters
    ----------
    refine
        Steps of gradient descent that improve each code for its own image; 50 do most of it.
    """
    with running("encode", model, writing) as command:
        from autoencode.cli import results
        from autoencode.inference import code_files, codes

        command.saved.check_refinable(refine)
        if command.files.format == ".parquet":
            code_files.load_parquet()  # before the work, not after
        opened, stream = command.read(source, reading)
        encoded = codes.encode(opened, stream, refine=refine)
        results.write_codes(command.files, encoded)
        command.finish(
            f"{len(encoded):,} images, a code of {opened.trained.code} numbers each",
            stream.skipped,
        )


@app.command
def decode(model: ModelPath, codes: Path, *, writing: Writes = None) -> None:
    """Turn codes into images: an array and a contact sheet.

    Parameters
    ----------
    codes
        An .npz, .csv or .parquet file as encode writes it, or an .npy file.
    """
    with running("decode", model, writing) as command:
        from autoencode.cli import results
        from autoencode.inference import code_files
        from autoencode.inference.codes import decode_batches

        code_files.check_codes_path(codes)
        opened = command.open()
        values = code_files.read_codes(codes, opened.trained.code)
        batches = decode_batches(opened, values)
        results.write_images(command.files, batches, opened.trained.shape)
        command.finish(f"{len(values):,} images")
