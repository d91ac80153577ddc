"""A path, a name or an array becomes images. Knows files and pictures, no model and no framework."""

from autoencode.data.dataset import Dataset, Progress
from autoencode.data.loading import load, pack
from autoencode.data.open import NAMES, Source, as_dataset, find, locate, open_dataset

__all__ = ["NAMES", "Dataset", "Progress", "Source", "as_dataset", "find", "load", "locate", "open_dataset", "pack"]
