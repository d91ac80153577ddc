"""A dataset is written into a packed store, and a cut-off packing is resumed."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoencode.config import DataConfig
from autoencode.data import preprocessing, store
from autoencode.data.choice import PROBED, Choice, choose_plan
from autoencode.data.dataset import Dataset, Progress, check_strict
from autoencode.data.open import Source, open_dataset
from autoencode.data.splits import check_any_readable, recut_counts
from autoencode.errors import AutoencodeError
from autoencode.images import Images


def pack(
    source: Source, path: Path, config: DataConfig, progress: Progress | None = None
) -> Images:
    """Write `source`, sized, coloured and scaled as `config` says, into a packed store and return
    the store's images.

    A packing of the same that was cut off is continued. Raises as `load` does, and
    `AutoencodeError` where `path` is there already, where another process packs into it, or where
    it cannot be written; what is packed so far is kept.
    """
    preprocessing.check_options(config)
    if path.exists():
        raise AutoencodeError(f"{path} is there already: choose another file, or remove it.")
    dataset = open_dataset(source, config)
    choice = choose_plan(dataset, config)
    images = pack_dataset(
        dataset, choice, config, path, packing_fingerprint(dataset, choice), progress
    )
    return replace(
        images,
        notes=(*choice.notes, *dataset.value_notes(choice.plan.scale, PROBED)),
        source_size=choice.source_size,
    )


def pack_dataset(
    dataset: Dataset,
    choice: Choice,
    config: DataConfig,
    path: Path,
    fingerprint: str,
    progress: Progress | None,
    *,
    wait: bool = False,
) -> Images:
    """Write a dataset into the store at `path` as `choice` says, and return the store's images.

    A cut-off packing of the same `fingerprint` is resumed. Raises as `store.Writer`, and
    `AutoencodeError` where no image can be read.
    """
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
        check_any_readable(dataset, kept, writer.skipped)
        labels, classes = dataset.labels(kept)
        names: list[str] = []
        if dataset.has_names:
            names = [name for part in kept.values() for name in dataset.names(part)]
        writer.skipped = [*dataset.skipped, *writer.skipped]
        counts = {part: len(indices) for part, indices in kept.items()}
        # A lone image is read as both.
        if writer.rows > 1:
            counts, _ = recut_counts(counts)
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


def packing_fingerprint(dataset: Dataset, choice: Choice) -> str:
    """Return the SHA-256 of what is packed and how: stores of the same one hold the same images."""
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
    described = [*options, choice.test.tolist(), dataset.identity()]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()
