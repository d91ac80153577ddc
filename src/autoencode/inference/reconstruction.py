"""Images and what a model makes of them: reconstruct and denoise. Knows streams and places; no screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from autoencode import metrics, objectives
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError
from autoencode.images import to_pixels
from autoencode.inference import outputs
from autoencode.inference.opening import Opened, Saved
from autoencode.inference.outputs import Place, spooled
from autoencode.plots import grids


def reconstruct(
    opened: Opened, stream: Stream, place: Place, *, refine: int = 0, examples: int = 10
) -> dict[str, float]:
    """Write the reconstructions of all images, and a picture of the first `examples` above theirs.

    The file holds `images`, uint8 (N, H, W, C), `errors`, the mean squared error of each with pixels in [0, 1], float32
    (N,), `names` and, where there are any, `labels` and `classes`; as .npy it holds the images alone. `refine` as for
    `Trained.encode`. Returns the number of `images`, the mean `mse` and `psnr` (dB). Raises `UsageError` where codes of few
    values are to be refined.
    """
    opened.saved.check_refinable(refine)
    errors, originals, shown = [], [], []
    with spooled(opened.trained.shape, place.file.parent) as spool:
        for images, _, redrawn, found in redraw(opened, stream, refine=refine):
            spool.add(redrawn)
            errors.append(found)
            _keep(originals, images, examples)
            _keep(shown, redrawn, examples)
        errors = np.concatenate(errors)
        outputs.write_arrays(place.file, {"images": spool, "errors": errors, **stream.metadata()})
    outputs.write_png(place.beside(), grids.draw_examples(np.stack(originals), np.stack(shown)))
    return {
        "images": len(errors),
        "mse": float(errors.mean(dtype=np.float64)),
        "psnr": metrics.psnr(errors),
    }


def check(saved: Saved, add: str | None) -> None:
    """Raise `AutoencodeError` where `saved` was trained without noise, `UsageError` where there is no such noise to add."""
    objectives.noises(add or "none")
    if saved.settings.get("noise") == "none":
        raise AutoencodeError(
            f"{saved.name} was trained without noise: denoise expects a model trained with noise, such as `noise=gaussian:0.3`."
        )


def denoise(
    opened: Opened,
    stream: Stream,
    place: Place,
    *,
    add: str | None = None,
    seed: int = 0,
    examples: int = 10,
) -> dict[str, float]:
    """Write all images without their noise, and a picture of the first `examples` with and without it.

    `add` puts noise on the images first, words as for `Config.noise`, drawn from `seed`: then the picture shows them clean
    too, the file holds what was `noisy`, and `psnr_before` and `psnr` (dB) are returned beside the number of `images`.
    Raises `AutoencodeError` where the model was trained without noise.
    """
    check(opened.saved, add)
    shown, errors = {"clean": [], "noisy": [], "denoised": []}, {"psnr_before": [], "psnr": []}
    shape, folder = opened.trained.shape, place.file.parent
    with spooled(shape, folder) as denoised, spooled(shape, folder) as noisy:
        for clean, given, made, after in redraw(opened, stream, add=add, seed=seed):
            before = metrics.squared_errors(clean, given / np.float32(255))
            for spool, images in ((denoised, made), (noisy, given)):
                spool.add(images)
            for kept, images in zip(shown.values(), (clean, given, made), strict=True):
                _keep(kept, images, examples)
            for kept, found in zip(errors.values(), (before, after), strict=True):
                kept.append(found)
        arrays = {"images": denoised, "noisy": noisy} if add else {"images": denoised}
        outputs.write_arrays(place.file, arrays | stream.metadata())
    rows = {name: np.stack(images) for name, images in shown.items() if add or name != "clean"}
    outputs.write_png(place.beside(), grids.draw_rows(rows))
    gains = (
        {name: metrics.psnr(np.concatenate(found)) for name, found in errors.items()} if add else {}
    )
    return {"images": len(stream.kept), **gains}


def corruption(words: str, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that puts noise on images, uint8 (N, H, W, C): that of a training with `words`, from `seed`.

    Raises `UsageError` for a noise that there is not.
    """
    strengths = objectives.noises(words)
    from keras import ops

    from autoencode.objectives.noise import Corrupt

    layer = Corrupt(strengths, seed)
    return lambda images: to_pixels(ops.convert_to_numpy(layer(images / np.float32(255))))


def redraw(
    opened: Opened, stream: Stream, *, add: str | None = None, seed: int = 0, refine: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the images of `stream` in batches, what the model was given, what it made, and the errors.

    The first three are uint8 (n, H, W, C), the errors against the images of `stream` float32 (n,).
    `add` and `seed` as for `denoise`: without noise, the model is given the images as they are.
    """
    disturb = corruption(add, seed) if add else None
    for images in stream.batches(opened.trained.batch_size):
        given = images if disturb is None else disturb(images)
        floats = opened.decode(opened.encode(given, refine))
        yield images, given, to_pixels(floats), metrics.squared_errors(images, floats)


def _keep(kept: list[np.ndarray], images: np.ndarray, most: int) -> None:
    """Add the next of `images` until there are `most`."""
    kept.extend(np.array(images[: most - len(kept)]))
