"""Digits, a run that was trained on them, and files for results."""

from pathlib import Path

import numpy as np
import pytest
from inference_support import COUNT
from sklearn.datasets import load_digits

from autoencode import Config, pipeline
from autoencode.cli import output_files
from autoencode.inference import saved_model


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    images = np.round(found.images[:COUNT, ..., None] * (255 / 16)).astype(np.uint8)
    return images, found.target[:COUNT]


@pytest.fixture(scope="session")
def source(tmp_path_factory, digits) -> Path:
    path = tmp_path_factory.mktemp("source") / "digits.npz"
    np.savez(path, images=digits[0], labels=digits[1])
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory, source) -> Path:
    # The last epoch is kept, and not PCA: what is tested is a trained model.
    settings = {"code": 4, "epochs": 2, "batch_size": 30, "holdout": 0.0}
    config = Config(**settings, noise="gaussian:0.3", seed=5, split_seed=3)
    return pipeline.run(str(source), config, tmp_path_factory.mktemp("runs") / "digits-1")


@pytest.fixture(scope="session")
def opened(run) -> saved_model.Opened:
    return saved_model.open_model(saved_model.find_model(run))


@pytest.fixture
def files(tmp_path):
    """The files of each command, in a folder of its own."""

    def find(command: str, ending: str | None = None) -> output_files.OutputFiles:
        kind = output_files.KINDS[command]
        file = tmp_path / f"{kind.stem}{ending or kind.suffixes[0]}"
        return output_files.OutputFiles(file, kind.figures)

    return find
