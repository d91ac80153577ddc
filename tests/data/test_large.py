"""Sources larger than memory: the peak of a process that packs and streams them."""

import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from autoencode import Config, data
from autoencode.data import store
from autoencode.data.splits import split_dataset

SIDE = 100
MOST = 200_000  # kB above the interpreter and its modules

# Each source holds a gradient at these positions, and zeros elsewhere.
MARKED = (0, 1, 3_000, -1)
GRADIENT = np.add.outer(np.arange(SIDE), np.arange(SIDE)) / (2 * SIDE - 2)

WORK = """
import sys
from pathlib import Path

import numpy as np

from autoencode import Config, data
from autoencode.data import streaming
from autoencode.data.choice import choose_plan


def status(key):
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith(key)).split()[1])


source, folder = sys.argv[1], Path(sys.argv[2])
data.load(np.zeros((20, 8, 8), "float32"), Config(range="0:1"))  # imports, threads and tables
base = status("VmRSS")
dataset = data.open_dataset(source)
shape = choose_plan(dataset, Config()).plan.shape
stream = streaming.stream(dataset, shape)
sums = [batch.sum((1, 2, 3)) for batch in stream.batches(256)]
np.save(folder / "sums.npy", np.concatenate(sums))
streamed = status("VmHWM") - base
data.pack(dataset, folder / "a.store", Config())
print(streamed, status("VmHWM") - base)
"""


def npy(path: Path, dtype: str, count: int) -> Path:
    array = np.lib.format.open_memmap(path, "w+", dtype, (count, SIDE, SIDE))
    mark(array, dtype)
    return path


def mark(array: np.ndarray, dtype: str) -> None:
    largest = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    for position in MARKED:
        array[position] = np.round(GRADIENT * largest) if largest != 1 else GRADIENT
    array.flush()


def float_npy(folder: Path) -> Path:
    return npy(folder / "a.npy", "float32", 10_000)


def big_endian_npy(folder: Path) -> Path:
    return npy(folder / "a.npy", ">f8", 5_000)


def deep_npy(folder: Path) -> Path:
    return npy(folder / "a.npy", "uint16", 20_000)


def npz(folder: Path) -> Path:
    inner = npy(folder / "images.npy", "uint16", 20_000)
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_STORED) as archive:
        archive.write(inner, "images.npy")
    inner.unlink()
    return folder / "a.npz"


def idx(folder: Path) -> Path:
    path = folder / "a-images-idx3-ubyte"
    count = 40_000
    path.write_bytes(struct.pack(">BBBB3I", 0, 0, 0x08, 3, count, SIDE, SIDE))
    os.truncate(path, 16 + count * SIDE * SIDE)
    mark(np.memmap(path, np.uint8, "r+", 16, (count, SIDE, SIDE)), "uint8")
    return path


SOURCES = [float_npy, big_endian_npy, deep_npy, npz, idx]


@pytest.mark.parametrize("make", SOURCES)
def test_memory_does_not_grow_with_the_source(tmp_path, make):
    source = make(tmp_path)
    assert source.stat().st_size >= 400_000_000
    words = [sys.executable, "-c", WORK, str(source), str(tmp_path)]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert max(map(int, done.stdout.split())) < MOST
    assert list((tmp_path / "cache").rglob("*.npy")) == []

    # All images were seen, those with a gradient at their places.
    expected = 255 * GRADIENT
    sums = np.load(tmp_path / "sums.npy")
    places = [place % len(sums) for place in MARKED]
    assert np.flatnonzero(sums).tolist() == sorted(places)
    np.testing.assert_allclose(sums[places], expected.sum(), rtol=1e-3)

    # The store holds them, apart for training and test.
    images = store.open_store(tmp_path / "a.store")
    split = split_dataset(data.open_dataset(np.zeros((len(sums), 1, 1))), Config())
    for place in places:
        part, held = (
            (images.test, split.test) if place in split.test else (images.train, split.train)
        )
        found = part[np.searchsorted(held, place), ..., 0]
        assert np.abs(found - expected).max() <= 0.5 + 0.01
    assert len(images.train) + len(images.test) == len(sums)
