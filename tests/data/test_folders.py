"""Folders and archives of pictures: sizes, splits, classes, and what is skipped."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_pictures import content, fill, noise, picture

from autoencode import AutoencodeError, Config, UsageError, data, metrics
from autoencode.data import preprocessing


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
