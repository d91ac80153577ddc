"""Labelled items and datasets of other libraries."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from python_sources import (
    COUNT,
    GREY,
    NAMES,
    NUMBERS,
    PIXELS,
    Map,
    TorchDataset,
    is_read,
    pictures,
    read,
)

from autoencode import AutoencodeError, Config, data

ALL = "pip install 'autoencode[test-all]'"
datasets = pytest.importorskip("datasets", reason=f"needs datasets: {ALL}")
torch = pytest.importorskip("torch", reason=f"needs torch: {ALL}")

PAIRS = {
    "pairs of arrays": lambda labels: list(zip(PIXELS, labels, strict=True)),
    "pairs of PIL": lambda labels: list(zip(pictures(), labels, strict=True)),
    "dicts of arrays": lambda labels: [
        {"image": a, "label": b} for a, b in zip(PIXELS, labels, strict=True)
    ],
    "dicts of PIL": lambda labels: [
        {"img": a, "y": b} for a, b in zip(pictures(), labels, strict=True)
    ],
    "a map": lambda labels: Map(pictures(), labels),
    "a torch dataset": lambda labels: TorchDataset(PIXELS, labels),
}


@pytest.mark.parametrize("form", PAIRS)
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (NAMES, NAMES),
        (NUMBERS, list(map(str, NUMBERS))),
        ([np.int64(number) for number in NUMBERS], list(map(str, NUMBERS))),
        ([torch.tensor(number) for number in NUMBERS], list(map(str, NUMBERS))),
        ([name.encode() for name in NAMES], NAMES),
        ([np.eye(3)[number] for number in NUMBERS], list(map(str, NUMBERS))),
        ([5 * number + 2 for number in NUMBERS], [str(5 * number + 2) for number in NUMBERS]),
        ([number - 1 for number in NUMBERS], [None, "0", "1"] * (COUNT // 3)),
        (
            [None if number == 1 else name for number, name in zip(NUMBERS, NAMES, strict=True)],
            ["ant", None, "cat"] * 8,
        ),
        ([None if number == 1 else number for number in NUMBERS], ["0", None, "2"] * 8),
    ],
    ids=[
        "names",
        "numbers",
        "numpy",
        "tensors",
        "bytes",
        "one-hot",
        "gaps",
        "-1",
        "some",
        "some numbers",
    ],
)
def test_labels_of_items(form, labels, names):
    source = PAIRS[form](labels)
    found, told = read(source)
    np.testing.assert_array_equal(found, PIXELS)
    assert told == names


@pytest.mark.parametrize("form", PAIRS)
def test_labels_that_are_no_classes_are_noted(form):
    source = PAIRS[form](np.linspace(0, 1, COUNT).tolist())
    images = data.load(source)
    assert images.train_labels is None
    assert [note for note in images.notes if "labels are no classes" in note]


class Endless(torch.utils.data.IterableDataset):
    """An iterable dataset of PyTorch's; not endless here."""

    def __iter__(self):
        yield from zip(PIXELS, NUMBERS, strict=True)


def test_datasets_and_loaders_of_torch():
    words = list(map(str, NUMBERS))
    is_read(TorchDataset(PIXELS), PIXELS)
    is_read(TorchDataset(pictures(), NAMES), PIXELS, NAMES)
    is_read(Endless(), PIXELS, words)
    tensors = torch.from_numpy(PIXELS.transpose(0, 3, 1, 2).copy())
    whole = torch.utils.data.TensorDataset(tensors, torch.tensor(NUMBERS))
    is_read(whole, PIXELS, words)
    is_read(torch.utils.data.Subset(whole, range(4, 20)), PIXELS[4:20], words[4:20])
    for size in (1, 7, COUNT):
        is_read(torch.utils.data.DataLoader(whole, batch_size=size), PIXELS, words)
    is_read(
        torch.utils.data.DataLoader(torch.utils.data.TensorDataset(tensors), batch_size=5), PIXELS
    )
    grey = torch.utils.data.TensorDataset(torch.from_numpy(GREY[..., 0]), torch.tensor(NUMBERS))
    images = data.load(torch.utils.data.DataLoader(grey, batch_size=7))
    assert [note for note in images.notes if "taken for batches of grey images" in note]
    is_read(torch.utils.data.DataLoader(grey, batch_size=7), GREY, words)
    floats = torch.utils.data.TensorDataset(tensors / 255)
    is_read(torch.utils.data.DataLoader(floats, batch_size=7), PIXELS)


TENSORFLOW = """
import os, sys
import numpy as np
import tensorflow as tf
from autoencode import UsageError, data
from autoencode.config import DataConfig
from autoencode.data.splits import split_dataset

pixels, grey, numbers = (np.load(sys.argv[1])[name] for name in ("pixels", "grey", "numbers"))
slices = tf.data.Dataset.from_tensor_slices
sources = {
    "slices": (slices(pixels), pixels, None),
    "batches": (slices(pixels).batch(7), pixels, None),
    "pairs": (slices((pixels, numbers)), pixels, numbers),
    "batches of pairs": (slices((pixels, numbers)).batch(10), pixels, numbers),
    "dicts": (slices({"image": pixels, "label": numbers}), pixels, numbers),
    "batches of dicts": (slices({"image": pixels, "label": numbers}).batch(5), pixels, numbers),
    "grey": (slices((grey[..., 0], numbers)).batch(7), grey, numbers),
    "one-hot": (slices((pixels, tf.one_hot(numbers, 3))).batch(7), pixels, numbers),
    "tensor": (tf.constant(pixels), pixels, None),
    "floats": (slices(tf.image.convert_image_dtype(pixels, tf.float32)).batch(9), pixels, None),
}
for name, (source, expected, labels) in sources.items():
    images = data.load(source)
    drawn = split_dataset(data.open_dataset(source), DataConfig())
    assert np.array_equal(images.train, expected[drawn.train]), name
    assert np.array_equal(images.test, expected[drawn.test]), name
    assert (images.train_labels is None) == (labels is None), name
    assert labels is None or np.array_equal(images.train_labels, labels[drawn.train]), name
try:
    data.load(slices(pixels).repeat())
except UsageError as error:
    print(error)
print("all read")
"""


def test_datasets_of_tensorflow(tmp_path):
    np.savez(tmp_path / "a.npz", pixels=PIXELS, grey=GREY, numbers=np.array(NUMBERS))
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, "-c", TENSORFLOW, str(tmp_path / "a.npz")]
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "a dataset that repeats for ever has no last image: remove .repeat(), or add .take(COUNT).",
        "all read",
    ]


def test_a_dataset_of_hugging_face():
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "bee", "cat"])}
    )
    source = datasets.Dataset.from_dict({"image": pictures(), "label": NUMBERS}, features=features)
    is_read(source, PIXELS, list(map(str, NUMBERS)))


def test_an_item_that_cannot_be_read_is_skipped_with_its_reason():
    class Broken(Map):
        def __getitem__(self, index: int) -> object:
            if index == 3:
                raise OSError(f"no picture at {index}")
            return super().__getitem__(index)

    images = data.load(Broken(pictures(), NAMES))
    assert [(one.name, one.reason) for one in images.skipped] == [("Broken 3", "no picture at 3")]
    assert len(images.train) + len(images.test) == COUNT - 1
    mixed = [*pictures()[:3], Image.new("RGB", (0, 0))]
    assert [one.name for one in data.load(mixed).skipped] == ["list 3"]


@pytest.mark.parametrize("form", ["list", "map", "torch"])
def test_bands_and_alpha_of_items(form):
    wide = np.random.default_rng(0).integers(1, 255, (COUNT, 8, 9, 7), "uint8")
    wrap = {"list": list, "map": Map, "torch": lambda pixels: torch.from_numpy(pixels)}[form]
    for stored in (wide, np.ascontiguousarray(wide.transpose(0, 3, 1, 2))):
        is_read(wrap(stored), wide[..., [5, 1, 0]], bands="5,1,0")
        is_read(wrap(stored), wide[..., 6:], bands="6")
        for options, words in (({}, "1, 3 or 4"), ({"bands": "7"}, "channel 7")):
            with pytest.raises(AutoencodeError, match=words) as told:
                data.load(wrap(stored), Config(**options))
            assert len(str(told.value).splitlines()) == 1
    with pytest.raises(AutoencodeError, match="fourth channel.* is no alpha"):
        data.load(wrap(wide[..., :4]))
