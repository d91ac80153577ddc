"""What `inference` returns, into files: an array or a table, and figures beside it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import ExitStack

import numpy as np

from autoencode.cli import file_formats
from autoencode.cli.file_formats import SHEET_IMAGES, Spool, spooled
from autoencode.cli.output_files import OutputFiles
from autoencode.data.streaming import Stream
from autoencode.images import evenly_spaced
from autoencode.inference import projection as projections
from autoencode.inference.code_files import codes_to_levels
from autoencode.inference.results import (
    AnomalyRanking,
    Codes,
    Differences,
    Projection,
    ReconstructedBatch,
    Samples,
)
from autoencode.inference.rows import Rows, read_rows
from autoencode.plots import charts, grids, maps

DRAWN_CODES = 20_000  # whose distribution is drawn
MAP_CELLS = 12  # of the map on either side, each with one image at most
GRID = 20  # images of the plane on either side
GRID_TILE = 48  # pixels of one of them
FRAME = 256  # pixels of a frame of the GIF, on its longer side
REST = 4  # frames for which the GIF rests at either end

Shape = tuple[int, int, int]


def write_codes(files: OutputFiles, codes: Codes) -> None:
    """Write codes with their names, and a figure of the distribution of each latent dimension.

    An .npz file holds `codes`, float32 (N, K), `names` and, where there are any, `labels` and
    `classes`; .csv and .parquet have the columns of `Codes.table`. Of a quantized model, .npz holds
    `levels` and `bits` in place of `codes`, see `codes_to_levels`.
    """
    values = codes.values
    if files.format != ".npz":
        file_formats.write_table(files.file, codes.table())
    elif codes.bits is None:
        file_formats.write_arrays(files.file, {"codes": values} | _row_arrays(codes))
    else:
        levels = codes_to_levels(values, codes.bits)
        file_formats.write_arrays(files.file, levels | _row_arrays(codes))
    drawn = values[evenly_spaced(len(values), DRAWN_CODES)]
    file_formats.write_figure(files.beside(), charts.draw_codes(drawn, len(values)))


def write_images(files: OutputFiles, batches: Iterable[np.ndarray], shape: Shape) -> None:
    """Write `images`, uint8 (N, H, W, C), that come in batches, and a contact sheet of some.

    `shape` is that of an image, (H, W, C).
    """
    shown: list[np.ndarray] = []
    with spooled(shape, files.folder) as spool:
        for images in batches:
            spool.add(images)
            _keep_first(shown, images, SHEET_IMAGES)
        file_formats.write_arrays(files.file, {"images": spool})
    file_formats.write_sheet(files.beside(), np.stack(shown))


def write_reconstructions(
    files: OutputFiles,
    batches: Iterable[ReconstructedBatch],
    stream: Stream,
    *,
    shape: Shape,
    examples: int,
) -> np.ndarray:
    """Write the reconstructions of all images, and a figure of the first `examples` above theirs.

    The file holds `images`, uint8 (N, H, W, C), `errors`, float32 (N,), `names` and, where there
    are any, `labels` and `classes`; as .npy it holds the images alone. Returns the errors.
    """
    errors = []
    originals: list[np.ndarray] = []
    shown: list[np.ndarray] = []
    with spooled(shape, files.folder) as spool:
        for batch in batches:
            spool.add(batch.images)
            errors.append(batch.errors)
            _keep_first(originals, batch.originals, examples)
            _keep_first(shown, batch.images, examples)
        errors = np.concatenate(errors)
        arrays = {"images": spool, "errors": errors} | _row_arrays(read_rows(stream))
        file_formats.write_arrays(files.file, arrays)
    page = grids.draw_examples(np.stack(originals), np.stack(shown))
    file_formats.write_png(files.beside(), page)
    return errors


def write_denoised(
    files: OutputFiles,
    batches: Iterable[ReconstructedBatch],
    stream: Stream,
    *,
    shape: Shape,
    examples: int,
    with_noise: bool,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Write images without their noise, and a figure of the first `examples` with and without it.

    The file holds `images`, `names` and, where there are any, `labels` and `classes`. Where noise
    was put on the images first, `with_noise`, it holds the `noisy` ones as well, the figure shows
    the originals too, and the errors before and after denoising, both float32 (N,), are returned.
    """
    rows: dict[str, list[np.ndarray]] = {"clean": [], "noisy": [], "denoised": []}
    before = []
    after = []
    with ExitStack() as stack:
        denoised = stack.enter_context(spooled(shape, files.folder))
        arrays: dict[str, np.ndarray | Spool] = {"images": denoised}
        noisy = stack.enter_context(spooled(shape, files.folder)) if with_noise else None
        if noisy is not None:
            arrays["noisy"] = noisy
        for batch in batches:
            denoised.add(batch.images)
            if noisy is not None:
                noisy.add(batch.inputs)
                before.append(batch.input_errors)
                after.append(batch.errors)
            _keep_first(rows["clean"], batch.originals, examples)
            _keep_first(rows["noisy"], batch.inputs, examples)
            _keep_first(rows["denoised"], batch.images, examples)
        file_formats.write_arrays(files.file, arrays | _row_arrays(read_rows(stream)))
    if not with_noise:
        del rows["clean"]
    page = grids.draw_rows({name: np.stack(images) for name, images in rows.items()})
    file_formats.write_png(files.beside(), page)
    return (np.concatenate(before), np.concatenate(after)) if with_noise else None


def write_samples(files: OutputFiles, samples: Samples) -> None:
    """Write new `images` with their `codes`, and a contact sheet of the first hundred."""
    arrays = {"images": samples.images, "codes": samples.codes}
    file_formats.write_arrays(files.file, arrays)
    file_formats.write_sheet(files.beside(), samples.images)


def write_interpolation(
    files: OutputFiles,
    first: np.ndarray,
    images: np.ndarray,
    last: np.ndarray,
    *,
    frame_seconds: float = 0.1,
) -> None:
    """Write the way from one image to another as a row between both, and as a GIF, there and back.

    `first` and `last` are uint8 (H, W, C), the `images` between them (steps, H, W, C).
    """
    file_formats.write_png(files.beside(), grids.draw_path(first, images, last))
    frames = [_draw_frame(image) for image in images]
    there = [*[frames[0]] * REST, *frames[1:-1]]
    back = [*[frames[-1]] * REST, *frames[-2:0:-1]]
    file_formats.write_gif(files.file, there + back, frame_seconds)


def write_map(
    files: OutputFiles, projection: Projection, stream: Stream, plane: np.ndarray
) -> None:
    """Write where codes lie on a plane: a table, a map, and what the plane decodes to.

    The table has the columns of `Projection.table`. `plane`, uint8 (`GRID` ** 2, H, W, C), is that
    of `projection.decode_plane`; `stream` gives the images that the figure shows.
    """
    points = projection.points
    file_formats.write_table(files.file, projection.table())
    shown = projections.spread_points(points, MAP_CELLS)
    tiles = dict(zip(shown, stream.images(shown), strict=True))
    figure = maps.draw_map(points, projection.axes, tiles, projection.labels, projection.classes)
    file_formats.write_figure(files.beside(), figure)
    sheet = grids.draw_sheet(plane, GRID, tile=GRID_TILE, gap=0)
    file_formats.write_png(files.beside("-grid.png"), sheet)


def write_ranking(files: OutputFiles, ranking: AnomalyRanking, strangest: Differences) -> None:
    """Write all images, the strangest first, and figures of the `strangest` and of all scores.

    The table has the columns of `AnomalyRanking.table`. The first figure shows where images differ
    from their reconstructions, the second the scores beside those of normal images.
    """
    file_formats.write_table(files.file, ranking.table())
    rows = {
        "strangest": strangest.originals,
        "reconstructed": strangest.reconstructions,
        "difference": grids.coloured(strangest.heat),
    }
    file_formats.write_png(files.beside(), grids.draw_rows(rows))
    figure = charts.draw_scores(ranking.normal_scores, ranking.scores, ranking.threshold)
    file_formats.write_figure(files.beside("-scores.png"), figure)


def _row_arrays(rows: Rows) -> dict[str, np.ndarray]:
    """`names` and, where there are any, `labels` and `classes`, as arrays."""
    arrays = {"names": np.array(rows.names)}
    if rows.labels is not None:
        arrays["labels"] = rows.labels
        arrays["classes"] = np.array(rows.classes)
    return arrays


def _keep_first(kept: list[np.ndarray], images: np.ndarray, count: int) -> None:
    """Add the next of `images` until there are `count`."""
    kept.extend(np.array(images[: count - len(kept)]))


def _draw_frame(image: np.ndarray) -> bytes:
    written = io.BytesIO()
    grids.write_png(grids.draw_sheet(image[np.newaxis], 1, tile=FRAME, gap=0), written)
    return written.getvalue()
