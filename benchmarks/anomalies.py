"""One digit of MNIST against the nine others: renews results/anomalies.json.

Run as `python benchmarks/anomalies.py`. The one-class protocol: train on the training images of one
digit, score all 10,000 test images, area under the ROC curve with the nine other digits as
anomalies; mean over ten digits and three seeds. The last epoch counts and every digit has the same
recipe. PyOD's AutoEncoder lives in an environment of its own, made as `make bench` makes them.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

import machine
import numpy as np
from sklearn.metrics import roc_auc_score
from speed import PEERS, environment

from autoencode import Autoencoder, Images, data, metrics
from autoencode.inference import anomalies

RESULT = Path(__file__).parent / "results" / "anomalies.json"
RECIPE = {
    "model": "dense",
    "epochs": 30,
    "batch_size": 128,
    "augment": "shift:0.5+rotate:4+scale:0.04+elastic:0.5",
}
CODE, SEEDS = 16, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, default=Path(".bench"))
    parser.add_argument("--python310", default="python3.10", help="unused here")
    parser.add_argument("--only", choices=["ours", "pyod"], help="renew a part of the results")
    options = parser.parse_args()
    environment("pyod", options)
    images = data.load("mnist")
    if options.only in (None, "ours"):
        areas = pca(images)
        for found in (ours(images, seed) for seed in range(SEEDS)):
            for name, digits in found.items():
                areas.setdefault(name, []).append(digits)
            _keep(areas)
    if options.only in (None, "pyod"):
        environment("pyod", options)
        _keep({"pyod": [peer(options.environments, images, seed) for seed in range(SEEDS)]})


def _keep(areas: dict[str, list[list[float]]]) -> None:
    """Write the areas of each method, a list a seed, one a digit, beside those of the others."""
    before = json.loads(RESULT.read_text())["areas"] if RESULT.exists() else {}
    result = {
        "machine": machine.describe(),
        "recipe": RECIPE | {"code": CODE},
        "areas": before | areas,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(
        {
            name: round(statistics.mean(map(statistics.mean, found)), 5)
            for name, found in areas.items()
        },
        flush=True,
    )


def pca(images: Images) -> dict[str, list[list[float]]]:
    """Return PCA's areas by its reconstruction error, and by the relative error that ours uses."""
    areas = {"pca": [], "pca_relative": []}
    for digit in range(10):
        found = metrics.PCA.fit(images.train[images.train_labels == digit], CODE)
        redrawn = found.decode(found.encode(images.test))
        squares = metrics.squared_errors(images.test, redrawn)
        for name, scores in (
            ("pca", squares),
            ("pca_relative", anomalies.relative_errors(images.test, redrawn)),
        ):
            areas[name].append(roc_auc_score(images.test_labels != digit, scores))
    return {name: [digits] for name, digits in areas.items()}


def ours(images: Images, seed: int) -> dict[str, list[float]]:
    """Return each digit's area by the mean squared error alone and by `score_samples`."""
    areas = {"error": [], "score": []}
    for digit in range(10):
        model = Autoencoder(CODE, seed=seed, **RECIPE).fit(
            images.train[images.train_labels == digit]
        )
        errors = metrics.squared_errors(
            images.test, model.reconstruct(images.test) / np.float32(255)
        )
        for name, scores in (("error", errors), ("score", -model.score_samples(images.test))):
            areas[name].append(roc_auc_score(images.test_labels != digit, scores))
        print(
            f"digit {digit}, seed {seed}: {areas['error'][-1]:.4f}, {areas['score'][-1]:.4f}",
            flush=True,
        )
    return areas


def peer(environments: Path, images: Images, seed: int) -> list[float]:
    """Return PyOD's area of each digit."""
    with tempfile.TemporaryDirectory() as work:
        path = Path(work, "mnist.npz")
        floats = {
            part: getattr(images, part).reshape(-1, 784) / np.float32(255)
            for part in ("train", "test")
        }
        np.savez(path, **floats, train_labels=images.train_labels, test_labels=images.test_labels)
        words = [
            environments / "pyod" / "bin" / "python",
            PEERS / "pyod_autoencoder.py",
            path,
            str(seed),
        ]
        # Two that wait for each other take ten times as long.
        one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(words, check=True, capture_output=True, text=True, env=one_thread)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
