"""Values in every form of source, and what becomes of them, which the tests of scales share."""

import zipfile
from pathlib import Path

import numpy as np
import tifffile

from autoencode import Config, data
from autoencode.data.choice import PROBED, choose_plan

HEIGHT, WIDTH = 6, 5


def oracle(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Stored values (N, H, W) as pixels (N, H, W, 1), not yet rounded."""
    floats = (values.astype(np.float64) - low) / (high - low)
    return 255 * np.clip(floats, 0, 1)[..., np.newaxis]


def near(found: np.ndarray, expected: np.ndarray) -> None:
    """Check that uint8 pixels are what `expected` is when it is rounded."""
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.5 + 1e-4


def read(source: object, **options: object) -> tuple[np.ndarray, str]:
    """All images of a source in their order, and what was said about them."""
    config = Config(**options)
    dataset = data.open_dataset(source, config)
    choice = choose_plan(dataset, config)
    chunks = list(dataset.read(np.arange(len(dataset)), choice.plan, strict=True))
    said = [*choice.notes, *dataset.value_notes(choice.plan.scale, PROBED)]
    return np.concatenate([chunk.pixels for chunk in chunks]), "\n".join(said)


def draw(low: float, high: float, dtype: str, count: int = 12, seed: int = 0) -> np.ndarray:
    """Images (N, H, W) whose values reach from `low` to `high`."""
    random = np.random.default_rng(seed)
    floats = random.uniform(low, high, (count, HEIGHT, WIDTH))
    values = floats.astype(dtype) if np.dtype(dtype).kind == "f" else np.round(floats).astype(dtype)
    values[count // 2, 2, 3], values[count // 3, 4, 1] = low, high
    return values


def as_array(values: np.ndarray, folder: Path) -> np.ndarray:
    return values


def as_npy(values: np.ndarray, folder: Path) -> Path:
    np.save(folder / "values.npy", values)
    return folder / "values.npy"


def as_npz(values: np.ndarray, folder: Path) -> Path:
    np.savez(folder / "values.npz", images=values)
    return folder / "values.npz"


def as_npys(values: np.ndarray, folder: Path) -> Path:
    top = folder / "arrays"
    top.mkdir()
    for index, image in enumerate(values):
        np.save(top / f"{index:03}.npy", image)
    return top


def as_tiffs(values: np.ndarray, folder: Path) -> Path:
    top = folder / "tiffs"
    top.mkdir()
    for index, image in enumerate(values):
        tifffile.imwrite(top / f"{index:03}.tif", image, photometric="minisblack")
    return top


def as_stack(values: np.ndarray, folder: Path) -> Path:
    tifffile.imwrite(folder / "stack.tif", values, photometric="minisblack")
    return folder / "stack.tif"


def as_zip(values: np.ndarray, folder: Path) -> Path:
    top = as_tiffs(values, folder)
    with zipfile.ZipFile(folder / "tiffs.zip", "w") as archive:
        for path in sorted(top.iterdir()):
            archive.write(path, path.name)
    return folder / "tiffs.zip"


def as_list(values: np.ndarray, folder: Path) -> list[np.ndarray]:
    return list(values)


FORMS = {
    one.__name__: one
    for one in (as_array, as_npy, as_npz, as_npys, as_tiffs, as_stack, as_zip, as_list)
}
