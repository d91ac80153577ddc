"""What a trained model is, in words and as JSON: info. Out of a run folder no framework is needed; prints nothing."""

from __future__ import annotations

from typing import Any

from autoencode.config import Config
from autoencode.errors import printable
from autoencode.inference.opening import Saved
from autoencode.inference.trained import Trained

RECORDED = ("source", "command", "engine", "device", "versions", "started", "images", "parameters")


def describe(saved: Saved) -> dict[str, Any]:
    """Return what a run folder tells of its model.

    `shape` is that of an image, [H, W, C], `code` the numbers of a code; `loss`, `val_loss` and `pca`, the error of PCA
    with as many components, are those of the last epoch; `findings` are the doctor's.
    """
    run = saved.run
    metrics = run.metrics()
    kept = run.kept()
    loss = metrics[kept["epoch"] - 1]["loss"] if kept["epoch"] else None
    told = {name: run.record[name] for name in RECORDED}
    return {
        "name": saved.name,
        "file": str(saved.file),
        "shape": run.record["images"]["shape"],
        "code": saved.settings["code"],
        **told,
        "settings": saved.settings,
        "epochs": len(metrics),
        "kept_epoch": kept["epoch"],
        "loss": loss,
        "val_loss": kept["val_loss"],
        "pca": run.baseline().get("pca"),
        "findings": run.findings(),
    }


def describe_file(saved: Saved, model: Trained) -> dict[str, Any]:
    """Return what a .keras file that lies in no run folder tells of its model, opened."""
    return {
        "name": saved.name,
        "file": str(saved.file),
        "shape": list(model.shape),
        "code": model.code,
        "parameters": model.model.count_params(),
        "settings": saved.settings,
        "notes": list(model.notes),
    }


def lines(told: dict[str, Any]) -> list[str]:
    """Return the same in words; settings are those that differ from the defaults."""
    height, width, channels = told["shape"]
    colour, ratio = "grey" if channels == 1 else "rgb", height * width * channels / told["code"]
    shapes = f"images of {width}x{height}, {colour}, to {told['code']} numbers and back ({ratio:,.0f} values a number)"
    words = [
        f"{told['name']}: {shapes}; {told['parameters']:,} parameters",
        f"file: {told['file']}",
    ]
    if "source" in told:
        words += _trained(told)
    else:
        words.append(
            f"settings: {_settings(told['settings'])}"
            if told["settings"]
            else "settings: the file tells none"
        )
        words += [f"note: {note}" for note in told["notes"]]
    # Much of it stands in records, which may be a stranger's.
    return [printable(line) for line in words]


def _trained(told: dict[str, Any]) -> list[str]:
    counts, versions = told["images"], told["versions"]
    error = f"after {told['epochs']} epochs: "
    if told["kept_epoch"] == 0:
        error += "PCA is kept, "
    elif told["kept_epoch"] != told["epochs"]:
        error += f"the weights of epoch {told['kept_epoch']} are kept, "
    error += "" if told["loss"] is None else f"loss {told['loss']:.5f}, "
    error += f"val_loss {told['val_loss']:.5f}"
    if told["pca"] is not None:
        error += f" (PCA with as many components: {told['pca']:.5f})"
    return [
        f"trained on {told['source']}: {counts['train']:,} images, {counts['test']:,} to test; begun {told['started']}",
        f"settings: {_settings(told['settings'])}",
        f"again: {told['command']}",
        error,
        f"engine {told['engine']} on {told['device']}; {', '.join(f'{name} {one}' for name, one in versions.items())}",
        *(f"doctor: {one['what']}; {one['cause']}: {one['advice']}" for one in told["findings"]),
    ]


def _settings(settings: dict[str, Any]) -> str:
    other = {
        name: value for name, value in settings.items() if value != getattr(Config, name, None)
    }
    return ", ".join(f"{name} {value}" for name, value in other.items()) or "those of the article"
