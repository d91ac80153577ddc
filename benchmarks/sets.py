"""Reconstruction error on eleven real image sets: renews results/sets.json.

Run as `python benchmarks/sets.py`. Sets come from this package, scikit-learn, scikit-image and the
npm registry (an emoji set by Twitter, 61 MB, downloaded once into --data). Each set is split by a
seed of its own; the test images decide nothing. Methods: the mean training image, PCA,
scikit-learn's MLPRegressor as an autoencoder, the defaults (`--model auto`), and the models by name
with the same time.

Every entry (set, method, code, seed) is written as it is measured: the same command goes on.
`python benchmarks/sets.py --table` prints the table of what is there.
"""

import argparse
import io
import json
import tarfile
import time
import urllib.request
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import machine
import numpy as np
from PIL import Image

from autoencode import Config, Images, data, metrics, pipeline, training

RESULT = Path(__file__).parent / "results" / "sets.json"
EMOJI = "https://registry.npmjs.org/emoji-datasource-twitter/-/emoji-datasource-twitter-16.0.0.tgz"
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
PATCHES = 4000
# Pixels of the side of a square.
SQUARE = 128
SPLIT_SEED = 2
MODELS = ("auto", "article", "dense", "conv")
CODES = (2, 8, 16, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(".bench"), help="where downloads are kept"
    )
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--methods", default="mean,pca,mlp,auto")
    parser.add_argument("--codes", default="2,8,16,64")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--time", default="auto", help="training time of each, such as 60s")
    parser.add_argument("--table", action="store_true", help="print what was measured")
    options = parser.parse_args()
    if options.table:
        print(table(_read()["entries"]))
        return

    for code in map(int, options.codes.split(",")):
        for name in options.sets.split(","):
            for method in options.methods.split(","):
                seeds = options.seeds if method in (*MODELS, "mlp") else 1
                for seed in range(seeds):
                    key = f"{name} {method} {code} {seed} {options.time}"
                    if key not in _read()["entries"]:
                        _keep(key, measure(name, method, code, seed, options))


def measure(name: str, method: str, code: int, seed: int, options: argparse.Namespace) -> dict:
    """The test MSE of one method, its seconds, and the model that was chosen."""
    images = load(name, options.data)
    began = time.perf_counter()
    found = {}
    if method == "mean":
        error = float(np.square(images.test / 255 - images.train.mean(0) / 255).mean())
    elif method == "pca":
        error = metrics.pca_error(images.train, images.test, code)
    elif method == "mlp":
        error = mlp(images, code, seed)
    else:
        error, found = ours(images, Config(model=method, code=code, seed=seed, time=options.time))
    seconds = time.perf_counter() - began
    return {"error": error, "seconds": round(seconds, 1), "images": len(images.train), **found}


def ours(images: Images, config: Config) -> tuple[float, dict]:
    """Test MSE of the weights that are kept, the model, the epochs and the epoch that was kept."""
    prepared = pipeline.prepare(pipeline.check_job(images, config))
    epochs = []
    best = None
    for event in prepared.events:
        if isinstance(event, training.Epoch):
            epochs.append(event.val_loss)
        elif isinstance(event, training.BestEpoch):
            best = event
    found = {"model": prepared.config.model, "epochs": len(epochs)}
    if best is None:
        return epochs[-1], found
    return best.evaluation.error, found | {"kept": best.epoch}


def mlp(images: Images, code: int, seed: int) -> float:
    """Test MSE of scikit-learn's MLPRegressor, as wide as PCA's features, early stopping on."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    train, test = (
        part.reshape(len(part), -1) / np.float32(255) for part in (images.train, images.test)
    )
    model = MLPRegressor((256, code, 256), random_state=seed, early_stopping=len(train) >= 20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train, train)
    return float(np.square(model.predict(test) - test).mean())


# The sets


def load(name: str, folder: Path) -> Images:
    """One of `SETS`, uint8, training and test images apart."""
    return SETS[name](folder)


@lru_cache
def mnist(folder: Path, count: int | None = None) -> Images:
    """MNIST, or its first `count` training images."""
    images = data.load("mnist")
    return Images("mnist", images.train[:count], images.test)


@lru_cache
def digits(folder: Path) -> Images:
    """scikit-learn's digits, 8 x 8 grey."""
    from sklearn.datasets import load_digits

    images = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
    return _split("digits", images[..., None])


@lru_cache
def emoji(folder: Path, count: int | None = None) -> Images:
    """3,786 emoji on white, 64 x 64 RGB.

    With `count`, fewer training images and the same test images.
    """
    with tarfile.open(_download(EMOJI, folder)) as archive:
        members = [
            one for one in archive.getmembers() if one.name.startswith("package/img/twitter/64/")
        ]
        members.sort(key=lambda member: member.name)
        pictures = [_on_white(archive.extractfile(member).read(), 64, 64) for member in members]
    images = _split("emoji", np.stack(pictures))
    return Images("emoji", images.train[:count], images.test)


@lru_cache
def icons(folder: Path) -> Images:
    """The emoji squeezed to 27 x 19, grey: small icons of an odd size."""
    images = emoji(folder)
    parts = [
        np.stack([np.asarray(Image.fromarray(one).convert("L").resize((27, 19))) for one in part])
        for part in (images.train, images.test)
    ]
    return Images("icons", *(part[..., None] for part in parts))


@lru_cache
def patches(folder: Path, side: int) -> Images:
    """RGB patches of photographs of natural scenes; the lower quarter of each is for testing."""
    photographs = _photographs()
    random = np.random.default_rng(SPLIT_SEED)
    parts = {"train": [], "test": []}
    for index in range(PATCHES):
        photograph = photographs[index % len(photographs)][:, :, :3]
        height, width = photograph.shape[:2]
        border = height * 3 // 4
        part = "test" if index % 10 == 0 else "train"
        area = photograph[border:] if part == "test" else photograph[:border]
        size = int(random.integers(48, min(border, height - border, 96)))
        top, left = random.integers(area.shape[0] - size + 1), random.integers(width - size + 1)
        cut = Image.fromarray(area[top : top + size, left : left + size])
        parts[part].append(np.asarray(cut.resize((side, side), Image.Resampling.BOX)))
    return Images(f"patches {side}", np.stack(parts["train"]), np.stack(parts["test"]))


@lru_cache
def tiles(folder: Path, side: int) -> Images:
    """RGB patches out of squares of photographs, one square in ten for testing.

    Patches of one square overlap and follow each other, as tiles of a scan do.
    """
    random = np.random.default_rng(SPLIT_SEED)
    squares = [
        photograph[top : top + SQUARE, left : left + SQUARE, :3]
        for photograph in _photographs()
        for top in range(0, photograph.shape[0] - SQUARE + 1, SQUARE)
        for left in range(0, photograph.shape[1] - SQUARE + 1, SQUARE)
    ]
    tested = set(random.permutation(len(squares))[: len(squares) // 10])
    parts = {"train": [], "test": []}
    for index, square in enumerate(squares):
        for _ in range(PATCHES // len(squares)):
            size = int(random.integers(48, 96))
            top, left = random.integers(0, SQUARE - size + 1, 2)
            cut = Image.fromarray(square[top : top + size, left : left + size])
            part = "test" if index in tested else "train"
            parts[part].append(np.asarray(cut.resize((side, side), Image.Resampling.BOX)))
    return Images(f"tiles {side}", np.stack(parts["train"]), np.stack(parts["test"]))


SETS: dict[str, Callable[[Path], Images]] = {
    "mnist": mnist,
    "mnist-1000": lambda folder: mnist(folder, 1000),
    "mnist-300": lambda folder: mnist(folder, 300),
    "digits": digits,
    "emoji": emoji,
    "emoji-300": lambda folder: emoji(folder, 300),
    "emoji-50": lambda folder: emoji(folder, 50),
    "icons": icons,
    "patches-32": lambda folder: patches(folder, 32),
    "patches-64": lambda folder: patches(folder, 64),
    "tiles-32": lambda folder: tiles(folder, 32),
}


def _photographs() -> list[np.ndarray]:
    import skimage.data
    from sklearn.datasets import load_sample_images

    return [
        *load_sample_images().images,
        *(getattr(skimage.data, name)() for name in PHOTOGRAPHS),
    ]


def _split(name: str, images: np.ndarray) -> Images:
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    count = len(images) // 10
    return Images(name, images[order[count:]], images[order[:count]])


def _on_white(content: bytes, width: int, height: int) -> np.ndarray:
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB").resize((width, height)))


def _download(address: str, folder: Path) -> Path:
    path = folder / address.rpartition("/")[2]
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        urllib.request.urlretrieve(address, partial)
        partial.rename(path)
    return path


# The results


def _read() -> dict:
    if RESULT.exists():
        return json.loads(RESULT.read_text())
    return {"machine": machine.describe(), "entries": {}}


def _keep(key: str, found: dict) -> None:
    result = _read()
    result["entries"][key] = found
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(key, found, flush=True)


def table(entries: dict) -> str:
    """A Markdown table: a row a set and code, each method's mean error, the worst PCA ratio."""
    means: dict[tuple, dict[str, list[float]]] = {}
    for key, found in entries.items():
        name, method, code, _, _ = key.split()
        means.setdefault((name, int(code)), {}).setdefault(method, []).append(found["error"])
    methods = [
        one for one in ("mean", "pca", "mlp", *MODELS) if any(one in row for row in means.values())
    ]
    lines = [
        f"| set | code | {' | '.join(methods)} | auto / PCA, worst seed |",
        f"|---|---|{'---|' * len(methods)}---|",
    ]
    for (name, code), row in means.items():
        cells = [f"{np.mean(row[one]):.4f}" if one in row else "" for one in methods]
        ratio = f"{max(row['auto']) / row['pca'][0]:.2f}" if {"auto", "pca"} <= row.keys() else ""
        lines.append(f"| {name} | {code} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
