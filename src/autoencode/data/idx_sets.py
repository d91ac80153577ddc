"""Which IDX files belong to one set: a folder may hold several, as EMNIST's does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoencode.data import idx


def group_idx_files(paths: Any) -> dict[str, dict[str, Path]]:
    """Return the IDX files at `paths` by set and part: a folder may hold several sets, as EMNIST's
    does.
    """
    groups: dict[str, dict[str, Path]] = {}
    for path in sorted(path for path in paths if idx.NAME.match(path.name)):
        word, part = idx.parse_name(path.name)
        key = str(path.parent / word) if word else str(path.parent)
        # Of a file and the same unpacked, the first.
        groups.setdefault(key, {}).setdefault(part, path)
    return groups


def find_idx_set(path: Path) -> tuple[str, dict[str, Path]] | None:
    """Return the name and the IDX files of which `path` is the beginning of the names, as
    gzip/emnist-letters is.

    None where there is no such set, or more than one.
    """
    files = [
        file
        for file in path.parent.iterdir()
        if file.name.startswith(path.name) and idx.NAME.match(file.name)
    ]
    groups = {key: found for key, found in group_idx_files(files).items() if "train" in found}
    exact = groups.get(str(path))
    if exact is not None:
        return path.name, exact
    return (path.name, next(iter(groups.values()))) if len(groups) == 1 else None


def has_more_pictures(groups: dict[str, dict[str, Path]], count: int) -> bool:
    """Return whether `count` pictures are more than the images of each set among `groups`."""
    return count > max(idx.count(files["train"]) for files in groups.values())
