"""Training, validation and test images: by folders, names, columns, shards and tables."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from planted_pictures import PNG, TEST, TRAIN, as_tar, plant, told

from autoencode import Config, data
from autoencode.data.choice import choose_plan


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
