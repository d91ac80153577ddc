"""The packed store: packed, read back, damaged, cut off, and trained from."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_pictures import EACH, content, fill, noise, picture

from autoencode import AutoencodeError, Config, Images, data, engines, pipeline, training
from autoencode.data import loading, store
from autoencode.system.memmap import Reader
from autoencode.training import batches, planning


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
    config = planning.resolve(Config(epochs=3, batch_size=16, code=4))
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
