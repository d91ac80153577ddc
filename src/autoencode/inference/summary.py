"""What a trained model is, in words and as JSON: info. A run folder needs no framework."""

from __future__ import annotations

from typing import Any

from autoencode.config import Config
from autoencode.errors import printable
from autoencode.inference.saved_model import Saved
from autoencode.inference.trained import Trained

RECORDED = ("source", "command", "engine", "device", "versions", "started", "images", "parameters")


def describe_run(saved: Saved) -> dict[str, Any]:
    """Return what a run folder records of its model.

    `shape` is that of an image, [H, W, C], `code` the size of a code. `loss` and `val_loss` are
    those of the epoch that was kept, `pca` is the error of PCA with as many components; `findings`
    are the doctor's.
    """
    run = saved.run
    # Of a file that lies in no run folder, `describe_file` tells.
    assert run is not None
    metrics = run.metrics()
    kept = run.kept()
    kept_epoch: int = kept["epoch"]
    loss = metrics[kept_epoch - 1]["loss"] if kept_epoch else None
    recorded = {name: run.record[name] for name in RECORDED}
    return {
        "name": saved.name,
        "file": str(saved.file),
        "shape": run.record["images"]["shape"],
        "code": saved.settings["code"],
        **recorded,
        "settings": saved.settings,
        "epochs": len(metrics),
        "kept_epoch": kept_epoch,
        "loss": loss,
        "val_loss": kept["val_loss"],
        "pca": run.baseline().get("pca"),
        "findings": run.findings(),
    }


def describe_file(saved: Saved, model: Trained) -> dict[str, Any]:
    """Return the same of a .keras file that lies in no run folder, and of its `model`, opened."""
    return {
        "name": saved.name,
        "file": str(saved.file),
        "shape": list(model.shape),
        "code": model.code,
        "parameters": model.model.count_params(),
        "settings": saved.settings,
        "notes": list(model.notes),
    }


def format_description(description: dict[str, Any]) -> list[str]:
    """Return a description as lines of text; settings are those that differ from the defaults."""
    height, width, channels = description["shape"]
    colour = "grey" if channels == 1 else "rgb"
    code = description["code"]
    ratio = height * width * channels / code
    shapes = (
        f"images of {width}x{height}, {colour}, to {code} numbers and back "
        f"({ratio:,.0f} values a number)"
    )
    shown = [
        f"{description['name']}: {shapes}; {description['parameters']:,} parameters",
        f"file: {description['file']}",
    ]
    if "source" in description:
        shown += _describe_training(description)
    else:
        settings = "not recorded in the file"
        if description["settings"]:
            settings = _describe_settings(description["settings"])
        shown.append(f"settings: {settings}")
        shown += [f"note: {note}" for note in description["notes"]]
    # Much of it stands in records, which may be untrusted.
    return [printable(line) for line in shown]


def _describe_training(description: dict[str, Any]) -> list[str]:
    counts = description["images"]
    error = f"after {description['epochs']} epochs: "
    if description["kept_epoch"] == 0:
        error += "PCA is kept, "
    elif description["kept_epoch"] != description["epochs"]:
        error += f"the weights of epoch {description['kept_epoch']} are kept, "
    if description["loss"] is not None:
        error += f"loss {description['loss']:.5f}, "
    error += f"val_loss {description['val_loss']:.5f}"
    if description["pca"] is not None:
        error += f" (PCA with as many components: {description['pca']:.5f})"
    versions = ", ".join(f"{name} {version}" for name, version in description["versions"].items())
    trained = f"trained on {description['source']}: {counts['train']:,} images"
    return [
        f"{trained}, {counts['test']:,} to test; begun {description['started']}",
        f"settings: {_describe_settings(description['settings'])}",
        f"again: {description['command']}",
        error,
        f"engine {description['engine']} on {description['device']}; {versions}",
        *(
            f"doctor: {finding['what']}; {finding['cause']}: {finding['advice']}"
            for finding in description["findings"]
        ),
    ]


def _describe_settings(settings: dict[str, Any]) -> str:
    changed = {
        name: value for name, value in settings.items() if value != getattr(Config, name, None)
    }
    return ", ".join(f"{name} {value}" for name, value in changed.items()) or "those of the article"
