"""Pictures and counts that the tests of broken sources share."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoencode import Images

tifffile = pytest.importorskip("tifffile")
RANDOM = np.random.default_rng(0)


def noise(*shape: int, dtype: str = "uint8", most: int = 256) -> np.ndarray:
    return RANDOM.integers(0, most, shape).astype(dtype)


def save_pictures(folder: Path, count: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(noise(6, 5, 3)).save(folder / f"{index}.png")
    return folder


def found(images: Images) -> int:
    return int(images.account().split(" = ")[1].split(" found")[0].replace(",", ""))
