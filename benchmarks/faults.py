"""What goes wrong, many times over: kills, writes that fail, damaged files, hostile files, fuzzing, and what checkpoints cost.

`python benchmarks/faults.py kill --trials 100` renews its part of results/faults.json; the other parts are writes, damage,
hostile, fuzz and cost. tests/test_reliability.py runs a small share of each.
"""

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np

from autoencode import checkpoints, runs

CLOCKS = {"seconds", "step_seconds", "images_per_second", "crc32"}


def difference(one: Path, other: Path) -> list[str]:
    """Return in what two run folders differ, but for clocks and the places they lie in; nothing where they are alike."""
    found = []
    first, second = ([_untimed(line) for line in runs.Run.open(path).metrics()] for path in (one, other))
    if first != second:
        found.append("metrics.jsonl")
    names = {"baseline.json", "doctor.json", "output.gif", "curve.png"}
    for path in (one, other):
        names |= {str(found.relative_to(path)) for found in [*path.glob("example*.png"), *path.glob("arrays/*.npy")]}
    found += [name for name in sorted(names) if (one / name).read_bytes() != (other / name).read_bytes()]
    if not _alike(_weights(one), _weights(other)):
        found.append("model.keras")
    states = [checkpoints.read(path / "checkpoint")[0].arrays["good"] for path in (one, other)]
    if not _alike(*states):
        found.append("checkpoint")
    return found


def _untimed(line: dict) -> dict:
    return {key: value for key, value in line.items() if key not in CLOCKS}


def _weights(run: Path) -> list[np.ndarray]:
    found = []
    with zipfile.ZipFile(run / "model.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


def _alike(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(first, second) for first, second in zip(one, other, strict=True)
    )
