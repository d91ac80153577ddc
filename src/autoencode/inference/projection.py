"""The codes of all images of a source on one plane: map."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from autoencode import engines, metrics
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, unknown
from autoencode.inference.codes import decode, encode_stream
from autoencode.inference.results import Projection
from autoencode.inference.rows import row_fields
from autoencode.inference.saved_model import Opened

METHODS = {"auto": "", "pca": "PCA", "umap": "UMAP", "code": "the two latent dimensions"}
REACH = 0.01, 0.99  # quantiles of the points between which the plane is decoded
NEIGHBOURS = 15  # of UMAP, as by default
UMAP_NEEDS = 4  # images
NEAREST = 5  # images from whose codes a point of UMAP's plane is decoded


@dataclass(frozen=True)
class Plane:
    """Codes on a plane: `points` (N, 2), the axes' names, and the way from points to codes."""

    points: np.ndarray
    axes: tuple[str, str]
    to_codes: Callable[[np.ndarray], np.ndarray]


def check_method(method: str) -> None:
    """Raise `UsageError` for an unknown method, `AutoencodeError` where its package is missing."""
    known = ("auto", "pca", "umap")
    if method not in known:
        raise unknown("method", method, known)
    if method == "umap" and not _has_umap():
        raise AutoencodeError(
            "`method=umap` needs umap-learn; install it with: pip install 'autoencode[umap]'"
        )


def project(opened: Opened, stream: Stream, *, method: str = "auto") -> Projection:
    """Return where the code of every image of `stream` lies on a plane.

    `method` is pca, umap or auto: a code of two numbers is the plane itself; else UMAP where it is
    installed and there are images enough, else PCA. Raises `UsageError` for an unknown method,
    `AutoencodeError` where its package is missing, or where codes have one number.
    """
    check_method(method)
    if opened.trained.code < 2:
        raise AutoencodeError(
            "map expects codes of at least two numbers, "
            f"those of {opened.saved.name} have one number."
        )
    codes = encode_stream(opened, stream)
    method = _choose_method(method, codes)
    plane = {"code": _take_code, "pca": _fit_pca, "umap": _fit_umap}[method](codes)
    return Projection(
        points=plane.points,
        method=method,
        axes=plane.axes,
        to_codes=plane.to_codes,
        **row_fields(stream),
    )


def decode_plane(opened: Opened, projection: Projection, side: int) -> np.ndarray:
    """Return what the `grid_points` of a plane decode to, uint8 (side ** 2, H, W, C)."""
    codes = projection.to_codes(grid_points(projection.points, side))
    return decode(opened, codes.astype(np.float32))


def grid_points(points: np.ndarray, side: int) -> np.ndarray:
    """Return side x side points, (side ** 2, 2), over all but the outermost of `points` (N, 2).

    They come by rows from the top left.

    >>> grid_points(np.array([[0, 0], [1, 1]]), 2).round(2).tolist()
    [[0.01, 0.99], [0.99, 0.99], [0.01, 0.01], [0.99, 0.01]]
    """
    (left, bottom), (right, top) = np.quantile(points, REACH, axis=0)
    x, y = np.meshgrid(_steps(left, right, side), _steps(top, bottom, side))
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def _steps(first: np.floating[Any], last: np.floating[Any], count: int) -> np.ndarray:
    return np.linspace(first, last, count)


def spread_points(points: np.ndarray, side: int) -> list[int]:
    """Return ascending indices of points (N, 2), one in each of side x side cells that holds any.

    It is the point nearest to the middle of its cell.

    >>> spread_points(np.array([[0.0, 0.0], [0.2, 0.3], [1.0, 1.0]]), 2)
    [1, 2]
    """
    least = points.min(0)
    extent = np.maximum(np.ptp(points, axis=0), np.finfo(np.float32).tiny)
    scaled = (points - least) / extent * side
    cells = np.minimum(scaled.astype(int), side - 1)
    order = np.argsort(np.square(scaled - cells - 0.5).sum(1), kind="stable")
    _, first = np.unique(cells[order] @ [side, 1], return_index=True)
    return sorted(order[first].tolist())


def _choose_method(method: str, codes: np.ndarray) -> str:
    if method != "auto":
        return method
    if codes.shape[1] == 2:
        return "code"
    return "umap" if len(codes) >= UMAP_NEEDS and _has_umap() else "pca"


def _has_umap() -> bool:
    found = find_spec("umap")
    # A folder of that name in the current one is not the package.
    return found is not None and found.origin is not None


def _take_code(codes: np.ndarray) -> Plane:
    return Plane(codes, ("code0", "code1"), lambda points: points)


def _fit_pca(codes: np.ndarray) -> Plane:
    mean, axes, shares = metrics.plane(codes)
    first, second = (
        f"component {number}, {share:.0%} of the variance"
        for number, share in enumerate(shares, start=1)
    )
    points = ((codes - mean) @ axes).astype(np.float32)
    return Plane(points, (first, second), lambda points: points @ axes.T + mean)


def _fit_umap(codes: np.ndarray) -> Plane:
    """UMAP's plane (McInnes, Healy and Melville, arXiv:1802.03426).

    Its own inverse takes minutes; a point decodes to the mean code of the images nearest to it,
    weighted by the inverse of their distances.
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
    neighbours = min(NEIGHBOURS, len(codes) - 1)
    points = umap.UMAP(n_neighbors=neighbours, random_state=0, n_jobs=1).fit_transform(codes)
    nearest = KNeighborsRegressor(min(NEAREST, len(codes)), weights="distance").fit(points, codes)
    return Plane(points, ("UMAP 1", "UMAP 2"), nearest.predict)
