"""The images most like others, by the distance of their codes: similar."""

from __future__ import annotations

from typing import Any

from autoencode.errors import AutoencodeError, UsageError
from autoencode.inference.results import Codes, Similarity


def load_neighbours() -> type[Any]:
    """Return scikit-learn's `NearestNeighbors`; raise `AutoencodeError` where it is missing."""
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError:
        raise AutoencodeError(
            "similar needs scikit-learn; install it with: pip install 'autoencode[sklearn]'"
        ) from None
    return NearestNeighbors


def check_count(count: int, searched: Codes) -> None:
    """Raise `UsageError` unless `searched` holds `count` images, and `count` is at least 1."""
    if not 1 <= count <= len(searched):
        raise UsageError(f"count must lie from 1 to {len(searched):,}, received {count}.")


def find_similar(asked: Codes, searched: Codes, count: int) -> Similarity:
    """Return the `count` images of `searched` whose codes are nearest to each of `asked`.

    Raises `UsageError` where there are not so many, `AutoencodeError` where scikit-learn is
    missing.
    """
    check_count(count, searched)
    neighbours = load_neighbours()(n_neighbors=count).fit(searched.values)
    distances, indices = neighbours.kneighbors(asked.values)
    rows: list[list[int]] = indices.tolist()
    return Similarity(
        indices=indices,
        distances=distances,
        found=tuple(tuple(searched.names[index] for index in row) for row in rows),
        names=asked.names,
        labels=asked.labels,
        classes=asked.classes,
        skipped=asked.skipped,
    )
