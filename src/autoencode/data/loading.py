"""From a dataset to images: shape and range chosen, training and test apart, in memory or in a packed store."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autoencode.config import DataConfig, cache_folder
from autoencode.data import preprocessing, store
from autoencode.data.dataset import ArrayDataset, Dataset, Progress, check_strict
from autoencode.data.decode import Plan
from autoencode.data.open import Source, changes_no_pixel, open_dataset
from autoencode.data.pictures import describe_nothing
from autoencode.errors import AutoencodeError
from autoencode.images import Images, Skipped, Unused, evenly

LOOKED_AT = 200  # images that decide size and colour
TEST_SHARE = 0.1  # of a source without test images of its own
MAX_TEST = 10_000
PROBED = "the images looked at had"
MEMORY_SHARE = 0.25  # of the machine's memory; a larger set is packed into the cache


@dataclass(frozen=True)
class Split:
    """The ascending indices of training and test images, how they were parted, and what was left out by that."""

    train: np.ndarray
    test: np.ndarray
    note: str
    unused: tuple[Unused, ...] = ()


@dataclass(frozen=True)
class Choice:
    """What is to be done with a dataset: the plan for each image, the split, and what was chosen without being asked.

    `source_size` is the median width and height of the images as they are stored, in pixels.
    """

    plan: Plan
    split: Split
    notes: tuple[str, ...] = ()
    source_size: tuple[int, int] | None = None

    @property
    def train(self) -> np.ndarray:
        """The indices of the training images."""
        return self.split.train

    @property
    def test(self) -> np.ndarray:
        """The indices of the test images."""
        return self.split.test

    @property
    def bytes(self) -> int:
        """Of all images, as uint8."""
        return (len(self.train) + len(self.test)) * int(np.prod(self.plan.shape))


def choose(dataset: Dataset, config: DataConfig) -> Choice:
    """Look at `dataset` and decide; raise `AutoencodeError` where there is nothing to train on."""
    looked = preprocessing.look_plan(config)
    probes = dataset.sample(evenly(len(dataset), LOOKED_AT), looked) if len(dataset) else []
    probes = probes or dataset.sample(range(len(dataset)), looked)
    if not probes:
        raise describe_nothing(dataset, looked)

    (height, width, channels), notes = preprocessing.choose_shape(probes, config)
    scale, said = dataset.choose_scale(config.range, looked, probes)
    plan = replace(looked, height=height, width=width, channels=channels, scale=scale)

    split = split_dataset(dataset, config)
    width, height = preprocessing.median_size(probes)
    source_size = (round(width), round(height))
    return Choice(plan, split, (*dataset.notes, *notes, *said, split.note), source_size)


def split_dataset(dataset: Dataset, config: DataConfig) -> Split:
    """Return which images are for training and which for testing.

    Where the source tells both apart, these are kept; its validation images are joined to one of them or dropped, as
    `config.validation` says. Without test images, its validation images are those; without any, a tenth, 10,000 at the
    most, is drawn by `config.split_seed`.
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
    return (
        (Unused("images outside the folders for training and test", len(outside)),)
        if len(outside)
        else ()
    )


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


def load_dataset(dataset: Dataset, config: DataConfig, progress: Progress | None = None) -> Images:
    """Return `dataset` as images in memory, or, where they would fill it, out of a store in the cache."""
    if isinstance(dataset, ArrayDataset) and dataset.ready is not None and changes_no_pixel(config):
        return replace(dataset.ready, notes=tuple(dataset.notes))
    choice = choose(dataset, config)
    ready = _take_arrays(dataset, choice)
    if ready is not None:
        return ready
    if choice.bytes > MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        return _load_through_cache(dataset, choice, config, progress)

    arrays = {}
    kept = {}
    skipped = list(dataset.skipped)
    looked = 0
    total = len(choice.train) + len(choice.test)
    for part, indices in (("train", choice.train), ("test", choice.test)):
        array = np.empty((len(indices), *choice.plan.shape), np.uint8)
        filled = 0
        indices_kept = []
        before = looked
        told = (
            None
            if progress is None
            else lambda done, _, before=before: progress(before + done, total)
        )
        for pixels, found, left_out in dataset.read(
            indices, choice.plan, strict=config.strict, progress=told
        ):
            array[filled : filled + len(pixels)] = pixels
            filled += len(pixels)
            indices_kept.append(found)
            skipped += left_out
        looked += len(indices)
        arrays[part] = array[:filled]
        kept[part] = np.concatenate(indices_kept)

    _check_any(dataset, kept, skipped)
    labels, classes = dataset.labels(kept)
    counts, note = _recut({part: len(indices) for part, indices in kept.items()})
    if len(dataset) == 1:
        arrays["test"] = arrays["train"]
        skipped = skipped[: len(dataset.skipped)]
    if note:
        arrays, labels = _cut_again(arrays, labels, counts)
    return Images(
        dataset.name,
        **arrays,
        **labels,
        classes=classes,
        notes=(*choice.notes, *note, *dataset.value_notes(choice.plan.scale, PROBED)),
        skipped=tuple(skipped),
        unused=(*dataset.unused, *choice.split.unused),
        ranges=choice.plan.scale.record(),
        source_size=choice.source_size,
    )


def _take_arrays(dataset: Dataset, choice: Choice) -> Images | None:
    """Images whose arrays are pixels of the right shape already, and stay where they are; else None."""
    if not isinstance(dataset, ArrayDataset) or set(dataset.arrays) != {"train", "test"}:
        return None
    arrays = dataset.arrays
    is_pixels = all(
        array.dtype == np.uint8 and array.shape[1:] == choice.plan.shape
        for array in arrays.values()
    )
    plan = choice.plan
    if not is_pixels or plan.bands is not None or plan.transpose:
        return None
    if not (dataset.is_scaled or plan.scale.is_identity("uint8")):
        return None
    labels, classes = dataset.labels({"train": choice.train, "test": choice.test})
    return Images(
        dataset.name,
        **{part: _contiguous(array) for part, array in arrays.items()},
        **labels,
        classes=classes,
        notes=choice.notes,
        skipped=tuple(dataset.skipped),
        unused=tuple(dataset.unused),
        ranges=choice.plan.scale.record(),
        source_size=choice.source_size,
    )


def _contiguous(array: np.ndarray) -> np.ndarray:
    return array if isinstance(array, np.memmap) else np.ascontiguousarray(array)


def _load_through_cache(
    dataset: Dataset, choice: Choice, config: DataConfig, progress: Progress | None
) -> Images:
    fingerprint = _fingerprint(dataset, choice)
    path = cache_folder() / "stores" / f"{dataset.name}-{fingerprint[:16]}.store"
    packed, images = _pack_or_open(dataset, choice, config, path, fingerprint, progress)
    note = f"{choice.bytes / 1e9:.1f} GB are too much for memory: {packed} {path}"
    return replace(
        images,
        name=dataset.name,
        notes=(*choice.notes, note),
        source_size=choice.source_size,
    )


def pack(
    source: Source, path: Path, config: DataConfig, progress: Progress | None = None
) -> Images:
    """Write `source`, sized, coloured and scaled as `config` says, into a packed store and return the store's images.

    A packing of the same that was cut off is continued. Raises as `load` does, and `AutoencodeError` where `path` is
    there already, where another process packs into it, or where it cannot be written; what is packed so far is kept.
    """
    preprocessing.check_options(config)
    if path.exists():
        raise AutoencodeError(f"{path} is there already: choose another file, or remove it.")
    dataset = open_dataset(source, config)
    choice = choose(dataset, config)
    images = _pack(dataset, choice, config, path, _fingerprint(dataset, choice), progress)
    return replace(
        images,
        notes=(*choice.notes, *dataset.value_notes(choice.plan.scale, PROBED)),
        source_size=choice.source_size,
    )


def _pack_or_open(
    dataset: Dataset,
    choice: Choice,
    config: DataConfig,
    path: Path,
    fingerprint: str,
    progress: Progress | None,
) -> tuple[str, Images]:
    """Return how the store of the cache came about, and its images; others wait for the packing."""
    if not path.exists():
        try:
            images = _pack(dataset, choice, config, path, fingerprint, progress, wait=True)
        except store.Finished:
            pass  # by another process, and the name of the store says that it is the same
        else:
            return "packed into", images
    return "taken from", store.open_store(path)


def _pack(
    dataset: Dataset,
    choice: Choice,
    config: DataConfig,
    path: Path,
    fingerprint: str,
    progress: Progress | None,
    *,
    wait: bool = False,
) -> Images:
    writer = store.Writer(path, fingerprint, wait=wait)
    # A lone image is packed once and read as both.
    test = choice.test if len(dataset) > 1 else choice.test[:0]
    order = np.concatenate([choice.train, test])
    noted = time.monotonic()
    try:
        check_strict(config.strict, writer.skipped)
        for first, last in ((0, len(choice.train)), (len(choice.train), len(order))):
            if writer.done >= last:
                continue
            indices = order[max(first, writer.done) : last]
            for pixels, kept, skipped in dataset.read(indices, choice.plan, strict=config.strict):
                done = len(kept) + len(skipped)
                missing = np.setdiff1d(order[writer.done : writer.done + done], kept).tolist()
                writer.add(pixels, done, skipped, missing)
                if progress is not None:
                    progress(writer.done, len(order))
                if time.monotonic() - noted > store.JOURNAL_SECONDS:
                    writer.note()
                    noted = time.monotonic()

        # By index: several images may have one name.
        parts = {"train": choice.train, "test": test}
        kept = {
            part: indices[~np.isin(indices, writer.left_out)] for part, indices in parts.items()
        }
        _check_any(dataset, kept, writer.skipped)
        labels, classes = dataset.labels(kept)
        names = (
            [name for part in kept.values() for name in dataset.names(part)]
            if dataset.has_names
            else ()
        )
        writer.skipped = [*dataset.skipped, *writer.skipped]
        counts = {part: len(indices) for part, indices in kept.items()}
        if writer.rows > 1:  # a lone image is read as both
            counts, _ = _recut(counts)
        contents = store.Contents(
            dataset.name,
            choice.plan.shape,
            counts,
            labels,
            classes,
            names,
            unused=(*dataset.unused, *choice.split.unused),
            ranges=choice.plan.scale.record(),
        )
        return writer.finish(contents)
    finally:
        writer.close()


def _fingerprint(dataset: Dataset, choice: Choice) -> str:
    plan = choice.plan
    options = [
        plan.height,
        plan.width,
        plan.channels,
        plan.fit,
        plan.bands,
        plan.transpose,
        plan.scale.record(),
    ]
    told = [*options, choice.test.tolist(), dataset.identity()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _recut(counts: Mapping[str, int]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Where every picture of one part was skipped, the last tenth of the other becomes the test images."""
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


def _cut_again(
    arrays: dict[str, np.ndarray], labels: dict[str, np.ndarray], counts: Mapping[str, int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
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


def _check_any(
    dataset: Dataset, kept: Mapping[str, np.ndarray], skipped: Sequence[Skipped]
) -> None:
    if not any(len(indices) for indices in kept.values()):
        raise AutoencodeError(
            f"{dataset.name} holds no picture that can be read; {skipped[0].name}: {skipped[0].reason}."
        )
