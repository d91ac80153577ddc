"""Packing a folder of JPEGs beside Pillow alone: renews results/packing.json.

Run as `python benchmarks/packing.py`. The pictures, 20,000 of 256 x 256 pixels, are made first. A
script of Pillow alone (peers/pillow_pool.py) shrinks the same files to 64 x 64 and keeps nothing.
Each is timed twice: the whole process, and from the first pictures to the last.
"""

import json
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
PEER = Path(__file__).parent / "peers" / "pillow_pool.py"
COUNT, SIDE, SMALL, ROUNDS = 20_000, 256, 64, 5
PACK = """
import sys, time
from pathlib import Path
from autoencode import Config, data
folder, store, side = sys.argv[1:]
seen = []
config = Config(size=side)
data.pack(folder, Path(store), config, lambda done, total: seen.append(time.perf_counter()))
print(seen[-1] - seen[0])
"""


def make(folder: Path) -> None:
    """Write the pictures: smooth colours under noise, which compress as photographs do."""
    random = np.random.default_rng(0)
    for number in range(COUNT):
        smooth = Image.fromarray(random.integers(0, 256, (16, 16, 3), "uint8")).resize(
            (SIDE, SIDE), Image.BICUBIC
        )
        pixels = np.asarray(smooth).astype(np.int16) + random.integers(
            -12, 12, (SIDE, SIDE, 3), np.int16
        )
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
            folder / f"{number:05}.jpg", quality=88
        )


def main() -> None:
    seconds = {name: {"whole": [], "decoding": []} for name in ("pillow", "pack")}
    with tempfile.TemporaryDirectory() as work:
        folder, store = Path(work, "pictures"), Path(work, "pictures.store")
        folder.mkdir()
        make(folder)
        commands = {
            "pillow": [sys.executable, PEER, folder, str(SMALL)],
            "pack": [sys.executable, "-c", PACK, folder, store, str(SMALL)],
        }
        for _ in range(ROUNDS):
            store.unlink(missing_ok=True)
            for name, command in commands.items():
                started = time.perf_counter()
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                seconds[name]["whole"].append(time.perf_counter() - started)
                seconds[name]["decoding"].append(float(done.stdout))
            print({name: round(rows["whole"][-1], 2) for name, rows in seconds.items()}, flush=True)
    shares = {
        part: statistics.median(seconds["pillow"][part]) / statistics.median(seconds["pack"][part])
        for part in ("whole", "decoding")
    }
    result = {
        "machine": machine.describe(),
        "pictures": COUNT,
        "rounds": ROUNDS,
        "seconds": seconds,
        "share_of_pillow": shares,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(shares))


if __name__ == "__main__":
    main()
