"""Arrays from NumPy, .npy and .npz files, and labels in any form."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_pictures import EACH, noise

from autoencode import AutoencodeError, Config, data
from autoencode.data.array_dataset import ArrayDataset
from autoencode.data.choice import choose_plan


@pytest.mark.parametrize("scale", ["uint8", "float", "bool", "uint16"])
def test_arrays_of_other_types(tmp_path, scale):
    pixels = noise(30, 5, 4, 1)
    if scale == "bool":
        pixels = (pixels > 127).astype(np.uint8) * 255
    stored = {
        "uint8": pixels,
        "float": pixels[..., 0] / 255,
        "bool": pixels > 127,
        "uint16": pixels.astype(np.uint16) * 257,
    }[scale]
    np.save(tmp_path / "a.npy", stored)
    found = data.load(str(tmp_path / "a.npy"), Config())
    from_memory = data.load(stored, Config())
    np.testing.assert_array_equal(found.train, from_memory.train)
    assert {row.tobytes() for row in np.concatenate([found.train, found.test])} == {
        row.tobytes() for row in pixels
    }


def test_npz_as_keras_hands_it_out(tmp_path):
    arrays = {
        "x_train": noise(9, 6, 6, 3),
        "x_test": noise(4, 6, 6, 3, 1),
        "y_train": np.arange(9) % 2,
    }
    np.savez(tmp_path / "k.npz", **arrays, y_test=np.arange(4)[:, None] % 2)
    images = data.load(str(tmp_path / "k.npz"), Config())
    np.testing.assert_array_equal(images.train, arrays["x_train"])
    np.testing.assert_array_equal(images.test_labels, [0, 1, 0, 1])
    sized = data.load(str(tmp_path / "k.npz"), Config(size="3", colour="grey"))
    assert sized.train.shape == (9, 3, 3, 1)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((5, 5)),
        np.zeros((0, 5, 5)),
        np.full((3, 4, 4), -1.0),
        np.full((3, 4, 4), np.nan),
        np.array(["a"]),
    ],
    ids=["flat", "empty", "negative", "nan", "text"],
)
def test_arrays_that_are_no_images_are_refused(array):
    with pytest.raises(AutoencodeError, match="expected"):
        data.load(array, Config())


def test_an_array_of_objects_is_never_unpickled(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(AutoencodeError, match="cannot be read as arrays"):
        data.load(str(tmp_path / "o.npy"), Config())


def test_a_file_that_only_bears_the_name_is_told_without_advice_to_unpickle(tmp_path):
    (tmp_path / "r.npz").write_bytes(np.random.default_rng(0).bytes(100))
    with pytest.raises(AutoencodeError, match="begins as neither does") as told:
        data.load(str(tmp_path / "r.npz"), Config())
    assert "pickle" not in str(told.value)


@EACH
@given(drawn=st.data())
def test_a_damaged_npz_is_told_or_the_same(tmp_path, drawn):
    path, pixels = tmp_path / "c.npz", noise(4, 3, 2, 1)
    np.savez_compressed(path, train=pixels, test=pixels)
    whole = path.read_bytes()
    place = drawn.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(
        whole[:place] + bytes([whole[place] ^ drawn.draw(st.integers(1, 255))]) + whole[place + 1 :]
    )
    try:
        np.testing.assert_array_equal(data.load(str(path), Config()).train, pixels)
    except AutoencodeError as error:
        assert len(str(error).splitlines()) == 1


def test_millions_of_rows_cost_no_object_each(tmp_path):
    rows = ArrayDataset(
        "big", {"train": np.broadcast_to(np.zeros((1, 2, 2, 1), np.uint8), (3_000_000, 2, 2, 1))}
    )
    tracemalloc.start()
    choice = choose_plan(rows, Config())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(choice.train), len(choice.test)) == (2_990_000, 10_000)
    assert rows.names(np.array([7])) == ["big train 7"]
    assert peak < 50 * 3_000_000


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array(["cat", "ant", "cat"] * 10), ["ant", "cat"]),
        (np.array(["ü".encode(), b"a", "ü".encode()] * 10), ["a", "ü"]),
        (np.array([2.0, 1.0, 2.0] * 10), ["1", "2"]),
        (np.eye(2)[[1, 0, 1] * 10], ["0", "1"]),
        (np.array([[7], [3], [7]] * 10), ["3", "7"]),
        (np.array([True, False, True] * 10), ["0", "1"]),
    ],
)
def test_labels_are_taken_in_any_form_that_tells_classes(tmp_path, labels, classes):
    pixels = np.arange(30, dtype="uint8")[:, None, None].repeat(4, 1).repeat(4, 2)
    np.savez(tmp_path / "named.npz", images=pixels, labels=labels)
    images = data.load(tmp_path / "named.npz", Config())
    assert list(images.classes) == classes
    seen = dict(zip(images.train[:, 0, 0, 0].tolist(), images.train_labels.tolist(), strict=True))
    assert all(label == (0 if number % 3 == 1 else 1) for number, label in seen.items())
    np.savez(
        tmp_path / "parted.npz", train=pixels, y_train=labels, test=pixels[:3], y_test=labels[:3]
    )
    parted = data.load(tmp_path / "parted.npz", Config())
    names = list(parted.classes) or [str(number) for number in np.unique(parted.train_labels)]
    assert names == classes
    assert len(set(parted.test_labels.tolist())) == 2


@pytest.mark.parametrize("labels", [np.linspace(0, 1, 30), np.arange(29), np.full(30, np.nan)])
@pytest.mark.parametrize("extra", [{}, {"test": np.zeros((3, 4, 4), "uint8")}])
def test_labels_that_are_no_classes_are_noted(tmp_path, labels, extra):
    np.savez(tmp_path / "odd.npz", images=np.zeros((30, 4, 4), "uint8"), labels=labels, **extra)
    images = data.load(tmp_path / "odd.npz", Config())
    assert images.train_labels is None
    assert (
        "train_labels are no classes, and are skipped: expected 30 whole numbers or names, found"
        in images.notes[0]
    )
