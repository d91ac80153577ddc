"""One range for all values of a source, as `range` asks, whatever form it has."""

import numpy as np
import pytest
from stored_values import FORMS, HEIGHT, WIDTH, draw, near, oracle, read

import autoencode
from autoencode import Config, UsageError, data
from autoencode.data import streaming
from autoencode.data.choice import LOOKED_AT
from autoencode.data.ranges import parse_range

AS_TIFF = {"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"}
# By what is tested: the stored values, and the range that auto takes for all of them.
AUTO = {
    "8 bits": (draw(0, 255, "uint8"), 0, 255),
    "a tenth of 8 bits": (draw(100, 126, "uint8"), 0, 255),
    "fewer than a tenth of 8 bits": (draw(100, 120, "uint8"), 100, 120),
    "masks of 0 and 1": (draw(0, 1, "uint8"), 0, 1),
    "labels of 0 to 3": (draw(0, 3, "uint8"), 0, 3),
    "12 bits in 16": (draw(0, 4095, "uint16"), 0, 4095),
    "12 bits of a camera": (draw(64, 4095, "uint16"), 64, 4095),
    "14 bits in 16": (draw(0, 16383, "uint16"), 0, 65535),
    "16 bits": (draw(0, 65535, "uint16"), 0, 65535),
    "8 bits in 16": (draw(0, 255, "uint16"), 0, 255),
    "8 bits in signed 32": (draw(0, 200, "int32"), 0, 255),
    "8 bits in 64": (draw(10, 240, "int64"), 0, 255),
    "a mask in 64 bits": (draw(0, 1, "int64"), 0, 1),
    "Hounsfield units": (draw(-1024, 3000, "int16"), -1024, 3000),
    "signed bytes": (draw(-128, 127, "int8"), -128, 127),
    "all of signed 16 bits": (draw(-32768, 32767, "int16"), -32768, 32767),
    "12 bits in signed 32": (draw(0, 4095, "int32"), 0, 4095),
    "unsigned 32 bits": (draw(0, 2**32 - 1, "uint32"), 0, 2**32 - 1),
    "floats to 1": (draw(0, 1, "float32"), 0, 1),
    "floats within 0 to 1": (draw(0.2, 0.7, "float64"), 0, 1),
    "small floats": (draw(0.01, 0.05, "float32"), float(np.float32(0.01)), float(np.float32(0.05))),
    "decibels": (draw(-25, 0, "float32"), -25, 0),
    "floats to 255": (draw(0, 255, "float32"), 0, 255),
    "metres": (draw(200, 3000, "float64"), 200, 3000),
    "half floats": (draw(-1, 1, "float16"), -1, 1),
    "floats from -1 to 1": (draw(-1, 1, "float64"), -1, 1),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", AUTO)
def test_auto_takes_one_range_for_all_values(tmp_path, name, form):
    values, low, high = AUTO[name]
    if ("tiff" in form or form in ("as_stack", "as_zip")) and values.dtype.name not in AS_TIFF:
        form = "as_npys"
    found, _ = read(FORMS[form](values, tmp_path))
    near(found, oracle(values, low, high))


@pytest.mark.parametrize("form", ["as_array", "as_npys", "as_tiffs", "as_stack", "as_zip"])
@pytest.mark.parametrize("count", [40, 220])
def test_one_cloud_in_one_picture_of_many_gives_all_the_same_scale(tmp_path, form, count):
    values = draw(0.1, 0.9, "float32", count)
    seen = autoencode.images.evenly_spaced(count, LOOKED_AT)
    odd = next((index for index in range(1, count) if index not in seen), count - 3)
    values[odd, 0, 0] = 1.05
    found, said = read(FORMS[form](values, tmp_path))
    near(found, oracle(values, values.min(), values.max()))
    assert "range 0.1:1.05" in said


@pytest.mark.parametrize(
    ("largest", "low", "high"),
    [(1.0, 0, 1), (1.0005, 0, 1), (1.00099, 0, 1), (1.002, 0.25, 1.002), (1.05, 0.25, 1.05)],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_a_hair_above_1_are_cut_and_further_ones_are_not(largest, low, high, dtype):
    values = draw(0.25, 0.5, dtype)
    values[3, 1, 1] = largest
    found, said = read(values)
    near(found, oracle(values, low, float(np.dtype(dtype).type(high))))
    assert found.max() == 255
    assert "warning" not in said


@pytest.mark.parametrize(("least", "low"), [(-0.0005, 0), (-0.002, -0.002)])
def test_floats_a_hair_below_0_are_cut_and_further_ones_are_not(least, low):
    values = draw(0.25, 0.5, "float64")
    values[3, 1, 1] = least
    found, _ = read(values)
    near(found, oracle(values, low, 1 if low == 0 else 0.5))


@pytest.mark.parametrize("dtype", [">u2", ">i2", ">i4", ">u4", ">f4", ">f8"])
@pytest.mark.parametrize("form", ["as_array", "as_npy", "as_npz", "as_npys", "as_list"])
def test_the_order_of_bytes_changes_no_value(tmp_path, dtype, form):
    values = draw(3, 3000, dtype)
    found, _ = read(FORMS[form](values, tmp_path))
    near(found, oracle(values, 3, 3000))


OPTIONS = {
    "full of 8 bits": ("full", draw(100, 120, "uint8"), 0, 255),
    "full of 16 bits": ("full", draw(0, 4095, "uint16"), 0, 65535),
    "full of signed 16 bits": ("full", draw(-1024, 3000, "int16"), -32768, 32767),
    "full of floats": ("full", draw(0.4, 0.41, "float32"), 0, 1),
    "full of floats beyond": ("full", draw(-3, 3, "float32"), 0, 1),
    "values of 8 bits": ("100:120", draw(0, 255, "uint8"), 100, 120),
    "values of 16 bits": ("0:4095", draw(0, 4095, "uint16"), 0, 4095),
    "values beyond the type": ("-100:500", draw(0, 255, "uint8"), -100, 500),
    "negative values": ("-1024:3000", draw(-2000, 4000, "int16"), -1024, 3000),
    "values of floats": ("-25:0", draw(-30, 5, "float64"), -25, 0),
    "small values": ("1e-4:.5e-3", draw(0, 1e-3, "float64"), 1e-4, 5e-4),
}


@pytest.mark.parametrize("form", ["as_array", "as_npys", "as_tiffs"])
@pytest.mark.parametrize("name", OPTIONS)
def test_range_takes_what_it_says(tmp_path, name, form):
    option, values, low, high = OPTIONS[name]
    found, said = read(FORMS[form](values, tmp_path), range=option)
    near(found, oracle(values, low, high))
    hair = 1e-3 * (high - low) if values.dtype.kind == "f" else 0
    cut = np.mean((values < low - hair) | (values > high + hair))
    assert ("warning" in said) == (cut > 0.01)
    assert f"{cut:.1%} of the values lie outside the range" in said or cut <= 0.01


@pytest.mark.parametrize("form", ["as_array", "as_npy", "as_npys", "as_tiffs", "as_zip"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_percentiles_are_those_of_all_values(tmp_path, form, dtype):
    values = draw(0, 100 if dtype == "uint8" else 3000, dtype, count=30)
    values[7] *= 2  # one picture is lighter than the others
    low, high = np.percentile(values, [2, 95])
    found, _ = read(FORMS[form](values, tmp_path), range="percentile:2:95")
    near(found, oracle(values, low, high))


def test_percentiles_that_fall_together_are_one_line():
    values = np.zeros((20, HEIGHT, WIDTH))
    values[0, 0, 0] = 1
    with pytest.raises(
        UsageError,
        match="gives 0 for both ends of the float values: choose percentiles further apart",
    ):
        read(values, range="percentile:10:90")


@pytest.mark.parametrize(
    "option",
    [
        "5:1",
        "1:1",
        "a:b",
        "1",
        "percentile:1",
        "percentile:-1:50",
        "percentile:50:101",
        "nan:1",
        "0:inf",
        "",
    ],
)
def test_a_wrong_range_is_one_line(option):
    with pytest.raises(UsageError) as told:
        read(np.zeros((5, 4, 4)), range=option)
    assert len(str(told.value).splitlines()) == 1
    assert "`range`" in str(told.value)
    assert repr(option) in str(told.value)


@pytest.mark.parametrize(
    ("numbers", "low", "high"),
    [
        ((0, 4095), 0, 4095),
        ((0.123456789, 0.987654321), 0.123456789, 0.987654321),
        (np.array([-1.5, 2.0]), -1.5, 2),
    ],
)
def test_a_range_of_numbers_in_python_keeps_all_digits(numbers, low, high):
    asked = parse_range(Config(range=numbers).range)
    assert (asked.method, asked.low, asked.high) == ("values", low, high)


@pytest.mark.parametrize(("outside", "warns"), [(0, False), (3, False), (4, True), (100, True)])
@pytest.mark.parametrize("form", ["as_array", "as_npys", "as_tiffs"])
def test_a_warning_comes_above_one_per_cent_that_is_cut(tmp_path, outside, warns, form):
    values = np.full((12, HEIGHT, WIDTH), 7, np.uint16)
    assert values.size == 360
    values.reshape(-1)[:outside] = 5000
    _, said = read(FORMS[form](values, tmp_path), range="0:4095")
    assert ("warning" in said) == warns
    assert not warns or f"{outside / 360:.1%}" in said


def test_loading_packing_and_streaming_warn_alike(tmp_path):
    values = draw(0, 8000, "uint16")
    config = Config(range="0:4095")
    loaded = data.load(values, config)
    packed = data.pack(values, tmp_path / "a.store", config)
    streamed = streaming.stream(data.open_dataset(values), (HEIGHT, WIDTH, 1), config)
    pixels = np.concatenate(list(streamed.batches(5)))
    near(pixels, oracle(values, 0, 4095))
    lines = [
        [note for note in notes if "warning" in note]
        for notes in (loaded.notes, packed.notes, streamed.notes)
    ]
    assert lines[0] == lines[1] == lines[2]
    assert len(lines[0]) == 1
