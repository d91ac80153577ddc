"""The commands from images to images: reconstruct and denoise."""

from __future__ import annotations

from autoencode.cli.model_command import (
    Count,
    ModelPath,
    Reads,
    Seed,
    SourceName,
    Steps,
    Writes,
    running,
)
from autoencode.cli.screen import app


@app.command
def reconstruct(
    model: ModelPath,
    source: SourceName,
    *,
    refine: Steps = 0,
    examples: Count = 10,
    reading: Reads = None,
    writing: Writes = None,
) -> None:
    """Reconstruct every image: an array of the reconstructions, their errors, a picture of some.

    Parameters
    ----------
    refine
        Steps of gradient descent that improve each code for its own image; 50 do most of it.
    examples
        Images in the picture.
    """
    with running("reconstruct", model, writing) as command:
        import numpy as np

        from autoencode import metrics
        from autoencode.cli import results
        from autoencode.inference.reconstruction import reconstruct_batches

        command.saved.check_refinable(refine)
        opened, stream = command.read(source, reading)
        batches = reconstruct_batches(opened, stream, refine=refine)
        errors = results.write_reconstructions(
            command.files, batches, stream, shape=opened.trained.shape, examples=examples
        )
        mse = errors.mean(dtype=np.float64)
        psnr = metrics.psnr(errors)
        command.finish(
            f"{len(errors):,} images: mean squared error {mse:.5f}, PSNR {psnr:.2f} dB",
            stream.skipped,
        )


@app.command
def denoise(
    model: ModelPath,
    source: SourceName,
    *,
    add: str | None = None,
    seed: Seed = 0,
    examples: Count = 10,
    reading: Reads = None,
    writing: Writes = None,
) -> None:
    """Take the noise off every image of a source, with a model that was trained with --noise.

    Parameters
    ----------
    add
        Noise that is put on the images first, as --noise of train, to see how much comes off.
    seed
        Random seed of that noise.
    examples
        Images in the picture.
    """
    with running("denoise", model, writing) as command:
        from autoencode import metrics
        from autoencode.cli import results
        from autoencode.inference.reconstruction import check_denoising, denoise_batches

        check_denoising(command.saved, add)
        opened, stream = command.read(source, reading)
        errors = results.write_denoised(
            command.files,
            denoise_batches(opened, stream, add=add, seed=seed),
            stream,
            shape=opened.trained.shape,
            examples=examples,
            with_noise=bool(add),
        )
        line = f"{len(stream.kept):,} images"
        if errors is not None:
            before, after = map(metrics.psnr, errors)
            line += f": PSNR {before:.2f} dB with noise, {after:.2f} dB without"
        command.finish(line, stream.skipped)
