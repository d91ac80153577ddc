"""Which images are for training and which for testing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autoencode.config import DataConfig
from autoencode.data.dataset import Dataset
from autoencode.errors import AutoencodeError
from autoencode.images import Skipped, Unused

# Share of the images of a source without test images of its own.
TEST_SHARE = 0.1
MAX_TEST = 10_000


@dataclass(frozen=True)
class Split:
    """The ascending indices of training and test images, how they were parted, and what was
    skipped by that.
    """

    train: np.ndarray
    test: np.ndarray
    note: str
    unused: tuple[Unused, ...] = ()


def split_dataset(dataset: Dataset, config: DataConfig) -> Split:
    """Return which images are for training and which for testing.

    Where the source has both, these are kept; its validation images are joined to one of
    them or dropped, as `config.validation` says. Without test images, its validation images are
    those; without any, a tenth, 10,000 at the most, is drawn by `config.split_seed`.
    """
    parts = dataset.splits()
    train = parts.get("train", np.empty(0, int))
    validation = parts.get("validation", np.empty(0, int))
    test = parts.get("test", np.empty(0, int))
    outside = np.setdiff1d(
        np.arange(len(dataset)), np.concatenate([train, validation, test]), assume_unique=True
    )

    if len(train) and len(test):
        return _keep_parts(train, validation, test, outside, config.validation)
    if len(train) and len(validation):
        unused = _describe_outside(outside)
        return Split(
            train,
            validation,
            "the validation images are the test images, as the source has no others",
            unused,
        )
    return _draw_test(len(dataset), config.split_seed)


def _keep_parts(
    train: np.ndarray, validation: np.ndarray, test: np.ndarray, outside: np.ndarray, how: str
) -> Split:
    note = "train and test are the source's own"
    unused = _describe_outside(outside)
    if len(validation):
        count = f"{len(validation):,} validation images"
        if how == "join":
            train = np.sort(np.concatenate([train, validation]))
            note += f"; {count} are joined to the training images (`validation=test` or drop)"
        elif how == "test":
            test = np.sort(np.concatenate([test, validation]))
            note += f"; {count} are joined to the test images"
        else:
            unused += (Unused("validation images (`validation=drop`)", len(validation)),)
            note += f"; {count} are not used"
    return Split(train, test, note, unused)


def _describe_outside(outside: np.ndarray) -> tuple[Unused, ...]:
    if not len(outside):
        return ()
    return (Unused("images outside the folders for training and test", len(outside)),)


def _draw_test(count: int, seed: int) -> Split:
    if count == 1:
        only = np.array([0])
        return Split(only, only, "one image is both trained on and tested on")
    size = min(max(1, round(count * TEST_SHARE)), MAX_TEST)
    test = np.sort(np.random.default_rng(seed).permutation(count)[:size])
    train = np.setdiff1d(np.arange(count), test, assume_unique=True)
    return Split(
        train, test, f"{size:,} of {count:,} images drawn for testing by split seed {seed}"
    )


def recut_counts(counts: Mapping[str, int]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Where every picture of one part was skipped, the last tenth of the other becomes the test
    images.
    """
    if all(counts.values()):
        return dict(counts), ()
    total = sum(counts.values())
    if total == 1:
        return {"train": 1, "test": 1}, (
            "the one image that can be read is both trained on and tested on",
        )
    test = max(1, round(total * TEST_SHARE))
    return {"train": total - test, "test": test}, (
        f"the last {test:,} of {total:,} images that can be read test",
    )


def recut_arrays(
    arrays: dict[str, np.ndarray], labels: dict[str, np.ndarray], counts: Mapping[str, int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return images and labels by part, cut again into parts of `counts` images."""
    images = np.concatenate(list(arrays.values()))
    if len(images) == 1:
        arrays = {"train": images, "test": images}
    else:
        arrays = {
            "train": images[: counts["train"]],
            "test": images[len(images) - counts["test"] :],
        }
    if labels:
        joined = np.concatenate(list(labels.values()))
        labels = {
            "train_labels": joined[: counts["train"]],
            "test_labels": joined[-counts["test"] :],
        }
    return arrays, labels


def check_any_readable(
    dataset: Dataset, kept: Mapping[str, np.ndarray], skipped: Sequence[Skipped]
) -> None:
    """Raise `AutoencodeError` where no image was `kept`, with the first that was skipped."""
    if not any(len(indices) for indices in kept.values()):
        raise AutoencodeError(
            f"{dataset.name} holds no picture that can be read; {skipped[0].name}: "
            f"{skipped[0].reason}."
        )
