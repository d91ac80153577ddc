"""The command that lays codes on a plane: map."""

from __future__ import annotations

from autoencode.cli.model_command import ModelPath, Reads, SourceName, Writes, running
from autoencode.cli.screen import app


@app.command(name="map")
def map_codes(
    model: ModelPath,
    source: SourceName,
    *,
    method: str = "auto",
    reading: Reads = None,
    writing: Writes = None,
) -> None:
    """Lay every image on a plane by its code: a picture, a table, and what the plane decodes to.

    Parameters
    ----------
    method
        How: pca, umap, or auto: two numbers are a plane already; else UMAP where it is installed,
        else PCA.
    """
    with running("map", model, writing) as command:
        from autoencode.cli import results
        from autoencode.inference import projection as projections

        projections.check_method(method)
        opened, stream = command.read(source, reading)
        projection = projections.project(opened, stream, method=method)
        plane = projections.decode_plane(opened, projection, results.GRID)
        results.write_map(command.files, projection, stream, plane)
        command.finish(
            f"{len(projection):,} images on a plane by {projections.METHODS[projection.method]}",
            stream.skipped,
        )
