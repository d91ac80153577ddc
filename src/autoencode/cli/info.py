"""The command that describes a trained model: info."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

from autoencode.cli.model_command import ModelPath
from autoencode.cli.screen import app, prepare_process


@app.command
def info(
    model: ModelPath,
    *,
    json_object: Annotated[bool, Parameter(name="--json", negative="")] = False,
    engine: str = "auto",
) -> None:
    """Describe a trained model: shapes, size, source, settings, errors, findings, versions.

    Parameters
    ----------
    json_object
        Print one JSON object.
    engine
        What opens a .keras file: auto, jax, tensorflow or torch. A run folder is read without.
    """
    prepare_process()
    from autoencode.inference import saved_model, summary

    saved = saved_model.find_model(model)
    if saved.run is not None:
        description = summary.describe_run(saved)
    else:
        opened = saved_model.open_model(saved, engine, own_process=True)
        description = summary.describe_file(saved, opened.trained)
    if json_object:
        print(json.dumps(description))
        return
    for line in summary.format_description(description):
        print(line)
