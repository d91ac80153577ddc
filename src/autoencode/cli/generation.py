"""The commands that make new images: sample and interpolate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from autoencode.cli.model_command import Count, ModelPath, Reading, Seed, Writes, running
from autoencode.cli.screen import app
from autoencode.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from autoencode.data.streaming import Stream
    from autoencode.inference.saved_model import Opened


@app.command
def sample(
    model: ModelPath,
    *,
    count: Count = 64,
    seed: Seed = 0,
    source: str | None = None,
    writing: Writes = None,
) -> None:
    """Draw new images, with codes like those of the training images.

    The codes of a variational model are drawn from a normal distribution, those of any other from
    Gaussians fitted to the training codes.

    Parameters
    ----------
    count
        How many.
    seed
        Random seed.
    source
        Images whose codes the Gaussians are fitted to, those for training [default: what the model
        was trained on]. Not for a variational model.
    """
    with running("sample", model, writing) as command:
        from autoencode.cli import results
        from autoencode.inference import generation
        from autoencode.inference.trained import KEPT_CODES

        source = generation.find_training_source(command.saved, source)
        if source is None:
            opened = command.open()
            stream = None
        else:
            opened, stream = command.read(source, Reading(part="train"), most=KEPT_CODES)
        training_codes = generation.learn_codes(opened, stream)
        samples = generation.sample(opened, training_codes, count=count, seed=seed)
        results.write_samples(command.files, samples)
        origin = "from a normal distribution"
        if training_codes is not None:
            origin = f"near those of {len(training_codes):,} training images"
        skipped = () if stream is None else stream.skipped
        command.finish(f"{len(samples):,} new images, their codes drawn {origin}", skipped)


@app.command
def interpolate(
    model: ModelPath,
    a: str,
    b: str,
    *,
    steps: Annotated[int, Parameter(validator=validators.Number(gte=2, lte=1000))] = 10,
    spherical: Annotated[bool, Parameter(negative="")] = False,
    source: str | None = None,
    part: str = "test",
    fit: str | None = None,
    frame_seconds: Annotated[
        float, Parameter(validator=validators.Number(gte=0.02, lte=600))
    ] = 0.1,
    writing: Writes = None,
) -> None:
    """Walk from one image to another in steps between their codes: a picture and a GIF.

    Parameters
    ----------
    a
        A picture, or the index of an image of --source, from 0.
    b
        The other.
    steps
        Images on the way, with both ends.
    spherical
        Walk on a sphere about the mean, which suits variational models.
    source
        Where indices count [default: what the model was trained on].
    part
        Which of its images: all, train or test.
    fit
        How a picture of other proportions fills the model's size: pad, crop or stretch [default:
        as in training].
    frame_seconds
        Seconds of each step in the GIF; browsers show none for less than 0.02.
    """
    with running("interpolate", model, writing) as command:
        from autoencode.cli import results
        from autoencode.inference import generation, saved_model

        for word in (a, b):
            _check_end(word)
        if spherical:
            generation.check_spherical(command.saved)
        if a.isdecimal() or b.isdecimal():
            indexed = saved_model.find_source(command.saved, source)
            opened, stream = command.read(indexed, Reading(part=part, fit=fit))
        else:
            opened = command.open()
            stream = None
        first, last = (_read_end(word, opened, stream, fit) for word in (a, b))
        images = generation.interpolate(opened, first, last, steps=steps, spherical=spherical)
        results.write_interpolation(command.files, first, images, last, frame_seconds=frame_seconds)
        command.finish(f"{steps} images from A to B")


def _check_end(word: str) -> None:
    """Raise `UsageError` where a word names no picture and is not an index."""
    if not word.isdecimal() and not Path(word).is_file():
        raise UsageError(
            f"expected a picture's path or the index of an image of --source, received {word!r}."
        )


def _read_end(word: str, opened: Opened, stream: Stream | None, fit: str | None) -> np.ndarray:
    """The image, uint8 (H, W, C), at a picture's path, or at an index of `stream`."""
    from autoencode.inference import generation

    if stream is not None and word.isdecimal():
        return stream.image(int(word))
    return generation.read_picture(opened, word, fit)
