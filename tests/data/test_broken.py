"""What an adversarial user found: wrong pixels, a wrong sum, a hang, a traceback or a false message, one each."""

import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoencode import AutoencodeError, Config, Images, UsageError, data
from autoencode.data import decode, loading, streaming
from autoencode.data.choice import choose_plan
from autoencode.data.decode import Plan, Unreadable
from autoencode.data.parallel import on_all_cores
from autoencode.data.ranges import parse_range
from autoencode.data.scaling import Scale, show_value

tifffile = pytest.importorskip("tifffile")

RANDOM = np.random.default_rng(0)


def noise(*shape: int, dtype: str = "uint8", most: int = 256) -> np.ndarray:
    return RANDOM.integers(0, most, shape).astype(dtype)


def save_pictures(folder: Path, count: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(noise(6, 5, 3)).save(folder / f"{index}.png")
    return folder


def found(images: Images) -> int:
    return int(images.account().split(" = ")[1].split(" found")[0].replace(",", ""))


# One scale


@pytest.mark.parametrize(("dtype", "most"), [("uint8", 16), ("uint16", 4096)])
def test_packed_pixels_are_not_scaled_again(tmp_path: Path, dtype: str, most: int) -> None:
    array = noise(20, 6, 5, dtype=dtype, most=most)
    packed = data.pack(array, tmp_path / "a.store", Config())
    assert packed.ranges

    for source in (str(tmp_path / "a.store"), packed):
        for options in ({"transpose": True}, {"size": "5x6", "colour": "grey"}):
            again = data.load(source, Config(**options))
            direct = data.load(array, Config(**options))
            np.testing.assert_array_equal(again.train, direct.train)
            assert not any("lie outside" in note for note in again.notes)


def test_range_of_packed_pixels_is_said_to_be_unused(tmp_path: Path) -> None:
    data.pack(noise(20, 6, 5, dtype="uint16", most=4096), tmp_path / "a.store", Config())
    plain = data.load(str(tmp_path / "a.store"))
    asked = data.load(str(tmp_path / "a.store"), Config(range="0:100"))
    np.testing.assert_array_equal(asked.train, plain.train)
    assert any("`range=0:100` is not used" in note for note in asked.notes)


def test_range_is_applied_to_named_datasets() -> None:
    images = data.load("mnist", Config(range="0:100"))
    raw = data.load("mnist").train[:50].astype(float)
    np.testing.assert_array_equal(images.train[:50], np.round(np.minimum(raw, 100) * 2.55))


def test_other_scale_of_a_store_is_told(tmp_path: Path) -> None:
    data.pack(noise(20, 6, 5, dtype="uint16", most=4096), tmp_path / "a.store", Config())
    stored = data.load(str(tmp_path / "a.store"))
    dataset = data.open_dataset(str(tmp_path / "a.store"))
    read = streaming.stream(dataset, stored.shape, scale=Scale({"uint16": (0, 65535)}))
    pixels = np.concatenate(list(read.batches(64)))
    np.testing.assert_array_equal(pixels, np.concatenate([stored.train, stored.test]))
    assert any("name the source that it was made of" in note for note in read.notes)


def test_wide_integers_are_taken_as_the_8_bits_of_a_training() -> None:
    pixels = noise(3, 4)
    for dtype in ("int32", "uint32", "int64", "uint64"):
        np.testing.assert_array_equal(
            Scale({"uint8": (0, 255)}).to_pixels(pixels.astype(dtype))[0], pixels
        )
    assert Scale({"uint16": (0, 4095)}).range_of("int64")[1] > 4095


def test_range_beyond_floats_is_refused() -> None:
    for text in ("0:1e400", "-1e308:1e308"):
        with pytest.raises(UsageError, match="below 1e308"):
            parse_range(text)


def test_huge_values_are_shown_without_a_warning() -> None:
    assert show_value(1.25e300) == "1.25e+300"


# Nothing waits for ever


def test_pipes_sockets_and_devices_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_pictures(tmp_path / "set")
    for name in (
        "a.png",
        "b.npy",
        "c.zip",
        "d.parquet",
        "e.csv",
        "none",
        "train-images-idx3-ubyte",
    ):
        os.mkfifo(folder / name)
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(folder)  # names of sockets are short
        server.bind("s.jpg")
        os.symlink("/dev/zero", folder / "z.png")
        os.symlink("self.png", folder / "self.png")
        images = data.load(str(folder))
    names = {skipped.name: skipped.reason for skipped in images.skipped}
    assert set(names) == {
        "a.png", "b.npy", "c.zip", "d.parquet", "s.jpg", "self.png", "train-images-idx3-ubyte", "z.png",
    }  # fmt: skip
    assert all(
        "a pipe, a socket or a device" in reason
        for name, reason in names.items()
        if name != "self.png"
    )
    assert found(images) == 4 + 8 + 2


@pytest.mark.parametrize("name", ["p.npy", "p.png", "p.zip", "p.csv", "p"])
def test_a_pipe_is_no_source(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(AutoencodeError, match="a pipe, a socket or a device: save"):
        data.load(str(tmp_path / name))


def test_a_pipe_that_is_named_among_files_is_skipped(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path)
    os.mkfifo(folder / "p.jpg")
    images = data.load([folder / "0.png", folder / "1.png", folder / "p.jpg"])
    assert [(one.name, one.reason[:12]) for one in images.skipped] == [("p.jpg", "it is a pipe")]


def test_jobs_that_wait_are_not_begun_after_a_stop() -> None:
    begun = []
    gate = threading.Event()

    def work(job: int) -> int:
        begun.append(job)
        if job:
            gate.wait(5)
        return job

    results = on_all_cores(work, iter(range(1000)), lambda job: 0)
    assert next(results) == 0
    threading.Timer(0.2, gate.set).start()
    results.close()
    assert len(begun) <= 2 * (os.cpu_count() or 1) + 1


# Every file is accounted for


def test_everything_in_a_tar_counts(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for file in sorted(save_pictures(tmp_path / "set").iterdir()):
            archive.add(file, file.name)
        for name, kind in (
            ("p.png", tarfile.FIFOTYPE),
            ("d.png", tarfile.CHRTYPE),
            ("h.png", tarfile.LNKTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "0.png"
            archive.addfile(member)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    images = data.load(str(tmp_path / "a.tar"))
    assert {skipped.name for skipped in images.skipped} == {"p.png", "d.png", "h.png"}
    assert found(images) == 7


def test_a_broken_page_leaves_the_others(tmp_path: Path) -> None:
    pages = noise(12, 8, 9, dtype="uint16", most=1000)
    pages[7, 0, 0] = 60_000  # behind the broken page, and yet within the range
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, pages, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(file) as opened:
        page = opened.pages[2]
        start, size = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(file.read_bytes())
    content[start : start + size] = b"\xaa" * size
    file.write_bytes(content)

    images = data.load(str(file))
    assert [(skipped.name, skipped.reason[:13]) for skipped in images.skipped] == [
        ("a.tif#2", "it is damaged")
    ]
    assert len(images.train) + len(images.test) == 11
    assert decode.read_extent(str(file), range(12), Plan(1, 1, 1))["uint16"].largest == 60_000


def test_images_in_further_arrays_are_counted(tmp_path: Path) -> None:
    arrays = {"x_train": noise(12, 6, 5), "x_test": noise(3, 6, 5), "masks": noise(12, 6, 5)}
    np.savez(tmp_path / "a.npz", **arrays, y_train=np.arange(12))
    images = data.load(str(tmp_path / "a.npz"))
    assert [(unused.count, unused.names) for unused in images.unused] == [(12, ("masks",))]
    assert found(images) == 27


def test_rows_without_a_file_are_skipped(tmp_path: Path) -> None:
    save_pictures(tmp_path / "deep")
    lines = ["path,label", "deep/0.png,a", "nope.png,b", ",b", "deep\\1.png,b"]
    lines += ["x" * 5000 + ".png,a", "deep/2.png,a,more"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    images = data.load(str(tmp_path / "a.csv"))
    assert [skipped.name[:8] for skipped in images.skipped] == ["nope.png", "xxxxxxxx"]
    assert images.classes == ("a", "b")
    assert found(images) == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\n", "no row below its header"),
        ("path,label\n0.png,\u00e9\n".encode("latin-1"), "save it in UTF-8"),
        (b"path\nnope.png\n", "there is nothing at"),
    ],
)
def test_tables_of_paths_say_what_is_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(AutoencodeError, match=message):
        data.load(str(tmp_path / "a.csv"))


def test_a_column_of_lists_is_no_column_of_pictures(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    Image.fromarray(noise(5, 4)).save(file, "PNG")
    png = file.getvalue()

    parquet.write_table(arrow.table({"images": [[png, png], []]}), tmp_path / "lists.parquet")
    parquet.write_table(arrow.table({"image": [{"data": png}]}), tmp_path / "record.parquet")
    for name in ("lists", "record"):
        with pytest.raises(AutoencodeError, match="expected a column of pictures as bytes"):
            data.load(str(tmp_path / f"{name}.parquet"))

    parquet.write_table(
        arrow.table({"image": [png] * 4, "mask": [png] * 4}), tmp_path / "two.parquet"
    )
    assert any("not used: mask" in note for note in data.load(str(tmp_path / "two.parquet")).notes)


# Read right, or a true reason


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_16_bits_of_a_negative_are_inverted(
    tmp_path: Path, byteorder: str, compression: str | None
) -> None:
    values = noise(8, 9, dtype="uint16", most=65536)
    options = {"photometric": "miniswhite", "byteorder": byteorder, "compression": compression}
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    pixels = decode.decode(str(tmp_path / "a.tif"), Plan(8, 9, 1))
    np.testing.assert_array_equal(pixels[..., 0], np.round((65535 - values.astype(float)) / 257))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((6, 7, 3), "float32"), "3 channels of 32-bit floating-point"),
        (np.zeros((6, 7, 5), "uint8"), "5 channels of 8-bit unsigned"),
        (np.zeros((6, 7), "uint64"), "1 channel of 64-bit unsigned"),
        (np.zeros((6, 7), "complex64"), "1 channel of 64-bit complex"),
    ],
)
def test_a_tiff_that_is_not_read_says_what_it_holds(
    tmp_path: Path, values: np.ndarray, words: str
) -> None:
    planes = "contig" if values.ndim > 2 else None
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig=planes)
    with pytest.raises(Unreadable, match=words):
        decode.decode(str(tmp_path / "a.tif"), Plan(6, 7, 1))


def test_a_damaged_picture_is_no_unknown_format() -> None:
    with pytest.raises(Unreadable, match=r"it is damaged: it begins as a \.png file"):
        decode.decode(b"\x89PNG\r\n\x1a\n" + bytes(40), Plan(4, 4, 1))
    with pytest.raises(Unreadable, match="not a picture of a known format"):
        decode.decode(b"nothing that is known", Plan(4, 4, 1))


def test_nan_is_counted_apart_from_values_outside_the_range(tmp_path: Path) -> None:
    values = RANDOM.random((10, 10)).astype("float32")
    values[:3, 0] = [np.nan, np.inf, -np.inf]
    for index in range(4):
        tifffile.imwrite(tmp_path / f"{index}.tif", values, photometric="minisblack")
    notes = data.load(str(tmp_path)).notes
    assert any("12 of 400 values are NaN or infinite" in note for note in notes)
    assert not any("lie outside" in note for note in notes)


def test_channels_that_are_not_there(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path)
    with pytest.raises(AutoencodeError, match="it has 3 channels, and `bands` asks for channel 7"):
        data.load(str(folder), Config(bands="7"))
    with pytest.raises(
        AutoencodeError, match="mnist: `bands` asks for channel 1, counted from 0, and there are 1"
    ):
        data.load("mnist", Config(bands="1"))
    with pytest.raises(AutoencodeError, match="allow it with `max_pixels=30`"):
        data.load(str(folder), Config(max_pixels=2))


def test_four_grey_columns_are_noted() -> None:
    images = data.load(noise(10, 8, 4))
    assert any("taken for 10 grey images of 4x8" in note for note in images.notes)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "the source is empty"),
        ("file:///pictures", "name the path alone, '/pictures'"),
        (["a.png", None], "a list of str and NoneType"),
        ([{}], "received an empty one"),
        ([((np.zeros((4, 4)), 1), 2)], "at 0: expected what NumPy takes"),
        ([(np.zeros((3, 4, 4, 1)), [1, 2])], "received 2 for 3"),
    ],
)
def test_sources_of_python_that_are_none(source: object, words: str) -> None:
    with pytest.raises(AutoencodeError, match=words):
        data.load(source)


def test_an_empty_dataset_of_python() -> None:
    class Empty:
        def __len__(self) -> int:
            return 0

        def __getitem__(self, index: int) -> np.ndarray:
            raise IndexError(index)

    with pytest.raises(AutoencodeError, match="Empty is empty"):
        data.load(Empty())


def test_labels_that_are_no_classes_are_told() -> None:
    images = data.load([(noise(4, 4), 0.5), (noise(4, 4), 1.5)])
    assert any("the labels are no classes, and are skipped" in note for note in images.notes)


def test_messages_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz")
    with pytest.raises(AutoencodeError, match="holds no array of numbers, it is empty"):
        data.load(str(tmp_path / "a.npz"))
    with pytest.raises(AutoencodeError, match="^array: expected finite numbers"):
        data.load(np.full((4, 5, 5), np.nan))


def test_the_command_ends_at_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.zip")
    call = [sys.executable, "-m", "autoencode", "look", "p.zip"]
    done = subprocess.run(
        call, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_ready_pixels_stay_where_they_are(tmp_path: Path) -> None:
    packed = data.pack(noise(20, 6, 5, most=16), tmp_path / "a.store", Config())
    dataset = data.as_dataset(packed)
    choice = choose_plan(dataset, Config())
    assert loading._take_arrays(dataset, choice).train is packed.train
