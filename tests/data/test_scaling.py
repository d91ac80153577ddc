"""One range for a whole source decides which stored values become black and white: compared with NumPy."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import autoencode
from autoencode import AutoencodeError, Config, UsageError, data
from autoencode.data import store, streaming
from autoencode.data.choice import LOOKED_AT, PROBED, choose_plan
from autoencode.data.extents import Extent, kind_of, measure_extent
from autoencode.data.ranges import parse_range
from autoencode.data.scaling import Scale
from autoencode.inference import opening

EACH = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HEIGHT, WIDTH = 6, 5


def oracle(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Stored values (N, H, W) as pixels (N, H, W, 1), not yet rounded."""
    floats = (values.astype(np.float64) - low) / (high - low)
    return 255 * np.clip(floats, 0, 1)[..., np.newaxis]


def near(found: np.ndarray, expected: np.ndarray) -> None:
    """Check that uint8 pixels are what `expected` is when it is rounded."""
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.5 + 1e-4


def read(source: object, **options: object) -> tuple[np.ndarray, str]:
    """All images of a source in their order, and what was said about them."""
    config = Config(**options)
    dataset = data.open_dataset(source, config)
    choice = choose_plan(dataset, config)
    chunks = list(dataset.read(np.arange(len(dataset)), choice.plan, strict=True))
    said = [*choice.notes, *dataset.value_notes(choice.plan.scale, PROBED)]
    return np.concatenate([chunk.pixels for chunk in chunks]), "\n".join(said)


def draw(low: float, high: float, dtype: str, count: int = 12, seed: int = 0) -> np.ndarray:
    """Images (N, H, W) whose values reach from `low` to `high`."""
    random = np.random.default_rng(seed)
    floats = random.uniform(low, high, (count, HEIGHT, WIDTH))
    values = floats.astype(dtype) if np.dtype(dtype).kind == "f" else np.round(floats).astype(dtype)
    values[count // 2, 2, 3], values[count // 3, 4, 1] = low, high
    return values


def as_array(values: np.ndarray, folder: Path) -> np.ndarray:
    return values


def as_npy(values: np.ndarray, folder: Path) -> Path:
    np.save(folder / "values.npy", values)
    return folder / "values.npy"


def as_npz(values: np.ndarray, folder: Path) -> Path:
    np.savez(folder / "values.npz", images=values)
    return folder / "values.npz"


def as_npys(values: np.ndarray, folder: Path) -> Path:
    top = folder / "arrays"
    top.mkdir()
    for index, image in enumerate(values):
        np.save(top / f"{index:03}.npy", image)
    return top


def as_tiffs(values: np.ndarray, folder: Path) -> Path:
    top = folder / "tiffs"
    top.mkdir()
    for index, image in enumerate(values):
        tifffile.imwrite(top / f"{index:03}.tif", image, photometric="minisblack")
    return top


def as_stack(values: np.ndarray, folder: Path) -> Path:
    tifffile.imwrite(folder / "stack.tif", values, photometric="minisblack")
    return folder / "stack.tif"


def as_zip(values: np.ndarray, folder: Path) -> Path:
    top = as_tiffs(values, folder)
    with zipfile.ZipFile(folder / "tiffs.zip", "w") as archive:
        for path in sorted(top.iterdir()):
            archive.write(path, path.name)
    return folder / "tiffs.zip"


def as_list(values: np.ndarray, folder: Path) -> list[np.ndarray]:
    return list(values)


FORMS = {
    one.__name__: one
    for one in (as_array, as_npy, as_npz, as_npys, as_tiffs, as_stack, as_zip, as_list)
}
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
    seen = autoencode.images.evenly(count, LOOKED_AT)
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


# The options of range

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


# Mixed types


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


# Sets without contrast


@pytest.mark.parametrize(
    ("value", "dtype", "pixel"),
    [(0, "uint8", 0), (77, "uint8", 77), (255, "uint8", 255), (200, "int64", 200), (0.0, "float32", 0), (0.5, "float64", 128),
     (1.0, "float32", 255), (65535, "uint16", 255), (4000, "uint16", 16), (-32768, "int16", 0), (True, "bool", 255)],
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


# What is kept


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
    saved = opening.find(run)
    _, stream = opening.begin(saved, source, config=saved.data_config(**options))
    pixels = np.concatenate(list(stream.batches(3)))
    return pixels, [note for note in stream.notes if "taken from" in note]


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

    # Another type is taken for the same unit, but for 8 bits; unless a range was given, which is for all.
    is_given = limits == (100, 2000)
    for other, expected in (
        (darker.astype("int32"), limits),
        (draw(0, 255, "uint8", 4), limits if is_given else (0, 255)),
    ):
        pixels, told = streamed(folder, other)
        near(pixels, oracle(other, *expected))
        assert [line.split()[0] for line in told] == ([] if is_given else [other.dtype.name])


# Channels


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [3, 4, 7, 13])
@pytest.mark.parametrize("first", [False, True])
def test_bands_are_taken_of_any_number(tmp_path, dtype, count, first):
    random = np.random.default_rng(0)
    values = random.random((8, 16, 14, count))
    values = (
        values.astype(dtype) if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)
    )
    high = 1 if dtype == "float32" else np.iinfo(dtype).max
    stored = np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if first else values
    np.save(tmp_path / "a.npy", stored)
    for source in (stored, tmp_path / "a.npy", {"images": stored}):
        found, _ = read(source, bands="2,1,0")
        near(found, oracle(values[..., [2, 1, 0]], 0, high)[..., 0])
        found, _ = read(source, bands=str(count - 1))
        near(found, oracle(values[..., count - 1], 0, high))
        with pytest.raises(
            AutoencodeError,
            match=f"`bands` asks for channel {count}, counted from 0, and there are {count}",
        ):
            read(source, bands=str(count))


@pytest.mark.parametrize("bands", [(2, 1, 0), (0,), 1])
def test_bands_of_pictures(tmp_path, bands):
    pixels = np.random.default_rng(0).integers(0, 256, (4, HEIGHT, WIDTH, 3), "uint8")
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    found, _ = read(tmp_path, bands=bands)
    taken = [bands] if isinstance(bands, int) else list(bands)
    np.testing.assert_array_equal(found, pixels[..., taken])


def test_alpha_is_a_band_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, HEIGHT, WIDTH, 4), "uint8")
    for index, image in enumerate(pixels):
        Image.fromarray(image, "RGBA").save(tmp_path / f"{index}.png")
    for source in (tmp_path, pixels):
        np.testing.assert_array_equal(read(source, bands="3")[0], pixels[..., 3:])
        np.testing.assert_array_equal(read(source, bands="0,1,2")[0], pixels[..., :3])
        np.testing.assert_array_equal(read(source, bands="3,0,1")[0], pixels[..., [3, 0, 1]])


def test_a_band_that_is_not_there_is_one_line(tmp_path):
    Image.fromarray(np.arange(30, dtype=np.uint8).reshape(6, 5) * 8).save(tmp_path / "grey.png")
    with pytest.raises(
        AutoencodeError, match=r"grey\.png: it has 1 channel.*`bands` asks for channel 2"
    ) as told:
        read(tmp_path, bands="0,1,2")
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize(
    "form", ["as_array", "as_npy", "as_npys", "as_tiffs", "as_stack", "as_list"]
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_transpose_swaps_rows_and_columns(tmp_path, form, dtype):
    values = draw(0, 1 if dtype == "float32" else np.iinfo(dtype).max, dtype)
    found, _ = read(FORMS[form](values, tmp_path), transpose=True)
    near(found, oracle(values.swapaxes(1, 2), 0, values.max()))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "bool"])
def test_alpha_lies_on_white_as_that_of_a_png_does(tmp_path, dtype):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (6, HEIGHT, WIDTH, 4), "uint8")
    pixels[..., 3] = random.choice([0, 255, 90], pixels.shape[:-1], p=[0.4, 0.4, 0.2])
    pixels[0, 0, 0, 0], pixels[0, 0, 1, 0] = 0, 255
    if dtype == "bool":
        pixels = (pixels > 127) * np.uint8(255)
    stored = {
        "uint8": pixels,
        "uint16": pixels.astype(np.uint16) * 257,
        "float32": pixels / np.float32(255),
        "float64": pixels / 255,
        "bool": pixels > 0,
    }[dtype]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, image in enumerate(pixels):
        Image.fromarray(image, "RGBA").save(folder / f"{index}.png")
    as_picture, _ = read(folder)
    share = pixels[..., 3:] / 255
    expected = np.round(255 + (pixels[..., :3] - 255.0) * share)
    np.save(tmp_path / "a.npy", stored)
    (tmp_path / "below").mkdir()
    for source in (
        stored,
        tmp_path / "a.npy",
        list(stored),
        as_npys(stored, tmp_path / "below"),
        folder,
    ):
        found, _ = read(source)
        assert np.abs(found - expected).max() <= 1
        assert np.abs(found.astype(int) - as_picture).max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("form", ["as_array", "as_npy", "as_npz", "as_npys", "as_list"])
def test_a_fourth_band_that_is_no_alpha_is_refused(tmp_path, dtype, form):
    values = np.random.default_rng(0).random((8, 16, 14, 4)) * 0.98 + 0.01
    values = (
        values.astype(dtype) if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)
    )
    source = FORMS[form](values, tmp_path)
    with pytest.raises(
        AutoencodeError, match=r"fourth channel.* is no alpha.*`bands=0,1,2`"
    ) as told:
        read(source)
    assert len(str(told.value).splitlines()) == 1
    found, _ = read(source, bands="0,1,2")
    near(
        found, oracle(values[..., :3], 0, 1 if dtype == "float32" else np.iinfo(dtype).max)[..., 0]
    )


# Any values


ANY_DTYPE = st.sampled_from(
    [
        "bool",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "uint32",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
        ">u2",
        ">f4",
    ]
)
LIMITS = st.tuples(
    st.floats(-1e5, 1e5, allow_subnormal=False), st.floats(1e-2, 1e5, allow_subnormal=False)
).map(lambda pair: (pair[0], pair[0] + pair[1]))


@EACH
@given(drawn=st.data(), dtype=ANY_DTYPE, limits=LIMITS)
def test_any_values_become_what_numpy_makes_of_them(drawn, dtype, limits):
    kind = np.dtype(dtype)
    elements = (
        {"allow_nan": False, "min_value": -1024.0, "max_value": 1024.0}
        if kind.kind == "f"
        else None
    )
    values = drawn.draw(
        hnp.arrays(kind, hnp.array_shapes(max_dims=3, max_side=6), elements=elements)
    )
    scale = Scale({kind_of(kind): limits})
    pixels, cut = scale.to_pixels(values)
    low, high = (0, 1) if kind.kind == "b" else limits
    floats = values.astype(np.float64)
    exact = 255 * np.clip((floats - low) / (high - low), 0, 1)
    assert pixels.dtype == np.uint8
    assert pixels.shape == values.shape
    assert np.abs(pixels - exact).max() <= 0.5 + 1e-6
    hair = 1e-3 * (high - low) if kind.kind == "f" else 0
    assert cut == np.count_nonzero((floats < low - hair) | (floats > high + hair))


@EACH
@given(drawn=st.data(), dtype=ANY_DTYPE)
def test_auto_is_monotonic_and_uses_its_range(drawn, dtype):
    kind = np.dtype(dtype)
    elements = (
        {"allow_nan": False, "min_value": -1024.0, "max_value": 1024.0}
        if kind.kind == "f"
        else None
    )
    values = drawn.draw(hnp.arrays(kind, (3, 4, 4), elements=elements))
    least, largest = float(values.min()), float(values.max())
    if least == largest:
        return
    pixels, _ = read(values, size="4")
    order = np.argsort(values, axis=None, kind="stable")
    assert (np.diff(pixels.reshape(-1)[order].astype(int)) >= 0).all()
    # Values span at least a tenth of the grey levels, whatever their type.
    assert np.ptp(pixels.astype(int)) >= 25


@EACH
@given(
    kinds=st.dictionaries(
        st.sampled_from(["uint8", "uint16", "int16", "float"]), LIMITS, min_size=1, max_size=3
    ),
    other=st.none() | LIMITS,
)
def test_a_scale_comes_back_from_its_record(kinds, other):
    scale = Scale(kinds, other)
    again = Scale.from_record(scale.record())
    for kind in kinds:
        assert again.range_of(kind) == scale.range_of(kind)
    if other is not None:
        assert again.range_of("uint32") == other


@EACH
@given(values=hnp.arrays(np.float32, (4, 7)), cuts=st.lists(st.integers(0, 4), max_size=3))
def test_the_extent_of_parts_is_that_of_the_whole(values, cuts):
    whole = measure_extent(values)
    parts = Extent()
    for part in np.split(values, sorted(cuts)):
        parts |= measure_extent(part)
    assert parts == whole
    finite = values[np.isfinite(values)]
    assert whole.is_empty == (finite.size == 0)
    if finite.size:
        assert (whole.least, whole.largest) == (finite.min(), finite.max())
