"""What folders and names say of splits, labels and masks: each line of the tables in docs/datasets.md as a case."""

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from autoencode import Config, data
from autoencode.data import layout
from autoencode.data.choice import choose_plan

TRAIN, VALIDATION, TEST = "train", "validation", "test"

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

PNG = io.BytesIO()
Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5) * 12).save(PNG, "PNG")
PNG = PNG.getvalue()


def plant(top: Path, names: object) -> Path:
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    return top


def as_zip(top: Path, names: object) -> Path:
    path = top / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, PNG)
    return path


def as_tar(top: Path, names: object) -> Path:
    path = top / "set.tar"
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(PNG)
            archive.addfile(member, io.BytesIO(PNG))
    return path


def as_list(top: Path, names: object) -> list[Path]:
    plant(top / "set", names)
    return [top / "set" / name for name in names]


def as_folder(top: Path, names: object) -> Path:
    return plant(top / "set", names)


CONTAINERS = {"folder": as_folder, "zip": as_zip, "tar": as_tar, "list": as_list}


def told(dataset: object) -> dict[str, tuple[str | None, str | None]]:
    """Split and class of every image of a dataset by its name."""
    everything = np.arange(len(dataset))
    splits = {
        index: split for split, indices in dataset.splits().items() for index in indices.tolist()
    }
    labels, classes = dataset.labels({"all": everything})
    numbers = labels["all_labels"].tolist() if labels else [-1] * len(dataset)
    return {
        name: (splits.get(index), classes[number] if number >= 0 else None)
        for index, (name, number) in enumerate(zip(dataset.names(everything), numbers, strict=True))
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


# Training, validation and test


def counts(source: object, **options: object) -> tuple[int, int, int]:
    images = data.load(source, Config(**options))
    unused = [one.count for one in images.unused if "validation" in one.why or "outside" in one.why]
    return len(images.train), len(images.test), sum(unused)


PARTS = ["train/1.png", "train/2.png", "train/3.png", "val/4.png", "val/5.png", "test/6.png"]


@pytest.mark.parametrize(
    ("how", "expected"), [("join", (5, 1, 0)), ("test", (3, 3, 0)), ("drop", (3, 1, 2))]
)
def test_validation_beside_test_goes_where_it_is_told(tmp_path, how, expected):
    assert counts(plant(tmp_path, PARTS), validation=how) == expected


def test_validation_alone_is_the_test_part(tmp_path):
    assert counts(plant(tmp_path, PARTS[:5])) == (3, 2, 0)


def test_pictures_outside_of_the_folders_for_training_and_test_are_unused(tmp_path):
    assert counts(plant(tmp_path, [*PARTS, "cover.png", "more/1.png"])) == (5, 1, 2)


def test_without_parts_a_tenth_is_drawn_by_the_seed(tmp_path):
    source = plant(tmp_path, [f"{index:02}.png" for index in range(40)])
    assert counts(source) == (36, 4, 0)
    drawn = [
        choose_plan(data.open_dataset(source), Config(split_seed=seed)).test.tolist()
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("x_train", "x_val", "x_test"), (6 + 2, 3, 0)),
        (("train_images", "val_images", "test_images"), (6 + 2, 3, 0)),
        (("X_Train", "X_Val", "X_Test"), (6 + 2, 3, 0)),
        (("train", "validation", "test"), (6 + 2, 3, 0)),
        (("x_train", "x_val", "other"), (6, 2, 0)),
    ],
)
def test_names_of_arrays_tell_parts(tmp_path, names, expected):
    sizes = (6, 2, 3)
    arrays = {
        name: np.random.default_rng(size).integers(0, 256, (size, 5, 5), "uint8")
        for name, size in zip(names, sizes, strict=True)
    }
    np.savez(tmp_path / "a.npz", **arrays)
    for source in (tmp_path / "a.npz", arrays):
        assert counts(source) == expected
        notes = [note for note in data.load(source).notes if "not used" in note]
        assert len(notes) == ("other" in names)
        assert all("other not used" in note for note in notes)


def test_a_column_tells_parts(tmp_path):
    plant(tmp_path, [f"{index}.png" for index in range(6)])
    words = ["train", "Training", "val", "test", "testing", "train"]
    lines = ["filename,split", *(f"{index}.png,{word}" for index, word in enumerate(words))]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    assert counts(tmp_path / "table.csv", validation="drop") == (3, 2, 1)


# Shards and tables


def test_names_of_shards_tell_parts_and_never_classes(tmp_path):
    for name, count in (("train-0000.tar", 3), ("train-0001.tar", 2), ("test-0000.tar", 4)):
        folder = tmp_path / name.split(".")[0]
        folder.mkdir()
        as_tar(folder, [f"{index % 2}/{index}.png" for index in range(count)])
        os.rename(folder / "set.tar", tmp_path / name)
        folder.rmdir()
    assert counts(tmp_path) == (5, 4, 0)
    found = told(data.open_dataset(tmp_path))
    assert found["train-0001/1/1.png"] == (TRAIN, "1")
    assert found["test-0000/0/2.png"] == (TEST, "0")


def test_one_tar_of_folders_called_by_shards(tmp_path):
    source = as_tar(tmp_path, ["set/train/a/1.png", "set/train/b/1.png", "set/test/a/2.png"])
    assert counts(source) == (2, 1, 0)


CLASS_NAMES = {
    b"huggingface": json.dumps(
        {
            "info": {
                "features": {
                    "image": {"_type": "Image"},
                    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
                }
            }
        }
    ).encode()
}


def write_parquet(path: Path, labels: list, metadata: dict | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    held = [
        {"bytes": PNG, "path": f"{path.parent.name}-{path.stem}-{index}.png"}
        for index in range(len(labels))
    ]
    table = pyarrow.table({"image": held, "label": labels})
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("data/train-00000-of-00001", "data/validation-00000-of-00001", "data/test-00000-of-00001"),
        ("train/0000", "validation/0000", "test/0000"),
        ("default/train/0000", "default/validation/0000", "default/test/0000"),
        ("train", "valid", "test"),
    ],
)
def test_names_of_parquet_files_or_their_folders_tell_parts(tmp_path, train, validation, test):
    for name, count in ((train, 4), (validation, 3), (test, 2)):
        write_parquet(tmp_path / f"{name}.parquet", [0, 1, 0, 1][:count])
    assert counts(tmp_path, validation="drop") == (4, 2, 3)


def test_class_names_come_out_of_the_metadata_of_parquet(tmp_path):
    write_parquet(tmp_path / "train-00000-of-00001.parquet", [1, 0, 1, -1, None], CLASS_NAMES)
    write_parquet(tmp_path / "test-00000-of-00001.parquet", [0, -1], CLASS_NAMES)
    images = data.load(tmp_path)
    assert images.classes == ("cat", "dog")
    assert images.train_labels.tolist() == [1, 0, 1, -1, -1]
    assert images.test_labels.tolist() == [0, -1]


def test_numbers_without_names_are_their_own_classes(tmp_path):
    write_parquet(tmp_path / "a.parquet", [3, 7, 3, 11] * 5)
    images = data.load(tmp_path / "a.parquet")
    assert images.classes == ("3", "7", "11")
    assert (
        sorted(np.concatenate([images.train_labels, images.test_labels]).tolist())
        == [0] * 10 + [1] * 5 + [2] * 5
    )


# Masks

# By what is tested: the path of each picture, and whether it is a mask of another.
MASKS = {
    "ground_truth": {
        "train/good/1.png": False,
        "test/broken/1.png": False,
        "ground_truth/broken/1_mask.png": True,
        "ground_truth/broken/without_counterpart.png": True,
    },
    "ground_truth alone": {"ground_truth/broken/1.png": False, "ground_truth/bent/2.png": False},
    "masks with counterparts": {
        "images/1.png": False,
        "images/2.png": False,
        "masks/1.png": True,
        "masks/without_counterpart.png": False,
    },
    "masks of another format": {"images/1.jpg": False, "masks/1.png": True},
    "masks in a folder within": {"cat/1.png": False, "cat/masks/1.png": True},
    "classes below images and masks": {
        "images/a/1.png": False,
        "images/b/1.png": False,
        "masks/a/1.png": True,
        "masks/b/1.png": True,
    },
    "splits below": {
        "train/images/1.png": False,
        "train/masks/1.png": True,
        "test/images/2.png": False,
    },
    "splits in the names of folders": {
        "train/1.png": False,
        "train_masks/1.png": True,
        "train_masks/1_mask.png": True,
        "test/2.png": False,
    },
    "masks with an ending": {"train/1.png": False, "train_masks/1_mask.gif": True},
    "beside": {
        "a/1.png": False,
        "a/1_mask.png": True,
        "a/2-mask.png": False,
        "a/3.jpg": False,
        "a/3-mask.png": True,
        "a/4.jpg": False,
        "a/4_segmentation.png": True,
    },
    "without a counterpart beside": {"a/1.png": False, "b/1_mask.png": False},
    "faces with and without a mask": {
        "mask/1.png": False,
        "mask/2.png": False,
        "no_mask/1.png": False,
        "no_mask/2.png": False,
    },
    "with_mask and without_mask": {"with_mask/1.png": False, "without_mask/1.png": False},
    "a class whose name holds the word": {"face/1.png": False, "face_mask/1.png": False},
    "masks alone": {"masks/1.png": False, "masks/2.png": False},
    "a class of masks within splits": {
        "train/mask/1.png": False,
        "train/hat/1.png": False,
        "test/mask/1.png": False,
        "test/hat/1.png": False,
    },
}


@pytest.mark.parametrize("name", MASKS)
def test_paths_tell_masks(name):
    expected = MASKS[name]
    found = layout.find_masks([tuple(path.split("/")) for path in expected])
    assert dict(zip(expected, found, strict=True)) == expected


@pytest.mark.parametrize("container", ["folder", "zip", "tar"])
@pytest.mark.parametrize("name", MASKS)
def test_masks_are_unused_unless_they_are_asked_for(tmp_path, name, container):
    expected = MASKS[name]
    source = CONTAINERS[container](tmp_path, expected)
    taken = [path for path, is_mask in expected.items() if not is_mask]
    assert sorted(told(data.open_dataset(source))) == sorted(taken)
    images = data.load(source)
    masks = [one.count for one in images.unused if "masks" in one.why]
    assert sum(masks) == len(expected) - len(taken)
    assert sorted(told(data.open_dataset(source, Config(include_masks=True)))) == sorted(expected)
