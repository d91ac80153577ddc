"""Every source that Python hands over, compared with the array that it was made of."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from autoencode import AutoencodeError, Config, UsageError, data
from autoencode.data.choice import choose_plan

ALL = "pip install 'autoencode[test-all]'"
datasets = pytest.importorskip("datasets", reason=f"needs datasets: {ALL}")
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
    """Check images and labels, and that loading gives the same ones, apart for training and test."""
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


def saved(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in np.random.default_rng(2).permutation(COUNT).tolist():
        path = folder / f"{index:02}.png"
        Image.fromarray(PIXELS[index]).save(path)
        paths.append(path)
    return sorted(paths)


def pictures(pixels: np.ndarray = PIXELS) -> list[Image.Image]:
    return [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in pixels]


# Paths


def test_paths_in_python(tmp_path):
    paths = saved(tmp_path)
    order = paths[5:] + paths[:5]
    expected = np.concatenate([PIXELS[5:], PIXELS[:5]])
    for source in (
        order,
        tuple(order),
        list(map(str, order)),
        pandas.Series(list(map(str, order))),
        pandas.Series(order, name="path"),
        pandas.DataFrame({"path": order})["path"],
        (path for path in order),
        iter(order),
    ):
        if hasattr(source, "__next__"):
            np.testing.assert_array_equal(read(source)[0], expected)
        else:
            is_read(source, expected)
    np.testing.assert_array_equal(read([paths[3]])[0], PIXELS[3:4])
    np.testing.assert_array_equal(read(paths[3])[0], PIXELS[3:4])


def test_paths_with_labels(tmp_path):
    paths = saved(tmp_path)
    is_read(list(zip(paths, NAMES, strict=True)), PIXELS, NAMES)
    is_read(list(zip(map(str, paths), NUMBERS, strict=True)), PIXELS, list(map(str, NUMBERS)))
    is_read(
        [{"image": path, "label": name} for path, name in zip(paths, NAMES, strict=True)],
        PIXELS,
        NAMES,
    )


@pytest.mark.parametrize("form", ["folder", "path", "list", "series", "csv"])
def test_home_is_expanded(tmp_path, monkeypatch, form):
    monkeypatch.setenv("HOME", str(tmp_path))
    saved(tmp_path / "set")
    names = [f"~/set/{index:02}.png" for index in range(COUNT)]
    (tmp_path / "set.csv").write_text("\n".join(["path", *names]))
    source = {
        "folder": "~/set",
        "path": Path("~/set"),
        "list": names,
        "series": pandas.Series(names),
        "csv": "~/set.csv",
    }[form]
    is_read(source, PIXELS)


# Images and arrays


class Chained:
    """An array by another name, as other libraries have them."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.array[index]


FORMS = {
    "array": lambda pixels: pixels,
    "fortran": np.asfortranarray,
    "backwards": lambda pixels: pixels[::-1, :, ::-1].copy()[::-1, :, ::-1],
    "channels first": lambda pixels: pixels.transpose(0, 3, 1, 2),
    "list of arrays": list,
    "tuple of arrays": tuple,
    "nested lists": lambda pixels: (
        pixels.tolist() if pixels.shape[-1] == 3 else pixels[..., 0].tolist()
    ),
    "list of PIL": pictures,
    "generator of arrays": lambda pixels: (image for image in pixels),
    "generator of PIL": lambda pixels: iter(pictures(pixels)),
    "dict": lambda pixels: {"images": pixels},
    "dict of any name": lambda pixels: {"patterns": pixels},
    "tensor": torch.from_numpy,
    "tensor, channels first": lambda pixels: torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()),
    "list of tensors": lambda pixels: list(torch.from_numpy(pixels)),
    "another array": Chained,
    "batches": lambda pixels: [pixels[:10], pixels[10:20], pixels[20:]],
    "list of Fortran arrays": lambda pixels: [np.asfortranarray(image) for image in pixels],
    "channels first, one by one": lambda pixels: [image.transpose(2, 0, 1) for image in pixels],
    "dicts": lambda pixels: [{"image": image} for image in pixels],
    "dicts of another key": lambda pixels: [{"pixel_values": image} for image in pictures(pixels)],
    "pairs without labels": lambda pixels: [(image,) for image in pixels],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pixels", [PIXELS, GREY], ids=["colour", "grey"])
def test_images_in_python(form, pixels):
    source = FORMS[form](pixels)
    if "generator" in form:
        np.testing.assert_array_equal(read(source)[0], pixels)
        assert (
            len(data.load(FORMS[form](pixels)).train) + len(data.load(FORMS[form](pixels)).test)
            == COUNT
        )
    else:
        is_read(source, pixels)


def test_grey_arrays_without_an_axis_of_channels():
    for source in (
        GREY[..., 0],
        list(GREY[..., 0]),
        torch.from_numpy(GREY[..., 0]),
        pictures(GREY),
        GREY[..., 0].tolist(),
    ):
        is_read(source, GREY)


def test_images_of_several_sizes_and_depths():
    sizes = [(6, 5), (5, 6), (8, 8)]
    images = [np.full(size, 40 * index + 20, np.uint8) for index, size in enumerate(sizes)]
    for source in (images, [Image.fromarray(image) for image in images]):
        found, _ = read(source, size="4", fit="stretch")
        np.testing.assert_array_equal(
            found, np.array([20, 60, 100]).reshape(3, 1, 1, 1) * np.ones((1, 4, 4, 1), int)
        )
    mixed = [Image.fromarray(GREY[0, ..., 0]), Image.fromarray(PIXELS[1]), PIXELS[2]]
    found, _ = read(mixed)
    np.testing.assert_array_equal(found, np.stack([GREY[0].repeat(3, -1), PIXELS[1], PIXELS[2]]))


def test_a_lone_picture():
    for source in (pictures()[0], [PIXELS[0]], pictures()[:1]):
        images = data.load(source)
        assert images.train is images.test
        np.testing.assert_array_equal(images.train, PIXELS[:1])


def test_parts_and_labels_in_a_dictionary():
    source = {
        "x_train": PIXELS[:16],
        "y_train": np.array(NAMES[:16]),
        "x_test": PIXELS[16:],
        "y_test": NAMES[16:],
    }
    images = data.load(source)
    np.testing.assert_array_equal(images.train, PIXELS[:16])
    np.testing.assert_array_equal(images.test, PIXELS[16:])
    assert [images.classes[number] for number in images.test_labels] == NAMES[16:]
    is_read(
        {"images": torch.from_numpy(PIXELS), "labels": torch.tensor(NUMBERS)},
        PIXELS,
        list(map(str, NUMBERS)),
    )


# Labels

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


# Datasets of other libraries


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
        "a dataset that repeats for ever has no last image: leave out .repeat(), or add .take(COUNT).",
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


# What is no source

WRONG = {
    "nothing": None,
    "a number": 3,
    "bytes": b"a.png",
    "an empty list": [],
    "an empty dictionary": {},
    "a list of numbers": [1, 2, 3],
    "a list of lists of two axes": [[1, 2], [3, 4]],
    "a list of nothing": [None, None],
    "a list of bytes": [b"x", b"y"],
    "a list of texts and arrays": ["a.png", PIXELS[0]],
    "paths that are not there": ["not-there.png"],
    "a path that is not there": "not-there/at/all",
    "an address": "https://example.org/a.zip",
    "a pattern": "pictures/*.png",
    "an array of text": np.array(["a", "b"]),
    "an array of objects": np.array([{}, {}], object),
    "complex numbers": PIXELS.astype(complex),
    "an array of five axes": PIXELS[np.newaxis],
    "a list of arrays of text": [np.array([["a"]])],
    "a list of empty arrays": [np.zeros((0, 3))],
    "a list of five axes": [PIXELS[np.newaxis, np.newaxis]],
    "dictionaries without an image": [{"picture_of": PIXELS[0]}],
    "a dictionary of no images": {"a": np.zeros(3), "b": np.zeros(3)},
    "a DataFrame": pandas.DataFrame({"path": ["a"], "label": ["b"]}),
    "a pair of arrays": (PIXELS[:10], PIXELS[10:]),
    "a function": len,
    "a class": Map,
    "an empty map": Map([]),
    "an empty dataset of torch": TorchDataset(PIXELS[:0]),
    "a map of nothing": Map([None, None]),
    "a map of text": Map(["a.png"]),
    "an empty generator": iter(()),
    "an empty series": pandas.Series([], dtype=str),
    "a tensor of one axis": torch.zeros(3),
    "NaN": np.full((3, 4, 4), np.nan),
    "an object": object(),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_source_is_one_line(name):
    with pytest.raises(AutoencodeError) as told:
        data.load(WRONG[name])
    line = str(told.value)
    assert len(line.splitlines()) == 1
    assert line.endswith(".") or "np.savez" in line
    assert len(line) < 500


@pytest.mark.parametrize(
    "name", ["nothing", "a number", "bytes", "a DataFrame", "a function", "a pair of arrays"]
)
def test_what_cannot_be_a_source_is_a_wrong_use(name):
    with pytest.raises(UsageError):
        data.load(WRONG[name])


@pytest.mark.parametrize("source", [[], Map([]), TorchDataset(PIXELS[:0]), iter(())])
def test_what_is_empty_is_called_so(source):
    with pytest.raises(AutoencodeError, match="is empty: expected at least one picture"):
        data.load(source)


def test_two_pictures_in_a_tuple_are_two_pictures():
    is_read(tuple(pictures()[:2]), PIXELS[:2])
