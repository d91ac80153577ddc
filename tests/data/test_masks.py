"""Which pictures are masks of others: each line of docs/datasets.md as a case."""

import pytest
from planted_pictures import CONTAINERS, told

from autoencode import Config, data
from autoencode.data import layout

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
