"""Every kind of source from real files: what was written is what is read, and what is broken is told."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from autoencode import (
    AutoencodeError,
    Config,
    Images,
    UsageError,
    data,
    engines,
    metrics,
    pipeline,
    runs,
    training,
)
from autoencode.data import decode, idx, loading, preprocessing, store
from autoencode.data.array_dataset import ArrayDataset
from autoencode.data.choice import choose_plan
from autoencode.data.splits import split_dataset
from autoencode.system.memmap import Reader
from autoencode.training import batches, planning

EACH = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def noise(count: int, height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), "uint8")


def picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def content(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def fill(folder: Path, pixels: np.ndarray, names: str = "{}.png") -> Path:
    for index, one in enumerate(pixels):
        path = folder / names.format(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(one).save(path)
    return folder


# One picture

PLAN = decode.Plan(8, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_give_back_the_pixels(kind, channels):
    pixels = noise(1, 8, 8, channels)[0]
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode.decode(content(picture(pixels), kind, **options), decode.Plan(8, 8, channels))
    np.testing.assert_array_equal(found, pixels)


def test_jpeg_and_gif_come_near():
    smooth = np.asarray(picture(noise(1, 3, 3, 3)[0]).resize((64, 64), Image.Resampling.BICUBIC))
    for kind, most in (("JPEG", 4), ("GIF", 20)):
        found = decode.decode(content(Image.fromarray(smooth), kind), decode.Plan(64, 64, 3))
        assert np.abs(found.astype(int) - smooth).mean() < most


def test_exif_rotation_is_applied():
    pixels = noise(1, 4, 6, 3)[0]
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it 90 degrees clockwise
    found = decode.decode(content(picture(pixels), exif=exif), decode.Plan(6, 4, 3))
    np.testing.assert_array_equal(found, np.rot90(pixels, -1))
    assert (decode.probe(content(picture(pixels), exif=exif)).width) == 4


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("P", (8, 8), 0), (0, 0, 0)),
        (
            Image.new("RGBA", (8, 8), (255, 0, 0, 0)),
            (255, 255, 255),
        ),  # transparent: the page shows through
        (Image.new("RGBA", (8, 8), (255, 0, 0, 255)), (255, 0, 0)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 128)), (127, 127, 127)),
        (Image.new("LA", (8, 8), (10, 255)), (10, 10, 10)),
        (Image.new("1", (8, 8), 1), (255, 255, 255)),
        (Image.fromarray(np.full((8, 8), 65535, np.uint16)), (255, 255, 255)),
        (Image.fromarray(np.full((8, 8), 25700, np.uint16)), (100, 100, 100)),
    ],
    ids=[
        "palette",
        "transparent",
        "opaque",
        "half",
        "grey alpha",
        "bilevel",
        "16 bit white",
        "16 bit",
    ],
)
def test_modes_look_as_in_a_viewer(image, expected):
    np.testing.assert_array_equal(decode.decode(content(image), PLAN), np.full((8, 8, 3), expected))


def test_other_containers_of_colour():
    red = decode.decode(content(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), PLAN)
    assert red[0, 0, 0] > 200
    assert red[0, 0, 1] < 60
    floats = decode.decode(content(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), PLAN)
    np.testing.assert_array_equal(floats, 128)
    frames = content(
        Image.new("L", (8, 8), 9), "GIF", save_all=True, append_images=[Image.new("L", (8, 8), 200)]
    )
    np.testing.assert_array_equal(decode.decode(frames, PLAN), 9)


@pytest.mark.parametrize(
    ("how", "rows"),
    [("pad", [0, 0, 200, 200, 200, 200, 0, 0]), ("crop", [200] * 8), ("stretch", [200] * 8)],
)
def test_fit(how, rows):
    wide = content(Image.new("L", (16, 8), 200))
    np.testing.assert_array_equal(decode.decode(wide, decode.Plan(8, 8, 1, how))[:, 3, 0], rows)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_any_damaged_byte_is_told_or_harmless(kind):
    whole = content(picture(noise(1, 12, 10, 3)[0]), kind)
    random = np.random.default_rng(0)
    for place in random.integers(0, len(whole), 60):
        damaged = (
            whole[:place]
            + bytes([whole[place] ^ int(random.integers(1, 256))])
            + whole[place + 1 :]
        )
        for file in (damaged, whole[:place]):
            try:
                assert decode.decode(file, PLAN).shape == (8, 8, 3)
            except decode.Unreadable as error:
                assert str(error)


def test_a_decompression_bomb_is_refused():
    bomb = content(Image.new("1", (60_000, 60_000)))
    assert len(bomb) < 2**20
    with pytest.raises(decode.Unreadable, match="pixels"):
        decode.decode(bomb, PLAN)


# Size and colour


def test_auto_keeps_one_small_size_and_shrinks_the_rest(tmp_path):
    images = data.load(str(fill(tmp_path / "same", noise(5, 23, 17, 1))), Config())
    assert images.shape == (23, 17, 1)
    assert any("size 17x23" in note for note in images.notes)
    images = data.load(str(fill(tmp_path / "large", noise(3, 200, 400, 3))), Config())
    assert images.shape == (32, 64, 3)
    images = data.load(str(tmp_path / "large"), Config(size="20x10", colour="grey"))
    assert images.shape == (10, 20, 1)


@pytest.mark.parametrize("size", ["0", "-3", "5x", "x5", "5000", "big", "3x4x5"])
def test_a_wrong_size_is_refused(size):
    with pytest.raises(UsageError, match="`size` must be auto"):
        preprocessing.check_options(Config(size=size))


def test_grey_saved_as_colour_is_grey(tmp_path):
    for index, pixels in enumerate(noise(4, 9, 9, 1)):
        picture(pixels.repeat(3, 2)).save(tmp_path / f"{index}.jpg")
    assert data.load(str(tmp_path), Config()).shape == (9, 9, 1)


# Folders and archives


def test_train_and_test_folders_and_classes(tmp_path):
    fill(tmp_path, noise(6, 5, 5, 1, 1), "train/cat/{}.png")
    fill(tmp_path, noise(3, 5, 5, 1, 2), "train/dog/{}.png")
    fill(tmp_path, noise(2, 5, 5, 1, 3), "test/dog/{}.png")
    images = data.load(str(tmp_path), Config())
    np.testing.assert_array_equal(
        images.train, np.concatenate([noise(6, 5, 5, 1, 1), noise(3, 5, 5, 1, 2)])
    )
    np.testing.assert_array_equal(images.test, noise(2, 5, 5, 1, 3))
    assert images.classes == ("cat", "dog")
    assert images.train_labels.tolist() == [0] * 6 + [1] * 3
    assert images.test_labels.tolist() == [1, 1]


def test_split_by_seed_parts_every_picture_once(tmp_path):
    pixels = noise(40, 4, 4, 1)
    fill(tmp_path, pixels, "{:03}.png")
    first, again, other = (data.load(str(tmp_path), Config(split_seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)
    together = np.concatenate([first.train, first.test]).reshape(40, -1)
    assert sorted(map(tuple, together)) == sorted(map(tuple, pixels.reshape(40, -1)))
    assert len(first.test) == 4


def pack_archive(folder: Path, target: Path) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            for path in files:
                archive.write(path, path.relative_to(folder))
    else:
        with tarfile.open(target, "w:gz" if target.suffix == ".gz" else "w") as archive:
            for path in files:
                archive.add(path, path.relative_to(folder))
    return target


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz"])
def test_archives_hold_what_the_folder_held(tmp_path, name):
    folder = fill(
        fill(tmp_path / "set", noise(9, 6, 5, 3), "a/{}.png"), noise(8, 6, 5, 3, 1), "b/{}.png"
    )
    expected = data.load(str(folder), Config())
    found = data.load(str(pack_archive(folder, tmp_path / name)), Config())
    np.testing.assert_array_equal(found.train, expected.train)
    np.testing.assert_array_equal(found.test, expected.test)
    np.testing.assert_array_equal(found.train_labels, expected.train_labels)


def test_what_cannot_be_read_is_left_out_and_named(tmp_path):
    fill(tmp_path, noise(5, 6, 6, 1))
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:60])
    (tmp_path / "notes.txt").write_text("not looked at")
    os.rename(tmp_path / "4.png", tmp_path / "really-a-png.jpg")
    os.symlink("..", tmp_path / "loop")
    os.symlink("nowhere.png", tmp_path / "dangling.png")
    with open(os.fsencode(tmp_path) + b"/\xff\xfe.png", "wb") as file:
        file.write(b"x")
    images = data.load(str(tmp_path), Config())
    assert len(images.train) + len(images.test) == 5
    reasons = {one.name: one.reason for one in images.skipped}
    assert set(reasons) == {"empty.png", "text.jpg", "cut.png", "dangling.png", "\\xff\\xfe.png"}
    assert reasons["empty.png"] == "the file is empty"
    assert "No such file" in reasons["dangling.png"]
    with pytest.raises(AutoencodeError, match="`strict`"):
        data.load(str(tmp_path), Config(strict=True))


def test_members_that_point_outside_are_left_out(tmp_path):
    inside = content(picture(noise(1, 5, 5, 1)[0]))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("fine.png", "../outside.png", "/etc/outside.png", "also/fine.png"):
            archive.writestr(name, inside)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("fine.png", "../outside.png", "also/fine.png"):
            member = tarfile.TarInfo(name)
            member.size = len(inside)
            archive.addfile(member, io.BytesIO(inside))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    for name, count in (("a.zip", 2), ("a.tar", 2)):
        images = data.load(str(tmp_path / name), Config())
        assert len(images.train) + len(images.test) == 2
        assert len(images.skipped) == count
    assert not (tmp_path.parent / "outside.png").exists()


def test_nothing_one_and_all_alike(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(AutoencodeError, match="holds no picture: expected pictures"):
        data.load(str(tmp_path / "none"), Config())
    (tmp_path / "none" / "bad.png").write_text("x")
    with pytest.raises(AutoencodeError, match=r"no picture that can be read.*bad\.png"):
        data.load(str(tmp_path / "none"), Config())
    one = data.load(str(fill(tmp_path / "one", noise(1, 5, 5, 1))), Config())
    np.testing.assert_array_equal(one.train, one.test)
    alike = data.load(str(fill(tmp_path / "alike", np.zeros((6, 5, 5, 1), "uint8"))), Config())
    assert metrics.pca_error(alike.train, alike.test, 2) == 0


# Arrays


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
@given(
    array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)),
    packed=st.booleans(),
)
def test_idx_reads_back_what_was_written(tmp_path, array, packed):
    path = tmp_path / ("a-ubyte.gz" if packed else "a-ubyte")
    idx.write(array, path)
    np.testing.assert_array_equal(idx.read(path), array)


@EACH
@given(drawn=st.data())
def test_a_damaged_idx_file_is_told_or_reads_the_same_shape(tmp_path, drawn):
    path = tmp_path / "b-ubyte"
    idx.write(noise(4, 3, 2, 1)[..., 0], path)
    whole = path.read_bytes()
    place = drawn.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(
        whole[:place] + bytes([whole[place] ^ drawn.draw(st.integers(1, 255))]) + whole[place + 1 :]
    )
    try:
        assert idx.read(path).size <= len(whole)
    except AutoencodeError as error:
        assert "damaged IDX" in str(error)
    path.write_bytes(whole[:place])
    with pytest.raises(AutoencodeError, match="damaged IDX"):
        idx.read(path)


def test_a_folder_of_idx_files_is_the_set(tmp_path):
    parts = {
        "train-images-idx3-ubyte.gz": noise(9, 5, 5, 1)[..., 0],
        "t10k-images-idx3-ubyte": noise(3, 5, 5, 1)[..., 0],
    }
    parts |= {
        "train-labels-idx1-ubyte.gz": np.arange(9, dtype="uint8"),
        "t10k-labels-idx1-ubyte": np.arange(3, dtype="uint8"),
    }
    for name, array in parts.items():
        idx.write(array, tmp_path / name)
    images = data.load(str(tmp_path), Config())
    assert images.train.shape == (9, 5, 5, 1)
    assert images.test_labels.tolist() == [0, 1, 2]
    alone = data.load(str(tmp_path / "train-images-idx3-ubyte.gz"), Config())
    assert len(alone.train) + len(alone.test) == 9


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


def test_the_original_mnist_files_are_the_bundled_set():
    folder = Path(__file__).parents[2] / "src" / "autoencode" / "data" / "mnist_files"
    bundled = data.load("mnist")
    np.testing.assert_array_equal(
        data.load(str(folder / "mnist.npz"), Config()).train, bundled.train
    )


# Tables and names


def table(path: Path, pixels: np.ndarray, labels: list, names: list | None = None) -> None:
    import pyarrow
    import pyarrow.parquet

    names = names or [None] * len(pixels)
    column = [
        {"bytes": content(picture(one)), "path": name}
        for one, name in zip(pixels, names, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    features = {"image": {"_type": "Image"}, "label": {"_type": "Value", "dtype": "int64"}}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table(
        {"image": pyarrow.array(column, kind), "label": labels}
    ).replace_schema_metadata(told)
    pyarrow.parquet.write_table(table, path)


def test_parquet_as_hugging_face_writes_it(tmp_path):
    train, test = noise(7, 5, 5, 1), noise(3, 5, 5, 1, 1)
    table(tmp_path / "data" / "train-00000-of-00001.parquet", train, [3, 1, 3, 1, 1, 3, 3])
    table(tmp_path / "data" / "test-00000-of-00001.parquet", test, [1, 1, 3])
    images = data.load(str(tmp_path), Config())
    np.testing.assert_array_equal(images.train, train)
    np.testing.assert_array_equal(images.test, test)
    assert images.classes == ("1", "3")
    alone = data.load(str(tmp_path / "data" / "test-00000-of-00001.parquet"), Config())
    assert len(alone.train) + len(alone.test) == 3


@pytest.mark.parametrize("as_store", [False, True])
def test_tables_and_stores_tell_the_names_of_the_files(tmp_path, as_store):
    names = ["cats/a.png", None, "dogs/\n\x1b[31m.png", "dogs/\u732b.png"]
    expected = ["cats/a.png", "a.parquet row 1", "dogs/\\n\\x1b[31m.png", "dogs/\u732b.png"]
    table(tmp_path / "a.parquet", noise(4, 5, 5, 1), [0, 1, 0, 1], names)
    source = str(tmp_path / "a.parquet")
    rows = data.open_dataset(source)
    if as_store:
        packed = data.pack(source, tmp_path / "a.store", Config())
        test = split_dataset(rows, Config()).test
        found = [[*part] for part in (packed.train_names, packed.test_names)]
        assert found == [
            [expected[index] for index in range(4) if index not in test],
            [expected[i] for i in test],
        ]
        rows, expected = data.open_dataset(str(tmp_path / "a.store")), [*found[0], *found[1]]
        again = data.pack(str(tmp_path / "a.store"), tmp_path / "b.store", Config())
        assert [*again.train_names, *again.test_names] == expected
    assert rows.names(np.arange(4)) == expected
    assert rows.names(np.array([1, 3])) == [expected[1], expected[3]]


def test_a_store_keeps_the_names_of_the_pictures_that_could_be_read(tmp_path):
    folder = fill(tmp_path / "set", noise(20, 6, 6, 1), "{:03}.png")
    (folder / "005.png").write_text("x")
    packed = data.pack(str(folder), tmp_path / "a.store", Config())
    by_name = dict(
        zip([*packed.train_names, *packed.test_names], [*packed.train, *packed.test], strict=True)
    )
    assert sorted(by_name) == [f"{number:03}.png" for number in range(20) if number != 5]
    for name, pixels in by_name.items():
        np.testing.assert_array_equal(pixels[..., 0], np.asarray(Image.open(folder / name)))


def test_a_store_of_pictures_with_one_name_keeps_those_that_can_be_read(tmp_path):
    import pyarrow
    import pyarrow.parquet

    pixels = noise(12, 6, 6, 1)
    for part, images in (("train", pixels[:6]), ("test", pixels[6:9])):
        rows = [
            {"bytes": content(picture(one)), "path": f"{index}.png"}
            for index, one in enumerate(images)
        ]
        if part == "train":
            rows[3]["bytes"] = b"x"
        pyarrow.parquet.write_table(pyarrow.table({"image": rows}), tmp_path / f"{part}.parquet")
    packed = data.pack(str(tmp_path), tmp_path / "a.store", Config())
    assert [*packed.train_names] == ["0.png", "1.png", "2.png", "4.png", "5.png"]
    assert [*packed.test_names] == ["0.png", "1.png", "2.png"]
    np.testing.assert_array_equal(packed.train, pixels[[0, 1, 2, 4, 5]])
    np.testing.assert_array_equal(packed.test, pixels[6:9])


def test_a_store_of_one_picture_that_can_be_read_knows_its_name(tmp_path):
    for bad in range(2):
        folder = fill(tmp_path / f"set{bad}", noise(2, 6, 6, 1), "{}.png")
        (folder / f"{bad}.png").write_text("x")
        data.pack(str(folder), tmp_path / f"{bad}.store", Config())
        rows = data.open_dataset(str(tmp_path / f"{bad}.store"))
        assert rows.names(np.arange(len(rows))) == [f"{1 - bad}.png"]


def test_a_damaged_parquet_file_is_told(tmp_path):
    path = tmp_path / "a.parquet"
    table(path, noise(4, 5, 5, 1), [0, 1, 0, 1])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AutoencodeError, match="Parquet"):
        data.load(str(path), Config())


def test_hugging_face_by_name(tmp_path):
    table(
        tmp_path / "owner" / "name" / "train-00000-of-00001.parquet",
        noise(6, 5, 5, 1),
        [0, 1] * 3,
        [*"abcdef"],
    )
    code = (
        "from autoencode import data, Config\n"
        "images = data.load('hf:owner/name', Config())\n"
        "print(len(images.train), len(images.test), images.shape)\n"
        "print(data.open_dataset('hf:owner/name').names(__import__('numpy').arange(6)))"
    )
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | offline,
    )
    assert done.stdout.split("\n")[-3:-1] == ["5 1 (5, 5, 1)", "['a', 'b', 'c', 'd', 'e', 'f']"]


@pytest.mark.parametrize(
    ("module", "source", "extra"),
    [("pyarrow", "a.parquet", "parquet"), ("datasets", "hf:a/b", "hf")],
)
def test_a_missing_extra_names_its_install_command(tmp_path, monkeypatch, module, source, extra):
    table(tmp_path / "a.parquet", noise(2, 5, 5, 1), [0, 1])
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(AutoencodeError, match=rf"pip install 'autoencode\[{extra}\]'"):
        data.load(source, Config())


def named(folder: Path, code: str) -> subprocess.CompletedProcess:
    variables = os.environ | {
        "KERAS_HOME": str(folder),
        "KERAS_BACKEND": "jax",
        "http_proxy": "",
        "https_proxy": "",
    }
    block = "import socket\ndef refuse(*a, **k): raise OSError('no network')\nsocket.getaddrinfo = refuse\n"
    words = [sys.executable, "-c", block + code]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=variables)


def test_a_named_set_comes_from_keras_cache_and_offline_says_where_to_put_it(tmp_path):
    code = "from autoencode import data\ni = data.load('fashion_mnist')\nprint(i.train.shape, i.test_labels.tolist())"
    folder = tmp_path / "datasets" / "fashion-mnist"
    missing = named(tmp_path, code)
    assert "fashion_mnist could not be downloaded" in missing.stderr
    assert str(tmp_path / "datasets") in missing.stderr
    assert "train-images-idx3-ubyte.gz" in missing.stderr
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 6), ("t10k", 2)):
        pixels = noise(count, 28, 28, 1)[..., 0]
        idx.write(pixels, folder / f"{part}-images-idx3-ubyte.gz")
        idx.write(np.arange(count, dtype="uint8"), folder / f"{part}-labels-idx1-ubyte.gz")
    found = named(tmp_path, code)
    assert found.stdout.strip() == "(6, 28, 28, 1) [0, 1]", found.stderr


# The packed store


def small_store(folder: Path) -> tuple[Path, Images]:
    path = folder / "s.store"
    pixels = noise(30, 5, 4, 3)
    images = Images(
        "noise", pixels, pixels[:7], np.arange(30), np.arange(7), tuple(map(str, range(30)))
    )
    data.pack(images, path, Config())
    return path, images


def test_a_store_reads_back_what_was_packed(tmp_path):
    path, images = small_store(tmp_path)
    found = data.load(str(path), Config())
    for part in ("train", "test", "train_labels", "test_labels"):
        np.testing.assert_array_equal(getattr(found, part), getattr(images, part))
    assert isinstance(found.train, np.memmap)
    assert [file.name for file in tmp_path.iterdir()] == ["s.store"]


@EACH
@given(drawn=st.data())
def test_any_damaged_byte_of_a_store_is_found(tmp_path, drawn):
    path = tmp_path / "s.store"
    if not path.exists():
        small_store(tmp_path)
    whole = path.read_bytes()
    place, flip = drawn.draw(st.integers(0, len(whole) - 1)), drawn.draw(st.integers(1, 255))
    other = tmp_path / "damaged.store"
    other.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
    try:
        np.testing.assert_array_equal(store.open_store(other).train, store.open_store(path).train)
        assert len(whole) - store.TAIL.size <= place  # only the tail has spare bytes
    except AutoencodeError as error:
        assert "store" in str(error)
    other.write_bytes(whole[:place])
    with pytest.raises(AutoencodeError):
        store.open_store(other)


def test_a_cut_off_packing_goes_on_where_it_was(tmp_path, monkeypatch):
    folder = fill(tmp_path / "set", noise(200, 6, 6, 1), "{:03}.png")
    (folder / "bad.png").write_text("x")
    data.pack(str(folder), tmp_path / "whole.store", Config())
    monkeypatch.setattr(store, "JOURNAL_SECONDS", 0)

    def stop(done, _):
        if done > 90:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.pack(str(folder), tmp_path / "cut.store", Config(), stop)
    assert not (tmp_path / "cut.store").exists()
    seen = []
    data.pack(str(folder), tmp_path / "cut.store", Config(), lambda done, total: seen.append(done))
    assert seen[0] > 90
    assert (tmp_path / "cut.store").read_bytes() == (tmp_path / "whole.store").read_bytes()


def test_a_set_too_large_for_memory_is_packed_into_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = fill(tmp_path / "set", noise(50, 6, 6, 1), "{:03}.png")
    expected = data.load(str(folder), Config())
    monkeypatch.setattr(loading, "MEMORY_SHARE", 0)
    packed, again = (data.load(str(folder), Config()) for _ in range(2))
    assert "packed into" in packed.notes[-1]
    assert "taken from" in again.notes[-1]
    np.testing.assert_array_equal(packed.train, expected.train)
    np.testing.assert_array_equal(again.test, expected.test)


def test_training_from_a_store_is_bit_for_bit_that_from_memory_in_the_same_order(
    tmp_path, monkeypatch
):
    pixels = noise(700, 6, 5, 1)
    images = Images("noise", pixels, pixels[:90])
    config = planning.complete(Config(epochs=3, batch_size=16, code=4))
    data.pack(images, tmp_path / "s.store", config)
    monkeypatch.setattr(batches, "NEIGHBOURS_BYTES", 4 * 30)
    # Nine windows an epoch, the last one not full.
    monkeypatch.setattr(batches, "WINDOW_BYTES", 5 * 16 * 30)

    def order(seed, number, count):
        rows = batches.grouped(seed, number, count, neighbours=4)
        windows = [rows[first : first + 80] for first in range(0, count, 80)]
        within = [
            batches.shuffled_window(seed, number, 80 * index, len(one))
            for index, one in enumerate(windows)
        ]
        return np.concatenate(
            [one[places] for one, places in zip(windows, within, strict=True)]
        ).astype(np.int32)

    assert sorted(order(0, 1, 700).tolist()) == list(range(700))
    engines.load("jax")

    def trained(source):
        build = partial(pipeline.assemble, config, (6, 5, 1), 700)
        engine = engines.start("jax", build, seed=0)
        epochs = [
            one for one in training.train(engine, source, config) if isinstance(one, training.Epoch)
        ]
        return [epoch.val_loss for epoch in epochs], engine.state()

    losses, weights = trained(store.open_store(tmp_path / "s.store"))
    monkeypatch.setattr(batches, "shuffled", order)
    others, other_weights = trained(images)
    assert losses == others
    assert all(
        np.array_equal(one, other) for one, other in zip(weights, other_weights, strict=True)
    )


@pytest.mark.parametrize("first", [0, 1, 700])
def test_neighbours_read_from_a_file_are_those_of_the_array(tmp_path, first):
    whole = noise(900, 7, 5, 3)
    np.save(tmp_path / "a.npy", whole)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")[first:]
    reader, found = Reader(mapped), np.empty((50, 7, 5, 3), np.uint8)
    reader.read(13, found)
    np.testing.assert_array_equal(found, whole[first + 13 : first + 63])
    os.truncate(tmp_path / "a.npy", 1000)
    with pytest.raises(AutoencodeError, match="ends before its last image"):
        reader.read(100, found)
    (tmp_path / "a.npy").unlink()
    with pytest.raises(AutoencodeError, match=r"a\.npy cannot be read any more \(No such file"):
        Reader(mapped)


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


def test_pca_by_iteration_is_the_exact_one(monkeypatch):
    from sklearn.decomposition import PCA

    pixels = data.load("mnist").train[:3000]
    exact = metrics.pca_error(pixels, pixels[:500], 16)
    monkeypatch.setattr(metrics, "EXACT", 0)
    assert metrics.pca_error(pixels, pixels[:500], 16) == pytest.approx(exact, rel=2e-4)
    flat = pixels.reshape(3000, -1) / 255
    model = PCA(16, svd_solver="full").fit(flat)
    redrawn = model.inverse_transform(model.transform(flat[:500]))
    assert exact == pytest.approx(float(np.square(redrawn - flat[:500]).mean()), rel=1e-5)


# From end to end


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "autoencode", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
    )


@pytest.mark.parametrize("engine", ["jax", "tensorflow", "torch"])
@pytest.mark.parametrize(("height", "width", "channels"), [(23, 17, 3), (9, 1, 1)])
def test_a_folder_of_pictures_trains(tmp_path, height, width, channels, engine):
    fill(tmp_path / "pics", noise(60, height, width, channels))
    (tmp_path / "pics" / "bad.png").write_text("x")
    words = (
        "--epochs",
        "2",
        "--batch-size",
        "16",
        "--code",
        "3",
        "--engine",
        engine,
        "--run",
        "run",
    )
    done = command("train", "pics", *words, cwd=tmp_path)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert engine != "jax" or done.stderr == ""
    run = runs.Run.open(tmp_path / "run")
    assert run.record["engine"] == engine
    assert run.record["images"]["shape"] == [height, width, channels]
    assert (
        tmp_path / "run" / "skipped.txt"
    ).read_text() == "bad.png\tit is not a picture of a known format\n"
    assert "bad.png: it is not a picture" in done.stdout
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"{width} x {height}" in page


def test_look_and_pack_from_the_command_line(tmp_path):
    pixels = noise(20, 12, 9, 3)
    pixels[3] = pixels[4]
    fill(tmp_path / "pics", pixels)
    looked = command("look", "pics", cwd=tmp_path)
    assert looked.stderr == ""
    assert "18 images to train, 2 to test" in looked.stdout
    assert "most common: 9x12 (20)" in looked.stdout
    assert "1 images are copies" in looked.stdout
    with Image.open(tmp_path / "look-pics" / "contact-sheet.png") as sheet:
        assert sheet.mode == "RGB"
    packed = command("pack", "pics", "pics.store", "--size", "6", cwd=tmp_path)
    assert "20 images of 6x6, rgb, in pics.store" in packed.stdout
    again = command("pack", "pics", "pics.store", cwd=tmp_path)
    assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
    trained = command(
        "train",
        "pics.store",
        "--epochs",
        "1",
        "--batch-size",
        "8",
        "--json",
        "--run",
        "run",
        cwd=tmp_path,
    )
    assert json.loads(trained.stdout)["epoch"] == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", b"PK\x03\x04 and no more"),
        ("a.tar.gz", gzip.compress(b"no archive", mtime=0)),
        ("a.tar", b"no archive"),
        ("a.npy", b"\x93NUMPY\x01\x00"),
        ("a.npz", b"PK\x03\x04"),
        ("a.parquet", b"PAR1PAR1"),
        ("a.store", b"autoencode-store\x01\x00\x00\x00"),
        ("a.bin", b"anything"),
        ("a-ubyte", b"\x00\x00\x08\x03\x00\x00"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AutoencodeError) as told:
        data.load(str(tmp_path / name), Config())
    assert len(str(told.value).splitlines()) == 1
    assert name.split(".")[0] in str(told.value)


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


def test_a_lone_picture_is_packed_once(tmp_path):
    Image.fromarray(np.arange(64, dtype="uint8").reshape(8, 8)).save(tmp_path / "one.png")
    done = subprocess.run(
        [sys.executable, "-m", "autoencode", "pack", "one.png", "one.store"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1].startswith("1 image of 8x8, grey, in one.store")
    images = data.load(tmp_path / "one.store", Config())
    assert images.train is images.test
    np.testing.assert_array_equal(images.train[0, ..., 0], np.arange(64).reshape(8, 8))
    assert len(data.as_dataset(images)) == 1


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
