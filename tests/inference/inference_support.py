"""What the tests of inference share: streams of images, and results written and read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from PIL import Image

from autoencode import data
from autoencode.cli import output_files, results
from autoencode.config import DataConfig
from autoencode.data import streaming
from autoencode.inference import codes, projection, ranking, reconstruction, saved_model

EACH = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


COUNT = 300


def rows(source) -> data.Dataset:
    return data.open_dataset(source)


def streamed(opened: saved_model.Opened, source, **options) -> streaming.Stream:
    config = DataConfig(
        **{name: options.pop(name) for name in ("fit", "strict", "split_seed") if name in options}
    )
    return streaming.stream(rows(source), opened.trained.shape, config, **options)


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def write_reconstructions(
    opened: saved_model.Opened, source, files: output_files.OutputFiles
) -> np.ndarray:
    """The errors of the reconstructions, which are written."""
    stream = streamed(opened, source)
    batches = reconstruction.reconstruct_batches(opened, stream)
    shape = opened.trained.shape
    return results.write_reconstructions(files, batches, stream, shape=shape, examples=10)


def write_codes(opened: saved_model.Opened, source, files: output_files.OutputFiles) -> None:
    results.write_codes(files, codes.encode(opened, streamed(opened, source)))


def write_map(opened: saved_model.Opened, source, files: output_files.OutputFiles, method: str):
    stream = streamed(opened, source)
    found = projection.project(opened, stream, method=method)
    plane = projection.decode_plane(opened, found, results.GRID)
    results.write_map(files, found, stream, plane)
    return found


def write_ranking(opened, source, calibration, files, examples: int = 10):
    stream = streamed(opened, source)
    found = ranking.rank_anomalies(opened, stream, calibration)
    strangest = ranking.find_differences(opened, stream, found.order[:examples])
    results.write_ranking(files, found, strangest)
    return found


def fill(folder: Path, images: np.ndarray, name: str) -> Path:
    for index, pixels in enumerate(images):
        path = folder / name.format(index % 2) / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(path)
    return folder


def read(stream: streaming.Stream) -> streaming.Stream:
    """The stream, once all of its images are read."""
    for _ in stream.batches(64):
        pass
    return stream


def called(calls: list[list[str]], folder: Path) -> subprocess.CompletedProcess:
    """What a process of the command's own makes of some calls in turn."""
    code = (
        "import json, sys\nfrom autoencode.cli import app\nfor words in json.loads(sys.argv[1]):\n"
        "    app(words, exit_on_error=False, print_error=False, result_action='return_value')\n"
    )
    words = [sys.executable, "-c", code, json.dumps(calls)]
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=folder)


def pictures_with_some_broken(folder: Path, images: np.ndarray) -> Path:
    fill(folder, images, "")
    for number in range(7):
        (folder / f"broken{number}.png").write_bytes(b"no picture")
    return folder
