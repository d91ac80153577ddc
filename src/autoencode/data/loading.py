"""A dataset becomes images in memory, or out of a packed store in the cache where they would fill
it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoencode.config import DataConfig, cache_folder
from autoencode.data import store
from autoencode.data.array_dataset import ArrayDataset
from autoencode.data.choice import PROBED, Choice, choose_plan
from autoencode.data.dataset import Dataset, Progress
from autoencode.data.open import changes_no_pixel
from autoencode.data.packing import pack_dataset, packing_fingerprint
from autoencode.data.splits import check_any_readable, recut_arrays, recut_counts
from autoencode.images import Images

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
