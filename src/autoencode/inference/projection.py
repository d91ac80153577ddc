"""All images of a source on one plane, by their codes: map. Knows streams and places; no screen."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from autoencode import engines, metrics
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, unknown
from autoencode.images import to_pixels
from autoencode.inference import outputs
from autoencode.inference.encoding import codes_of, columns
from autoencode.inference.opening import Opened
from autoencode.inference.outputs import Place
from autoencode.plots import charts, grids

METHODS = {"auto": "", "pca": "PCA", "umap": "UMAP", "code": "the two numbers of the code"}
CELLS = 12  # of the map on either side, each with one image at most
GRID, GRID_TILE = 20, 48  # images of the plane on either side, and pixels of one
REACH = 0.01, 0.99  # quantiles of the points between which the plane is decoded
NEIGHBOURS = 15  # of UMAP, as by default
UMAP_NEEDS = 4  # images
NEAREST = 5  # images whose codes a place on UMAP's plane is decoded from


@dataclass(frozen=True)
class Plane:
    """Codes laid on a plane: `points` (N, 2), the axes' names, and the way `back` from places (M, 2) to codes."""

    points: np.ndarray
    axes: tuple[str, str]
    back: Callable[[np.ndarray], np.ndarray]


def check(method: str) -> None:
    """Raise `UsageError` for a method that there is not, `AutoencodeError` where its package is missing."""
    if method not in (known := ("auto", "pca", "umap")):
        raise unknown("method", method, known)
    if method == "umap" and not _has_umap():
        raise AutoencodeError(
            "`method=umap` needs umap-learn; install it with: pip install 'autoencode[umap]'"
        )


def write_map(
    opened: Opened, stream: Stream, place: Place, *, method: str = "auto"
) -> dict[str, str | int]:
    """Write where the code of every image lies on a plane, as a table and as a picture with some of the images on it.

    The table has the columns `name`, `label` where there are labels, `x` and `y`. `method` is pca, umap, or auto: a code of
    two numbers is the plane itself; else UMAP where it is installed and there are images enough, else PCA. A second picture shows what a grid over the
    plane decodes to. Returns the number of `images` and the `method`.
    """
    codes, method, plane = project(opened, stream, method)
    outputs.write_table(place.file, columns(stream) | dict(zip("xy", plane.points.T, strict=True)))
    shown = spread(plane.points, CELLS)
    tiles = dict(zip(shown, stream.images(shown), strict=True))
    outputs.write_figure(
        place.beside(), charts.draw_map(plane.points, plane.axes, tiles, *stream.labels())
    )
    redrawn = to_pixels(opened.decode(plane.back(grid(plane.points, GRID)).astype(np.float32)))
    outputs.write_png(
        place.beside("-grid.png"), grids.draw_sheet(redrawn, GRID, tile=GRID_TILE, gap=0)
    )
    return {"images": len(codes), "method": method}


def project(opened: Opened, stream: Stream, method: str = "auto") -> tuple[np.ndarray, str, Plane]:
    """Return the codes (N, K) of all images of `stream`, the method chosen, and the plane they lie on.

    Raises `UsageError` for an unknown method, `AutoencodeError` where its package is missing, or
    where codes have one number.
    """
    check(method)
    if opened.trained.code < 2:
        raise AutoencodeError(
            f"map expects codes of at least two numbers, those of {opened.saved.name} have one."
        )
    codes = codes_of(opened, stream)
    method = _chosen(method, codes)
    plane = {"code": _itself, "pca": _pca, "umap": _umap}[method](codes)
    return codes, method, plane


def grid(points: np.ndarray, side: int) -> np.ndarray:
    """Return side x side points (side ** 2, 2) over all but the outermost of `points` (N, 2), by rows from the top left.

    >>> grid(np.array([[0, 0], [1, 1]]), 2).round(2).tolist()
    [[0.01, 0.99], [0.99, 0.99], [0.01, 0.01], [0.99, 0.01]]
    """
    (left, bottom), (right, top) = np.quantile(points, REACH, axis=0)
    x, y = np.meshgrid(np.linspace(left, right, side), np.linspace(top, bottom, side))
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def spread(points: np.ndarray, side: int) -> list[int]:
    """Return the ascending indices of points (N, 2), one in each of side x side cells that holds any: the nearest to its middle.

    >>> spread(np.array([[0.0, 0.0], [0.2, 0.3], [1.0, 1.0]]), 2)
    [1, 2]
    """
    least, extent = points.min(0), np.maximum(np.ptp(points, axis=0), np.finfo(np.float32).tiny)
    scaled = (points - least) / extent * side
    cells = np.minimum(scaled.astype(int), side - 1)
    order = np.argsort(np.square(scaled - cells - 0.5).sum(1), kind="stable")
    _, first = np.unique(cells[order] @ [side, 1], return_index=True)
    return sorted(order[first].tolist())


def _chosen(method: str, codes: np.ndarray) -> str:
    if method != "auto":
        return method
    if codes.shape[1] == 2:
        return "code"
    return "umap" if len(codes) >= UMAP_NEEDS and _has_umap() else "pca"


def _has_umap() -> bool:
    found = find_spec("umap")
    # A folder of that name where we stand is none.
    return found is not None and found.origin is not None


def _itself(codes: np.ndarray) -> Plane:
    return Plane(codes, ("code0", "code1"), lambda points: points)


def _pca(codes: np.ndarray) -> Plane:
    mean, axes, shares = metrics.plane(codes)
    names = tuple(
        f"component {number}, {share:.0%} of the variance"
        for number, share in enumerate(shares, start=1)
    )
    return Plane(
        ((codes - mean) @ axes).astype(np.float32), names, lambda points: points @ axes.T + mean
    )


def _umap(codes: np.ndarray) -> Plane:
    """UMAP's plane (McInnes, Healy and Melville, arXiv:1802.03426).

    Its own way back takes minutes; a place decodes to the mean code of the images nearest to it, the nearer the more.
    """
    # UMAP would import TensorFlow for a parametric map, 2 s and 450 MB, and warns of having none.
    ignored = warnings.catch_warnings(action="ignore", category=ImportWarning)
    with engines.without_tensorflow(), ignored:
        import umap
    from sklearn.neighbors import KNeighborsRegressor  # UMAP needs it anyway

    if len(codes) < UMAP_NEEDS:
        raise AutoencodeError(
            f"UMAP needs at least {UMAP_NEEDS} images, received {len(codes)}: choose `method=pca`."
        )
    points = umap.UMAP(
        n_neighbors=min(NEIGHBOURS, len(codes) - 1), random_state=0, n_jobs=1
    ).fit_transform(codes)
    nearest = KNeighborsRegressor(min(NEAREST, len(codes)), weights="distance").fit(points, codes)
    return Plane(points, ("UMAP 1", "UMAP 2"), nearest.predict)
