"""Sources that Python hands over: paths, images and arrays."""

from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image
from python_sources import COUNT, GREY, NAMES, NUMBERS, PIXELS, is_read, pictures, read

from autoencode import data

ALL = "pip install 'autoencode[test-all]'"
torch = pytest.importorskip("torch", reason=f"needs torch: {ALL}")


def saved(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in np.random.default_rng(2).permutation(COUNT).tolist():
        path = folder / f"{index:02}.png"
        Image.fromarray(PIXELS[index]).save(path)
        paths.append(path)
    return sorted(paths)


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
