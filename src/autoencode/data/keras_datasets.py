"""Sets that are known by name and downloaded once, through `keras.datasets`, into Keras's own
cache.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import numpy as np

from autoencode.errors import AutoencodeError, reason
from autoencode.images import Images

# What to put where when there is no network, below Keras's folder `datasets`.
FILES = {
    "fashion_mnist": "fashion-mnist/ with train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
    "t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz",
    "cifar10": "cifar-10-batches-py-target/ with cifar-10-batches-py/ "
    "unpacked from cifar-10-python.tar.gz",
    "cifar100": "cifar-100-python-target/ with cifar-100-python/ "
    "unpacked from cifar-100-python.tar.gz",
}


def load(name: str) -> Images:
    """Return the images and labels of a set in `FILES`.

    Raises `AutoencodeError` where it cannot be downloaded.
    """
    # A process that trains has chosen before.
    os.environ.setdefault("KERAS_BACKEND", "jax")
    datasets = importlib.import_module("keras.datasets")
    try:
        (train, train_labels), (test, test_labels) = getattr(datasets, name).load_data()
    # Keras raises a bare Exception where a download fails.
    except Exception as error:
        folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
        raise AutoencodeError(
            f"{name} could not be downloaded or read ({reason(error)}): connect to the network, "
            f"or put into {folder} the folder {FILES[name]}."
        ) from error
    train, test = map(_channels_last, (train, test))
    return Images(
        name,
        train,
        test,
        train_labels.reshape(-1).astype(np.int32),
        test_labels.reshape(-1).astype(np.int32),
    )


def _channels_last(images: np.ndarray) -> np.ndarray:
    """Images (N, H, W) or, where the user has set Keras so, (N, C, H, W) as (N, H, W, C)."""
    if images.ndim == 3:
        return images[..., np.newaxis]
    return np.ascontiguousarray(np.moveaxis(images, 1, -1)) if images.shape[1] == 3 else images
