"""Pictures and labels in Python, and what is read of them."""

import numpy as np
import pytest
from PIL import Image

from autoencode import Config, data
from autoencode.data.choice import choose_plan

ALL = "pip install 'autoencode[test-all]'"
torch = pytest.importorskip("torch", reason=f"needs torch: {ALL}")

COUNT, HEIGHT, WIDTH = 24, 6, 5
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, HEIGHT, WIDTH, 3), "uint8")
GREY = np.random.default_rng(1).integers(0, 256, (COUNT, HEIGHT, WIDTH, 1), "uint8")
NUMBERS = [index % 3 for index in range(COUNT)]
NAMES = [["ant", "bee", "cat"][number] for number in NUMBERS]


def read(source: object, **options: object) -> tuple[np.ndarray, list[str | None]]:
    """All images of a source in their order, and the names of their classes."""
    config = Config(**options)
    dataset = data.open_dataset(source, config)
    plan = choose_plan(dataset, config).plan
    everything = np.arange(len(dataset))
    chunks = list(dataset.read(everything, plan, strict=True))
    labels, classes = dataset.labels({"all": everything})
    numbers = labels["all_labels"].tolist() if labels else [-1] * len(dataset)
    names = [classes[number] if number >= 0 else None for number in numbers]
    return np.concatenate([chunk.pixels for chunk in chunks]), names


def is_read(
    source: object, pixels: np.ndarray, labels: list[str] | None = None, **options: object
) -> None:
    """Check images and labels, and that loading gives the same, apart for training and test."""
    found, names = read(source, **options)
    np.testing.assert_array_equal(found, pixels)
    assert names == (labels or [None] * len(pixels))
    images = data.load(source, Config(**options))
    config = Config(**options)
    split = choose_plan(data.open_dataset(source, config), config).split
    np.testing.assert_array_equal(images.train, pixels[split.train])
    np.testing.assert_array_equal(images.test, pixels[split.test])
    if labels:
        assert [images.classes[number] for number in images.train_labels] == [
            labels[index] for index in split.train
        ]
    assert images.account().endswith(f"= {len(pixels)} found")


def pictures(pixels: np.ndarray = PIXELS) -> list[Image.Image]:
    return [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in pixels]


class Map:
    """What gives item by item."""

    def __init__(self, images: object, labels: object = None) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> object:
        return (
            self.images[index] if self.labels is None else (self.images[index], self.labels[index])
        )


class TorchDataset(Map, torch.utils.data.Dataset):
    """A map-style dataset of PyTorch's."""
