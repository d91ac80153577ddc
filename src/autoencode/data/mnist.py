"""MNIST out of the package: 70,000 digits, 28 x 28, grey, in the split of its authors.

One .npz holds the four arrays of the original files: 11.5 MB, read in about 0.2 s, and every member
carries a checksum. (PNG came to 9.7 MB in the same time, lossless WebP to 9.2 MB in four times as
long.)
"""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from autoencode.errors import AutoencodeError, reason
from autoencode.images import Images

FILE = Path(__file__).parent / "mnist_files" / "mnist.npz"
SHAPES = {
    "train": (60000, 28, 28),
    "test": (10000, 28, 28),
    "train_labels": (60000,),
    "test_labels": (10000,),
}


def load() -> Images:
    """Return MNIST: uint8 (60000, 28, 28, 1) to train, (10000, 28, 28, 1) to test, and the labels.

    Raises `AutoencodeError` where the bundled file is missing or damaged.
    """
    try:
        # Whole members: np.load of the file would read them in 180 pieces, and wait for an
        # importing thread at each.
        with zipfile.ZipFile(FILE) as file:
            arrays = {
                name: np.load(io.BytesIO(file.read(f"{name}.npy")), allow_pickle=False)
                for name in SHAPES
            }
        for name, shape in SHAPES.items():
            if arrays[name].shape != shape or arrays[name].dtype != np.uint8:
                raise ValueError(f"{name} is {arrays[name].dtype} {arrays[name].shape}")
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise AutoencodeError(
            f"the bundled MNIST file {FILE} is missing or damaged ({reason(error)}): "
            "install it again with: pip install --force-reinstall --no-deps autoencode"
        ) from error
    train, test = (arrays[part][..., np.newaxis] for part in ("train", "test"))
    return Images("mnist", train, test, arrays["train_labels"], arrays["test_labels"])
