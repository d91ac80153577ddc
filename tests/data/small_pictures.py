"""Small pictures, stores and commands that the tests of sources share."""

import io
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from PIL import Image

EACH = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def noise(count: int, height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), "uint8")


def picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def content(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def fill(folder: Path, pixels: np.ndarray, names: str = "{}.png") -> Path:
    for index, one in enumerate(pixels):
        path = folder / names.format(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(one).save(path)
    return folder
