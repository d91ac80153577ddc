"""What folders say of splits and classes: each line of docs/datasets.md as a case."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_pictures import CONTAINERS, TEST, TRAIN, VALIDATION, plant, told

from autoencode import data
from autoencode.data import layout

# By what is tested: the path of each picture, its split and its class.
LAYOUTS = {
    "three splits": {
        "train/cat/1.png": (TRAIN, "cat"),
        "train/dog/2.png": (TRAIN, "dog"),
        "val/cat/3.png": (VALIDATION, "cat"),
        "test/dog/4.png": (TEST, "dog"),
    },
    "other words, in any case": {
        "Training/cat/1.png": (TRAIN, "cat"),
        "VALID/dog/2.png": (VALIDATION, "dog"),
        "Testing/dog/3.png": (TEST, "dog"),
    },
    "dev": {"train/1.png": (TRAIN, None), "dev/2.png": (VALIDATION, None)},
    "words with others": {
        "train_set/a/1.png": (TRAIN, "a"),
        "validation_set/b/1.png": (VALIDATION, "b"),
        "test_set/b/2.png": (TEST, "b"),
    },
    "numbers of years": {
        "train2017/1.png": (TRAIN, None),
        "val2017/2.png": (VALIDATION, None),
        "test2017/2.png": (TEST, None),
    },
    "doubled folders": {
        "seg_train/seg_train/sea/1.png": (TRAIN, "sea"),
        "seg_train/seg_train/street/2.png": (TRAIN, "street"),
        "seg_test/seg_test/sea/3.png": (TEST, "sea"),
    },
    "doubled folders without classes": {
        "seg_train/seg_train/1.png": (TRAIN, None),
        "seg_test/seg_test/2.png": (TEST, None),
    },
    "a class called train": {
        "bus/1.png": (None, "bus"),
        "car/2.png": (None, "car"),
        "train/3.png": (None, "train"),
    },
    "a class called test within splits": {
        "train/test/1.png": (TRAIN, "test"),
        "train/other/2.png": (TRAIN, "other"),
        "val/test/3.png": (VALIDATION, "test"),
        "val/other/4.png": (VALIDATION, "other"),
    },
    "a test tube is a class": {
        "test_tube/1.png": (None, "test_tube"),
        "train_station/2.png": (None, "train_station"),
    },
    "classes above splits": {
        "good/train/1.png": (TRAIN, "good"),
        "good/test/2.png": (TEST, "good"),
        "bad/train/3.png": (TRAIN, "bad"),
        "bad/test/4.png": (TEST, "bad"),
    },
    "a folder around all": {
        "archive/train/cat/1.png": (TRAIN, "cat"),
        "archive/train/dog/1.png": (TRAIN, "dog"),
        "archive/test/cat/1.png": (TEST, "cat"),
    },
    "two splits beside something else": {
        "train/a/1.png": (TRAIN, "a"),
        "train/b/1.png": (TRAIN, "b"),
        "test/a/1.png": (TEST, "a"),
        "extra/1.png": (None, "extra"),
    },
    "tiny imagenet": {
        "train/n01/images/n01_0.JPEG": (TRAIN, "n01"),
        "train/n02/images/n02_0.JPEG": (TRAIN, "n02"),
        "val/images/val_0.JPEG": (VALIDATION, None),
        "test/images/test_0.JPEG": (TEST, None),
    },
    "the last folder that differs": {
        "animals/cat/tabby/1.png": (None, "tabby"),
        "animals/cat/manx/2.png": (None, "manx"),
        "animals/dog/pug/3.png": (None, "pug"),
    },
    "loose pictures": {
        "cat/1.png": (None, "cat"),
        "dog/2.png": (None, "dog"),
        "3.png": (None, None),
    },
    "loose pictures alone": {"1.png": (None, None), "2.png": (None, None)},
    "loose pictures beside splits": {
        "train/cat/1.png": (TRAIN, "cat"),
        "train/dog/1.png": (TRAIN, "dog"),
        "test/cat/1.png": (TEST, "cat"),
        "cover.png": (None, None),
    },
    "loose pictures within a split": {
        "train/cat/1.png": (TRAIN, "cat"),
        "train/dog/1.png": (TRAIN, "dog"),
        "train/2.png": (TRAIN, None),
        "test/cat/1.png": (TEST, "cat"),
    },
}


def without_lone_class(expected: dict) -> dict:
    """One class alone tells nothing apart, and becomes no label."""
    classes = {label for _, label in expected.values()} - {None}
    return (
        expected
        if len(classes) > 1
        else {name: (split, None) for name, (split, _) in expected.items()}
    )


@pytest.mark.parametrize("name", LAYOUTS)
def test_paths_tell_split_and_class(name):
    expected = LAYOUTS[name]
    places = layout.read_path_labels([tuple(path.split("/")) for path in expected])
    found = {path: (place.split, place.label) for path, place in zip(expected, places, strict=True)}
    assert without_lone_class(found) == without_lone_class(expected)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_container_tells_the_same(tmp_path, name, container):
    expected = without_lone_class(LAYOUTS[name])
    found = told(data.open_dataset(CONTAINERS[container](tmp_path, expected)))
    if container == "list":  # paths are told from the folder that all are in
        top = os.path.commonpath([os.path.dirname(path) for path in expected])
        expected = {os.path.relpath(path, top or "."): place for path, place in expected.items()}
    assert found == expected


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", TRAIN),
        ("Training", TRAIN),
        ("seg_train", TRAIN),
        ("train_set", TRAIN),
        ("train-00000-of-00002", TRAIN),
        ("train_images", TRAIN),
        ("images-train", TRAIN),
        ("val", VALIDATION),
        ("valid", VALIDATION),
        ("validation", VALIDATION),
        ("dev", VALIDATION),
        ("val2017", VALIDATION),
        ("validation-00000-of-00001", VALIDATION),
        ("TEST", TEST),
        ("testing", TEST),
        ("test-0000", TEST),
        ("test_tube", None),
        ("train_station", None),
        ("contest", None),
        ("train_test", None),
        ("0000", None),
        ("", None),
    ],
)
def test_words_of_splits(name, split):
    assert layout.split_word(name) == split


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.sampled_from(["train", "test", "val", "a", "b", "images", "masks"]), max_size=4
        ).map(tuple),
        min_size=1,
        max_size=12,
    )
)
def test_the_order_of_paths_changes_nothing(folders):
    paths = [(*folder, f"{index}.png") for index, folder in enumerate(folders)]
    places = dict(zip(paths, layout.read_path_labels(paths), strict=True))
    masks = dict(zip(paths, layout.find_masks(paths), strict=True))
    turned = paths[::-1]
    assert dict(zip(turned, layout.read_path_labels(turned), strict=True)) == places
    assert dict(zip(turned, layout.find_masks(turned), strict=True)) == masks
    for path, place in places.items():
        assert place.label is None or place.label in path
        assert place.split is None or any(
            layout.split_word(name) == place.split for name in path[:-1]
        )


def test_a_stray_file_or_link_takes_no_labels(tmp_path):
    top = plant(tmp_path / "set", ["cat/1.png", "cat/2.png", "dog/3.png"])
    (tmp_path / "elsewhere").mkdir()
    plant(tmp_path / "elsewhere", ["4.png"])
    (top / "notes.txt").write_text("x")
    (top / "labels.csv").write_text("path,label\ncat/1.png,tiger\n")
    os.symlink(tmp_path / "elsewhere" / "4.png", top / "link.png")
    found = told(data.open_dataset(top))
    assert found == {
        "cat/1.png": (None, "cat"),
        "cat/2.png": (None, "cat"),
        "dog/3.png": (None, "dog"),
        "link.png": (None, None),
    }
    images = data.load(top)
    labels = np.concatenate([images.train_labels, images.test_labels])
    assert sorted(labels.tolist()) == [-1, 0, 0, 1]
    assert images.classes == ("cat", "dog")


def test_a_link_to_a_folder_is_a_class_and_one_back_is_not(tmp_path):
    top = plant(tmp_path / "set", ["cat/1.png"])
    plant(tmp_path / "kept", ["pug/2.png"])
    os.symlink(tmp_path / "kept" / "pug", top / "dog")
    os.symlink(top, top / "cat" / "again")
    found = data.open_dataset(top)
    assert told(found) == {"cat/1.png": (None, "cat"), "dog/2.png": (None, "dog")}
    assert [str(one) for one in found.unused] == [
        "links to folders that are read already: 1 (again)"
    ]
