"""What the record of a run says of its training: settings, images, versions, epochs."""

from __future__ import annotations

import dataclasses
import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from autoencode import objectives
from autoencode.images import Images
from autoencode.training import (
    Epoch,
)

if TYPE_CHECKING:
    from autoencode.runs.recorder import Training


def describe_epoch(epoch: Epoch) -> dict[str, Any]:
    """Return the numbers of an epoch as metrics.jsonl and the lines of JSON hold them."""
    return {
        "epoch": epoch.number,
        "steps": epoch.steps,
        "seconds": epoch.seconds,
        "step_seconds": epoch.step_seconds,
        "images_per_second": epoch.images_per_second,
        "loss": epoch.loss,
        "val_loss": epoch.val_loss,
    } | ({} if epoch.holdout_loss is None else {"holdout_loss": epoch.holdout_loss})


def describe(training: Training) -> dict[str, Any]:
    """Return what config.json says of `training`: source, settings, images, versions, device."""
    images = training.images
    engine = training.engine
    return {
        "source": training.source,
        "location": training.location,
        "settings": dataclasses.asdict(training.config),
        "command": training.command,
        "engine": engine.name,
        "device": engine.device,
        "versions": versions(engine.name),
        "images": describe_images(images),
        "ranges": {kind: list(limits) for kind, limits in images.ranges.items()},
        "notes": list(images.notes),
        "parameters": engine.model.count_params(),
        "comparable": objectives.is_plain(training.config),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions(engine: str) -> dict[str, str]:
    """Return the versions of Python and of the packages that decide the numbers, by name."""
    packages = ["autoencode", "keras", engine, "numpy"]
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in packages
    }


def describe_images(images: Images) -> dict[str, Any]:
    """Return shape, counts and checksum of `images`, by which a resumed run knows them again."""
    return {
        "shape": list(images.shape),
        "train": len(images.train),
        "test": len(images.test),
        "fingerprint": images.fingerprint(),
    } | ({} if images.holdout is None else {"holdout": len(images.holdout)})
