"""What the folders of a source say: which pictures are for training, validation or test, their
classes, and masks.

Works on relative paths alone, whatever holds them: a folder, an archive, a table. Two rules decide.
A folder is a split where its name is a split's word and its siblings are splits too; beside other
folders it is a class. And a folder is a class where not all pictures lie in folders of that
name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

SPLITS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
}
# What may stand beside such a word in the name of a folder or an array: seg_train, train_set,
# images-test.
NEUTRAL = {
    "data", "dataset", "image", "images", "img", "imgs", "part", "photos", "picture", "pictures",
    "samples", "seg", "set", "split", "x",
}  # fmt: skip
MASKS = {"mask", "masks"}
GROUND_TRUTH = {"ground_truth", "groundtruth"}
MASK_ENDINGS = ("_mask", "-mask", "_segmentation")

Path = tuple[str, ...]


@dataclass(frozen=True)
class PathLabels:
    """What the folders say of one picture: its split and its class.

    The split is train, validation or test; either is None where the folders do not say.
    """

    split: str | None = None
    label: str | None = None


def split_word(name: str) -> str | None:
    """Return the split that `name`, of a folder, a file without its ending or an array, stands for.

    >>> split_word("seg_train"), split_word("val2017"), split_word("test_tube")
    ('train', 'validation', None)
    >>> split_word("test-00000-of-00001")
    'test'
    """
    words = _words(name)
    found = [SPLITS[word] for word in words if word in SPLITS]
    others = [word for word in words if word not in SPLITS and word not in NEUTRAL]
    return found[0] if len(found) == 1 and not others else None


def _words(name: str) -> list[str]:
    """The words of a name; numbers do not count."""
    return [word for word in re.findall(r"[^\W\d_]+", name.lower()) if word != "of"]


def find_masks(paths: Sequence[Path]) -> list[bool]:
    """Return which of the pictures at `paths` are masks of others.

    Those are the pictures in a folder called ground_truth; those in a folder called mask or masks
    that have a picture of the same name without the folder's name, or in a folder
    of images; and NAME_mask beside NAME.

    >>> find_masks([("a", "1.png"), ("a", "1_mask.png"), ("masks", "1.png")])
    [False, True, False]
    """
    if not any(_may_be_mask(name) for name in {name for path in paths for name in path}):
        return [False] * len(paths)

    stems = [(*path[:-1], _stem(path[-1])) for path in paths]
    is_truth = [any(folder.lower() in GROUND_TRUTH for folder in path[:-1]) for path in paths]
    if not all(is_truth):
        others = {stem for stem, truth in zip(stems, is_truth, strict=True) if not truth}
    else:
        return [False] * len(paths)

    by_parent = _siblings(paths)
    return [
        truth or _is_beside(stem, others) or _is_in_masks(stem, others, by_parent)
        for stem, truth in zip(stems, is_truth, strict=True)
    ]


def _may_be_mask(name: str) -> bool:
    lower = name.lower()
    return "mask" in lower or "segmentation" in lower or lower in GROUND_TRUTH


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _without_mask(stem: str) -> str:
    for ending in MASK_ENDINGS:
        if stem.lower().endswith(ending):
            return stem[: -len(ending)]
    return stem


def _is_beside(stem: Path, others: set[Path]) -> bool:
    plain = _without_mask(stem[-1])
    return plain != stem[-1] and (*stem[:-1], plain) in others


def _is_in_masks(stem: Path, others: set[Path], by_parent: dict[Path, set[str]]) -> bool:
    for depth, folder in enumerate(stem[:-1]):
        words = _words(folder)
        if not MASKS.intersection(words):
            continue
        kept = [word for word in words if word not in MASKS]
        if any(word not in SPLITS and word not in NEUTRAL for word in kept):
            continue

        below = (*stem[depth + 1 : -1], _without_mask(stem[-1]))
        above = stem[:depth]
        if not kept and (*above, *below) in others:
            return True
        for sibling in by_parent[above]:
            fits = _words(sibling) == kept if kept else set(_words(sibling)) <= NEUTRAL
            if sibling != folder and fits and (*above, sibling, *below) in others:
                return True
    return False


def _siblings(paths: Sequence[Path]) -> dict[Path, set[str]]:
    """The names of the folders in every folder that lead to pictures."""
    found: dict[Path, set[str]] = defaultdict(set)
    folders = {path[:-1] for path in paths}
    for folder in folders:
        for depth in range(len(folder)):
            found[folder[:depth]].add(folder[depth])
    return found


def read_path_labels(paths: Sequence[Path]) -> list[PathLabels]:
    """Return what the folders of all pictures, at relative `paths`, say of each.

    >>> paths = [("bus", "1.png"), ("train", "1.png"), ("2.png",)]
    >>> [labels.label for labels in read_path_labels(paths)]
    ['bus', 'train', None]
    >>> read_path_labels([("train", "cat", "1.png"), ("val", "dog", "1.png")])[1]
    PathLabels(split='validation', label='dog')
    """
    siblings = _siblings(paths)
    known: dict[Path, tuple[str | None, Path]] = {}
    for folder in {path[:-1] for path in paths}:
        known[folder] = _read_folder(folder, siblings)

    labels = _name_classes({folder: own for folder, (_, own) in known.items()}, paths)
    return [PathLabels(known[path[:-1]][0], labels[path[:-1]]) for path in paths]


def _read_folder(folder: Path, siblings: dict[Path, set[str]]) -> tuple[str | None, Path]:
    """The split of a folder, and the names on the way to it that are no split's."""
    split = None
    own = []
    for depth, name in enumerate(folder):
        word = split_word(name)
        if word is None:
            own.append(name)
        elif split is None and _are_splits(siblings[folder[:depth]]):
            split = word
        # The folders seg_train/seg_train are one.
        elif not (word == split and siblings[folder[:depth]] == {name}):
            own.append(name)
    return split, tuple(own)


def _are_splits(names: set[str]) -> bool:
    """Whether sibling folders are splits: all of them, or two splits beside something else."""
    words = [split_word(name) for name in names]
    return None not in words or len(set(words) - {None}) >= 2


def _name_classes(own: dict[Path, Path], paths: Sequence[Path]) -> dict[Path, str | None]:
    """The class of every folder: the last of its `own` names that differs among pictures."""
    left = dict(own)
    while True:
        last = Counter(names[-1] for names in left.values() if names)
        has_more = any(len(names) > 1 for names in left.values())
        if len(last) != 1 or not has_more:
            break
        left = {folder: names[:-1] for folder, names in left.items()}
    return {folder: names[-1] if names else None for folder, names in left.items()}
