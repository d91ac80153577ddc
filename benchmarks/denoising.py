"""Noise removed from MNIST's test images: renews results/denoising.json.

Run as `python benchmarks/denoising.py`. A row a noise: the noisy image itself, a median filter,
non-local means, PCA, and a model trained with `--noise`, all on the same noisy test images. Each
classical method gets the best of its settings by the test images themselves, which favours it; the
model has one recipe for all rows and its last epoch counts. PSNR and SSIM are means over images.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import machine
import numpy as np
from scipy.ndimage import median_filter
from skimage.restoration import denoise_nl_means

from autoencode import Autoencoder, Images, data, images, metrics

RESULT = Path(__file__).parent / "results" / "denoising.json"
NOISES = (
    "gaussian:0.1",
    "gaussian:0.2",
    "gaussian:0.4",
    "salt:0.1",
    "salt:0.3",
    "mask:0.25",
    "mask:0.5",
)
RECIPE = {"code": 256, "model": "dense", "width": 2.0, "epochs": 12}
MEDIANS, STRENGTHS, COMPONENTS = (3, 5), (0.6, 0.8, 1.0, 1.2), (16, 32, 64, 100, 150, 250)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--noises", nargs="+", default=NOISES, choices=NOISES)
    options = parser.parse_args()
    mnist = data.load("mnist")
    pca = metrics.PCA.fit(mnist.train, mnist.train[0].size)
    rows = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else {}
    for noise in options.noises:
        noisy = disturbed(mnist.test, noise)
        row = {
            name: max(
                (_measured(mnist.test, found) for found in results), key=lambda one: one["psnr"]
            )
            for name, results in classical(noisy, mnist.test, pca).items()
        }
        row["ours"] = [
            _measured(mnist.test, ours(mnist, noisy, noise, seed)) for seed in range(options.seeds)
        ]
        rows[noise] = row
        print(noise, {name: _psnr(found) for name, found in row.items()}, flush=True)
        result = {
            "machine": machine.describe(),
            "recipe": RECIPE,
            "rows": {name: rows[name] for name in NOISES if name in rows},
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


def disturbed(clean: np.ndarray, noise: str) -> np.ndarray:
    """Return uint8 images, as of a camera, with noise named as by `--noise` but drawn by NumPy."""
    name, strength = noise.split(":")
    random, share = np.random.default_rng(0), float(strength)
    if name == "gaussian":
        return images.to_pixels(clean / 255 + random.normal(0, share, clean.shape))
    drawn = random.random(clean.shape)
    if name == "mask":
        return np.where(drawn < share, 0, clean).astype(np.uint8)
    return np.where(drawn < share / 2, 0, np.where(drawn < share, 255, clean)).astype(np.uint8)


def classical(
    noisy: np.ndarray, clean: np.ndarray, pca: metrics.PCA
) -> dict[str, Iterator[np.ndarray]]:
    """Return what each classical method makes of `noisy` in each of its settings, uint8."""
    deviation = float((noisy / 255 - clean / 255).std())
    return {
        "noisy": iter([noisy]),
        "median": (median_filter(noisy, (1, size, size, 1)) for size in MEDIANS),
        "nl_means": (_each(noisy, _nl_means(deviation, strength)) for strength in STRENGTHS),
        "pca": (_projected(noisy, pca, count) for count in COMPONENTS),
    }


def ours(mnist: Images, noisy: np.ndarray, noise: str, seed: int) -> np.ndarray:
    """Return what a model trained with that noise makes of `noisy`, uint8."""
    return Autoencoder(noise=noise, seed=seed, **RECIPE).fit(mnist.train).denoise(noisy)


def _nl_means(deviation: float, strength: float) -> Callable[[np.ndarray], np.ndarray]:
    # fast_mode, patches of 5 x 5 within 6 pixels: the settings of scikit-image's own example.
    words = {
        "patch_size": 5,
        "patch_distance": 6,
        "h": strength * deviation,
        "sigma": deviation,
        "fast_mode": True,
    }
    return lambda plane: denoise_nl_means(plane / 255, **words)


def _each(noisy: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return images.to_pixels(np.stack([work(plane) for plane in noisy[..., 0]])[..., None])


def _projected(noisy: np.ndarray, pca: metrics.PCA, count: int) -> np.ndarray:
    fewer = metrics.PCA(pca.mean, pca.components[:, -count:], pca.shape, pca.deviations[-count:])
    return images.to_pixels(fewer.decode(fewer.encode(noisy)))


def _measured(clean: np.ndarray, found: np.ndarray) -> dict[str, float]:
    errors = metrics.squared_errors(clean, found / np.float32(255))
    return {
        key: value
        for key, value in metrics.measure_reconstructions(clean, found, errors).items()
        if key != "mse"
    }


def _psnr(found: dict[str, float] | list[dict[str, float]]) -> float:
    return round(
        statistics.mean(one["psnr"] for one in (found if isinstance(found, list) else [found])), 2
    )


if __name__ == "__main__":
    main()
