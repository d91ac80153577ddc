"""Images through a model and back, with noise added first or without: reconstruct and denoise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from autoencode import metrics, objectives
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError
from autoencode.images import to_pixels
from autoencode.inference.results import ReconstructedBatch, Reconstruction
from autoencode.inference.rows import row_fields
from autoencode.inference.saved_model import Opened, Saved

Noise = Callable[[np.ndarray], np.ndarray]


def reconstruct(opened: Opened, stream: Stream, *, refine: int = 0) -> Reconstruction:
    """Return the reconstructions of all images of `stream`, see `reconstruct_batches`."""
    return _collect(stream, reconstruct_batches(opened, stream, refine=refine))


def reconstruct_batches(
    opened: Opened, stream: Stream, *, refine: int = 0
) -> Iterator[ReconstructedBatch]:
    """Return an iterator of the images of `stream` and their reconstructions, in batches.

    `refine` as for `Trained.encode`. Raises `UsageError` where the codes of a quantized model are
    to be refined.
    """
    opened.saved.check_refinable(refine)
    return _reconstruct(opened, stream, refine=refine)


def denoise(
    opened: Opened, stream: Stream, *, add: str | None = None, seed: int = 0
) -> Reconstruction:
    """Return all images of `stream` without their noise, see `denoise_batches`."""
    return _collect(stream, denoise_batches(opened, stream, add=add, seed=seed))


def denoise_batches(
    opened: Opened, stream: Stream, *, add: str | None = None, seed: int = 0
) -> Iterator[ReconstructedBatch]:
    """Return an iterator of the images of `stream` and of them without their noise, in batches.

    `add` puts noise on the images first, as `Config.noise` says, drawn from the random `seed`.
    Raises `AutoencodeError` where the model was trained without noise, `UsageError` for a noise
    that does not exist.
    """
    check_denoising(opened.saved, add)
    return _reconstruct(opened, stream, noise=make_noise(add, seed) if add else None)


def check_denoising(saved: Saved, add: str | None) -> None:
    """Raise `AutoencodeError` where `saved` was trained without noise.

    Raises `UsageError` for an unknown noise to `add`.
    """
    objectives.noises(add or "none")
    if saved.settings.get("noise") == "none":
        raise AutoencodeError(
            f"{saved.name} was trained without noise: denoise expects a model trained with noise, "
            "such as `noise=gaussian:0.3`."
        )


def make_noise(setting: str, seed: int) -> Noise:
    """Return a function that puts noise on images, uint8 (N, H, W, C), as a training does.

    `setting` is that of `Config.noise`. Raises `UsageError` for a noise that does not exist.
    """
    strengths = objectives.noises(setting)
    from keras import ops

    from autoencode.objectives.noise import Corrupt

    layer = Corrupt(strengths, seed)
    return lambda images: to_pixels(ops.convert_to_numpy(layer(images / np.float32(255))))


def _reconstruct(
    opened: Opened, stream: Stream, *, noise: Noise | None = None, refine: int = 0
) -> Iterator[ReconstructedBatch]:
    for originals in stream.batches(opened.trained.batch_size):
        inputs = originals if noise is None else noise(originals)
        floats = opened.decode(opened.encode(inputs, refine))
        errors = metrics.squared_errors(originals, floats)
        yield ReconstructedBatch(originals, inputs, to_pixels(floats), errors)


def _collect(stream: Stream, batches: Iterator[ReconstructedBatch]) -> Reconstruction:
    inputs: list[np.ndarray] = []
    images: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    for batch in batches:
        inputs.append(batch.inputs)
        images.append(batch.images)
        errors.append(batch.errors)
    return Reconstruction(
        images=np.concatenate(images),
        errors=np.concatenate(errors),
        inputs=np.concatenate(inputs),
        **row_fields(stream),
    )
