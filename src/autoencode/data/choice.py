"""A look at a dataset decides what becomes of its images: shape, scale and split."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autoencode.config import DataConfig
from autoencode.data import preprocessing
from autoencode.data.dataset import Dataset
from autoencode.data.decode import Plan
from autoencode.data.pictures import describe_nothing
from autoencode.data.splits import Split, split_dataset
from autoencode.images import evenly_spaced

# Images that decide size and colour.
LOOKED_AT = 200
PROBED = "the images looked at had"


@dataclass(frozen=True)
class Choice:
    """What is to be done with a dataset: the plan for each image, the split, and what was chosen
    without being asked.

    `source_size` is the median width and height of the images as they are stored, in pixels.
    """

    plan: Plan
    split: Split
    notes: tuple[str, ...] = ()
    source_size: tuple[int, int] | None = None

    @property
    def train(self) -> np.ndarray:
        """The indices of the training images."""
        return self.split.train

    @property
    def test(self) -> np.ndarray:
        """The indices of the test images."""
        return self.split.test

    @property
    def bytes(self) -> int:
        """Of all images, as uint8."""
        return (len(self.train) + len(self.test)) * int(np.prod(self.plan.shape))


def choose_plan(dataset: Dataset, config: DataConfig) -> Choice:
    """Look at `dataset` and decide; raise `AutoencodeError` where there is nothing to train on."""
    looked = preprocessing.look_plan(config)
    probes = dataset.sample(evenly_spaced(len(dataset), LOOKED_AT), looked) if len(dataset) else []
    probes = probes or dataset.sample(range(len(dataset)), looked)
    if not probes:
        raise describe_nothing(dataset, looked)

    (height, width, channels), notes = preprocessing.choose_shape(probes, config)
    scale, scale_notes = dataset.choose_scale(config.range, looked, probes)
    plan = replace(looked, height=height, width=width, channels=channels, scale=scale)

    split = split_dataset(dataset, config)
    width, height = preprocessing.median_size(probes)
    source_size = (round(width), round(height))
    return Choice(plan, split, (*dataset.notes, *notes, *scale_notes, split.note), source_size)
