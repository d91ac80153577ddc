"""What was written as a source, and pixels to write."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from autoencode import Config, data
from autoencode.data.choice import choose_plan

HEIGHT, WIDTH = 10, 12


class Written(NamedTuple):
    """A source, its images as uint8 (N, H, W, C), and how much they may differ on average."""

    source: Path
    expected: np.ndarray
    tolerance: float = 0.0
    settings: dict = {}  # noqa: RUF012


def read(source: object, **settings: object) -> np.ndarray:
    """All images of a source in their order, by the choices that loading makes."""
    config = Config(**settings)
    dataset = data.open_dataset(source, config)
    plan = choose_plan(dataset, config).plan
    chunks = list(dataset.read(np.arange(len(dataset)), plan, strict=True))
    return np.concatenate([chunk.pixels for chunk in chunks])


def check(written: Written) -> None:
    found = read(written.source, **written.settings)
    assert found.shape == written.expected.shape
    difference = np.abs(found.astype(int) - written.expected)
    assert difference.mean() <= written.tolerance
    images = data.load(written.source, Config(**written.settings))
    assert sum(len(part) for part in images.parts.values()) == len(written.expected)
    assert not images.skipped


def noise(count: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, HEIGHT, WIDTH, channels), "uint8")


def smooth(channels: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """One image (1, H, W, C) that lossy formats keep nearly, with a slope in each direction."""
    plane = np.add.outer(12 * np.arange(height), 5 * np.arange(width))
    return np.stack([20 + plane // (channel + 1) for channel in range(channels)], -1).astype(
        np.uint8
    )[np.newaxis]


def values(dtype: str) -> np.ndarray:
    """Stored values (H, W) that reach from end to end of `dtype`, of floats from 0 to 1."""
    random = np.random.default_rng(1)
    if np.dtype(dtype).kind == "f":
        found = random.random((HEIGHT, WIDTH)).astype(dtype)
        found[0, :2] = 0, 1
        return found
    limits = np.iinfo(dtype)
    found = random.integers(limits.min, limits.max, (HEIGHT, WIDTH), dtype, endpoint=True)
    found[0, :2] = limits.min, limits.max
    return found


def pixels_of(stored: np.ndarray) -> np.ndarray:
    """What full-range values (H, W) or (N, H, W) become, (N, H, W, 1)."""
    floats = stored.astype(np.float64)
    least, largest = 0.0, 1.0
    if stored.dtype.kind != "f":
        least, largest = float(np.iinfo(stored.dtype).min), float(np.iinfo(stored.dtype).max)
    found = np.round((floats - least) * (255 / (largest - least))).astype(np.uint8)
    return found.reshape(-1, HEIGHT, WIDTH, 1)


def on_white(rgba: np.ndarray) -> np.ndarray:
    share = rgba[..., 3:] / 255
    return np.round(255 + (rgba[..., :3] - 255.0) * share).astype(np.uint8)
