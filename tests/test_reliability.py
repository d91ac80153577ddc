"""No work is lost and no harm done: resuming bit for bit, kills, failing writes, damaged and hostile files."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import faults
import numpy as np
import pytest

from autoencode import AutoencodeError, Config, Images, UsageError, checkpoints, pipeline, recording, runs, training

PIXELS = np.random.default_rng(0).integers(0, 256, (70, 6, 5, 1), "uint8")
IMAGES = Images("noise", PIXELS, PIXELS[:9])
# Seeds, counters and a schedule are in the state too.
CONFIG = Config(epochs=3, batch_size=16, code=4, noise="gaussian", variational=1.0, schedule="cosine", engine="jax")


@pytest.fixture(scope="module", autouse=True)
def one_engine():
    """One compiled engine for all trainings with the settings above, each from its first state: compiling takes seconds."""
    kept, start = [], pipeline.start

    def start_once(name, images, config):
        if dataclasses.replace(config, epochs=3) != pipeline.resolve(CONFIG):
            return start(name, images, config)
        if not kept:
            kept.extend([engine := start(name, images, config), engine.state()])
        kept[0].restore(kept[1])
        return kept[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "start", start_once)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return pipeline.run(IMAGES, CONFIG, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def single_steps(monkeypatch):
    monkeypatch.setattr(training, "_Pace", lambda: SimpleNamespace(steps=1, measure=lambda *_: None))


def stop(events: int, folder: Path) -> None:
    """Train until so many events have passed."""
    with runs.claim(folder, "noise") as path:
        recorded = pipeline.record(pipeline.prepare(IMAGES, CONFIG), path)
        for _ in range(events):
            next(recorded)
        recorded.close()


@pytest.mark.parametrize(
    "events", [1, 5, 6, 8, 17]
)  # within an epoch, before its evaluation, after it, at the last step
def test_a_stopped_training_goes_on_bit_for_bit(whole, tmp_path, single_steps, events):
    folder = tmp_path / "run"
    stop(events, folder)
    assert runs.Run.open(folder).state()["state"] == "stopped"
    assert pipeline.resume(folder, source=IMAGES) == folder
    assert faults.difference(whole, folder) == []
    assert runs.Run.open(folder).state()["state"] == "finished"
