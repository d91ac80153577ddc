"""Sources of several kinds of values, constant ones, and the range that stores and runs keep."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from stored_values import FORMS, HEIGHT, WIDTH, as_tiffs, draw, near, oracle, read

import autoencode
from autoencode import AutoencodeError, Config, data
from autoencode.data import store
from autoencode.data.choice import choose_plan
from autoencode.inference import saved_model

RUNS = {
    "12 bits": (draw(0, 4095, "uint16", 40), {}, (0, 4095)),
    "a range that was given": (draw(0, 4095, "uint16", 40), {"range": "100:2000"}, (100, 2000)),
}


@pytest.fixture(scope="module", params=RUNS)
def run(request, tmp_path_factory):
    """A run, the values that it was trained on, and their range."""
    folder = tmp_path_factory.mktemp("run")
    values, options, limits = RUNS[request.param]
    config = Config(epochs=1, code=2, model="dense", **options)
    source = as_tiffs(values, folder)
    if request.param == "12 bits":
        source = folder / "a.store"
        data.pack(values, source, config)
    return autoencode.run(source, config, folder / "run"), values, limits


def streamed(run: Path, source: object, **options: object) -> tuple[np.ndarray, list[str]]:
    saved = saved_model.find_model(run)
    _, stream = saved_model.open_with_source(saved, source, config=saved.data_config(**options))
    pixels = np.concatenate(list(stream.batches(3)))
    return pixels, [note for note in stream.notes if "taken from" in note]


def test_types_that_are_mixed_have_a_range_each(tmp_path):
    kinds = {"uint8": (0, 255), "uint16": (10, 4095), "int16": (-1000, 2000), "float32": (-2, 2)}
    drawn = {dtype: draw(low, high, dtype, 4) for dtype, (low, high) in kinds.items()}
    for dtype, values in drawn.items():
        for index, image in enumerate(values):
            tifffile.imwrite(tmp_path / f"{dtype}-{index}.tif", image, photometric="minisblack")
    found, _ = read(tmp_path)
    expected = [oracle(drawn[dtype], *kinds[dtype]) for dtype in sorted(drawn)]
    near(found, np.concatenate(expected))
    images = data.load(tmp_path)
    assert {kind: tuple(limits) for kind, limits in images.ranges.items()} == {
        "uint8": (0, 255), "uint16": (10, 4095), "int16": (-1000, 2000), "float": (-2, 2)
    }  # fmt: skip


def test_a_test_set_of_floats_to_255_is_in_the_unit_of_the_training_set(tmp_path):
    train = draw(0, 255, "uint8")
    test = draw(3, 250, "float64", 5)
    images = data.load({"x_train": train, "x_test": test})
    near(images.train, oracle(train, 0, 255))
    near(images.test, oracle(test, 0, 255))


def test_bits_are_black_and_white_beside_anything(tmp_path):
    bits = draw(0, 1, "uint8", 3).astype(bool)
    grey = draw(0, 255, "uint8", 3)
    for index in range(3):
        Image.fromarray(bits[index]).save(tmp_path / f"0{index}.png")
        Image.fromarray(grey[index]).save(tmp_path / f"1{index}.png")
    found, _ = read(tmp_path)
    near(found, np.concatenate([oracle(bits, 0, 1), oracle(grey, 0, 255)]))
    np.testing.assert_array_equal(read(bits)[0], 255 * bits[..., np.newaxis])


@pytest.mark.parametrize(
    ("value", "dtype", "pixel"),
    [(0, "uint8", 0), (77, "uint8", 77), (255, "uint8", 255), (200, "int64", 200),
     (0.0, "float32", 0), (0.5, "float64", 128), (1.0, "float32", 255), (65535, "uint16", 255),
     (4000, "uint16", 16), (-32768, "int16", 0), (True, "bool", 255)],
)  # fmt: skip
@pytest.mark.parametrize("form", ["as_array", "as_npys"])
def test_constant_sets_keep_the_full_range(tmp_path, value, dtype, pixel, form):
    values = np.full((6, HEIGHT, WIDTH), value, dtype)
    found, _ = read(FORMS[form](values, tmp_path))
    np.testing.assert_array_equal(found, pixel)


@pytest.mark.parametrize(("value", "option"), [(-3.5, "auto"), (1e6, "auto")])
def test_constant_floats_outside_of_0_to_1_are_one_line(value, option):
    with pytest.raises(
        AutoencodeError,
        match=r"received .* everywhere \(float\): choose a range with `range=MIN:MAX`",
    ) as told:
        read(np.full((6, HEIGHT, WIDTH), value), range=option)
    assert len(str(told.value).splitlines()) == 1
    found, _ = read(np.full((6, HEIGHT, WIDTH), value), range=f"{value - 1}:{value + 1}")
    np.testing.assert_array_equal(found, 128)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_one_line(bad):
    values = draw(0, 1, "float64")
    values[3, 2, 1] = bad
    with pytest.raises(
        AutoencodeError, match=r"received NaN or infinity in 1 of 360 values: .*np\.nan_to_num"
    ) as told:
        read(values)
    assert len(str(told.value).splitlines()) == 1


def test_a_store_keeps_its_pixels_and_tells_its_range(tmp_path):
    values = draw(-1024, 3000, "int16")
    data.pack(values, tmp_path / "a.store", Config())
    images = data.load(tmp_path / "a.store")
    assert images.ranges == {"int16": (-1024, 3000)}
    order = choose_plan(data.open_dataset(values), Config())
    near(images.train, oracle(values, -1024, 3000)[order.train])
    near(images.test, oracle(values, -1024, 3000)[order.test])
    # Another size does not scale them again.
    sized = data.load(tmp_path / "a.store", Config(size=f"{WIDTH}x{HEIGHT}", range="full"))
    np.testing.assert_array_equal(sized.train, images.train)
    again = data.pack(tmp_path / "a.store", tmp_path / "b.store", Config())
    np.testing.assert_array_equal(again.train, images.train)
    assert again.ranges == images.ranges
    assert store.open_store(tmp_path / "b.store").ranges == images.ranges


def test_a_run_keeps_its_range_for_other_files(tmp_path, run):
    folder, values, limits = run
    darker = (values[:5] / 2).astype(values.dtype)
    for source in (as_tiffs(darker, tmp_path), darker):
        pixels, told = streamed(folder, source)
        near(pixels, oracle(darker, *limits))
        assert told == []

    # A range that is given goes before that of the training.
    pixels, _ = streamed(folder, darker, range="1:100")
    near(pixels, oracle(darker, 1, 100))

    # Another type is taken for the same unit, but for 8 bits; unless a range was given, which is
    # for all.
    is_given = limits == (100, 2000)
    for other, expected in (
        (darker.astype("int32"), limits),
        (draw(0, 255, "uint8", 4), limits if is_given else (0, 255)),
    ):
        pixels, told = streamed(folder, other)
        near(pixels, oracle(other, *expected))
        assert [line.split()[0] for line in told] == ([] if is_given else [other.dtype.name])
