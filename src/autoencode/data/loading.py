"""A dataset becomes images in memory, or out of a packed store in the cache where they would fill
it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from autoencode.config import DataConfig
from autoencode.data import store
from autoencode.data.array_dataset import ArrayDataset
from autoencode.data.choice import PROBED, Choice, choose_plan
from autoencode.data.dataset import Dataset, Progress
from autoencode.data.open import changes_no_pixel
from autoencode.data.packing import pack_dataset, packing_fingerprint
from autoencode.data.splits import check_any_readable, recut_arrays, recut_counts
from autoencode.images import Images, Skipped
from autoencode.system.caches import cache_folder
from autoencode.system.memory import total_memory

# Share of the machine's memory; a larger set is packed into the cache.
MEMORY_SHARE = 0.25


def load_dataset(dataset: Dataset, config: DataConfig, progress: Progress | None = None) -> Images:
    """Return `dataset` as images in memory, or, where they would fill it, out of a store in the
    cache.
    """
    if isinstance(dataset, ArrayDataset) and dataset.ready is not None and changes_no_pixel(config):
        return replace(dataset.ready, notes=tuple(dataset.notes))
    choice = choose_plan(dataset, config)
    ready = _take_arrays(dataset, choice)
    if ready is not None:
        return ready
    if choice.bytes > MEMORY_SHARE * total_memory():
        return _load_through_cache(dataset, choice, config, progress)

    parts = {"train": choice.train, "test": choice.test}
    total = sum(map(len, parts.values()))
    arrays = {}
    kept = {}
    skipped = list(dataset.skipped)
    read = 0
    for part, indices in parts.items():
        report = None if progress is None else partial(_report_from, progress, read, total)
        array = np.empty((len(indices), *choice.plan.shape), np.uint8)
        kept[part], skipped_here = _read_into(array, dataset, indices, choice, config, report)
        arrays[part] = array[: len(kept[part])]
        skipped += skipped_here
        read += len(indices)

    check_any_readable(dataset, kept, skipped)
    labels, classes = dataset.labels(kept)
    counts, note = recut_counts({part: len(indices) for part, indices in kept.items()})
    if len(dataset) == 1:
        arrays["test"] = arrays["train"]
        skipped = skipped[: len(dataset.skipped)]
    if note:
        arrays, labels = recut_arrays(arrays, labels, counts)
    return Images(
        dataset.name,
        train=arrays["train"],
        test=arrays["test"],
        train_labels=labels.get("train_labels"),
        test_labels=labels.get("test_labels"),
        classes=classes,
        notes=(*choice.notes, *note, *dataset.value_notes(choice.plan.scale, PROBED)),
        skipped=tuple(skipped),
        unused=(*dataset.unused, *choice.split.unused),
        ranges=choice.plan.scale.record(),
        source_size=choice.source_size,
    )


def _read_into(
    array: np.ndarray,
    dataset: Dataset,
    indices: np.ndarray,
    choice: Choice,
    config: DataConfig,
    progress: Progress | None,
) -> tuple[np.ndarray, list[Skipped]]:
    """Fill `array` with the images at `indices`.

    Return the indices of its rows, and what is skipped.
    """
    filled = 0
    kept = []
    skipped: list[Skipped] = []
    chunks = dataset.read(indices, choice.plan, strict=config.strict, progress=progress)
    for chunk in chunks:
        array[filled : filled + len(chunk.pixels)] = chunk.pixels
        filled += len(chunk.pixels)
        kept.append(chunk.indices)
        skipped += chunk.skipped
    return np.concatenate(kept), skipped


def _report_from(progress: Progress, start: int, total: int, done: int, _: int) -> None:
    """Report `done` images of a part, before which there were `start` others."""
    progress(start + done, total)


def _take_arrays(dataset: Dataset, choice: Choice) -> Images | None:
    """Images whose arrays are pixels of the right shape already, which stay where they are.

    None where they are not.
    """
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
        train=_contiguous(arrays["train"]),
        test=_contiguous(arrays["test"]),
        train_labels=labels.get("train_labels"),
        test_labels=labels.get("test_labels"),
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
    fingerprint = packing_fingerprint(dataset, choice)
    path = cache_folder() / "stores" / f"{dataset.name}-{fingerprint[:16]}.store"
    packed, images = _pack_or_open(dataset, choice, config, path, fingerprint, progress)
    note = f"{choice.bytes / 1e9:.1f} GB are too much for memory: {packed} {path}"
    return replace(
        images,
        name=dataset.name,
        notes=(*choice.notes, note),
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
            images = pack_dataset(dataset, choice, config, path, fingerprint, progress, wait=True)
        except store.Finished:
            # Another process packed it, and the name of the store says that it is the same.
            pass
        else:
            return "packed into", images
    return "taken from", store.open_store(path)
