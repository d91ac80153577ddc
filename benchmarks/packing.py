"""Packing a folder of JPEGs beside Pillow alone: `python benchmarks/packing.py` renews results/packing.json.

The pictures, 20,000 of 256 x 256 pixels, are made first. Pillow alone decodes and shrinks the same files to 64 x 64, in
draft mode, in as many processes as there are cores, and keeps nothing.
"""

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np
from PIL import Image

RESULT = Path(__file__).parent / "results" / "packing.json"
COUNT, SIDE, SMALL, ROUNDS, CHUNK = 20_000, 256, 64, 3, 64


def make(folder: Path) -> list[Path]:
    """Write the pictures: smooth colours under noise, which compress as photographs do."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(COUNT):
        smooth = Image.fromarray(random.integers(0, 256, (16, 16, 3), "uint8")).resize((SIDE, SIDE), Image.BICUBIC)
        pixels = np.asarray(smooth).astype(np.int16) + random.integers(-12, 12, (SIDE, SIDE, 3), np.int16)
        paths.append(folder / f"{number:05}.jpg")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=88)
    return paths


def shrink(paths: list[Path]) -> None:
    """What Pillow alone does."""
    for path in paths:
        with Image.open(path) as picture:
            picture.draft("RGB", (SMALL, SMALL))
            picture.convert("RGB").resize((SMALL, SMALL), Image.Resampling.LANCZOS)


def main() -> None:
    rows = {"pillow": [], "pack": [], "pack, decoding alone": []}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "pictures")
        folder.mkdir()
        paths = make(folder)
        chunks = [paths[first : first + CHUNK] for first in range(0, COUNT, CHUNK)]
        for _ in range(ROUNDS):
            with multiprocessing.Pool(os.cpu_count()) as pool:
                pool.map(len, chunks[:8])  # the processes have started
                started = time.perf_counter()
                pool.map(shrink, chunks, chunksize=1)
                rows["pillow"].append(time.perf_counter() - started)
            whole, decoding = pack(folder, Path(work, "pictures.store"))
            rows["pack"].append(whole)
            rows["pack, decoding alone"].append(decoding)
            print({name: round(seconds[-1], 2) for name, seconds in rows.items()}, flush=True)
    medians = {name: statistics.median(seconds) for name, seconds in rows.items()}
    result = {
        "machine": machine.describe(),
        "pictures": COUNT,
        "rounds": ROUNDS,
        "seconds": rows,
        "share_of_pillow": {name: medians["pillow"] / medians[name] for name in rows},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["share_of_pillow"]))


def pack(folder: Path, store: Path) -> tuple[float, float]:
    """Return the seconds of the whole command, and those from the first chunk of pictures to the last."""
    code = (
        "import sys, time; from pathlib import Path; from autoencode import Config, sources; seen = []\n"
        "note = lambda done, total: seen.append(time.perf_counter())\n"
        f"sources.pack({str(folder)!r}, Path({str(store)!r}), Config(size='{SMALL}'), note)\n"
        "print(seen[-1] - seen[0])"
    )
    store.unlink(missing_ok=True)
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return time.perf_counter() - started, float(done.stdout)


if __name__ == "__main__":
    main()
