"""A million codes from a packed store: renews results/encoding.json.

Run as `python benchmarks/encoding.py`. The article's model encodes 1,000,000 images of 28 x 28.
Beside it NumPy scales the same rows of the same file to float32 and multiplies them with a kernel
of 784 x 16, block by block, which is its fastest way. In turn, each in a process of its own that
has read the file once; ours compiles within its time. The whole command, `autoencode encode`, is
timed too.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
from streaming import make

RESULT = Path(__file__).parent / "results" / "encoding.json"
ROWS = 1_000_000

NUMPY = """
import json, sys, time
from pathlib import Path
import numpy as np
from autoencode.data import store
rows = store.open_store(Path(sys.argv[1])).train
kernel = np.random.default_rng(0).random((784, 16), np.float32)
codes = np.empty((len(rows), 16), np.float32)
started = time.perf_counter()
for first in range(0, len(rows), 2048):
    block = rows[first : first + 2048].reshape(-1, 784)
    np.matmul(
        block.astype(np.float32) / np.float32(255),
        kernel,
        out=codes[first : first + len(block)],
    )
print(json.dumps(time.perf_counter() - started))
"""
OURS = """
import json, sys, time
from pathlib import Path
from autoencode.inference import saved_model
from autoencode.data import store
rows = store.open_store(Path(sys.argv[1])).train
opened = saved_model.open_model(saved_model.find_model(sys.argv[2]), own_process=True)
started = time.perf_counter()
codes = opened.encode(rows)
print(json.dumps(time.perf_counter() - started))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    seconds = {"numpy": [], "ours": [], "command": []}
    with tempfile.TemporaryDirectory() as work:
        path, run = Path(work, "rows.store"), Path(work, "run")
        make(path, ROWS)
        command = [sys.executable, "-m", "autoencode"]
        subprocess.run([*command, "train", "--epochs", "1", "--quiet", "--run", run], check=True)
        for _ in range(options.rounds):
            for name, program in (("numpy", NUMPY), ("ours", OURS)):
                words = [sys.executable, "-c", program, path, run]
                done = subprocess.run(words, check=True, capture_output=True, text=True)
                seconds[name].append(json.loads(done.stdout.splitlines()[-1]))
            started = time.perf_counter()
            words = [
                *command,
                "encode",
                run,
                path,
                "--part",
                "train",
                "--out",
                Path(work, "codes.npz"),
                "--overwrite",
            ]
            subprocess.run(words, check=True, capture_output=True)
            seconds["command"].append(time.perf_counter() - started)
            print({name: round(found[-1], 2) for name, found in seconds.items()}, flush=True)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    result = {
        "machine": machine.describe(),
        "rows": ROWS,
        "rounds": options.rounds,
        "seconds": seconds,
    }
    result |= {"medians": medians, "ours_to_numpy": medians["ours"] / medians["numpy"]}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(medians, round(result["ours_to_numpy"], 2))


if __name__ == "__main__":
    main()
