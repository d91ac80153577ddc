"""Training from a packed store of 4 GB beside images in memory, tf.data and a DataLoader.

`python benchmarks/streaming.py` renews results/streaming.json. Each contender trains the article's
model in a process of its own; the peers' environments are those that `make bench` makes. The peers
read the same rows out of the same file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import machine
import numpy as np

from autoencode import data
from autoencode.data import store

HERE = Path(__file__).parent
RESULT = HERE / "results" / "streaming.json"
ROWS, TEST, EPOCHS = 5_150_000, 1_000, 2  # 4.04 GB of 28 x 28 bytes

OURS = """
import json, resource, sys
import numpy as np
from pathlib import Path
from autoencode import Config, Images, engines, pipeline, training
from autoencode.training import planning
from autoencode.data import store
where, path, epochs, model = sys.argv[1:]
engines.load("jax", own_process=True)
images = store.open_store(Path(path))
if where == "memory":
    images = Images("rows", np.array(images.train), np.array(images.test))
if model != "article":  # a part of the rows says the same
    images = Images("rows", images.train[:300_000], images.test)
config = planning.resolve(Config(model=model, epochs=int(epochs)))
count = len(images.train)
engine = engines.start("jax", lambda: pipeline.assemble(config, (28, 28, 1), count), seed=0)
events = training.train(engine, images, config)
rates = [event.images_per_second for event in events if isinstance(event, training.Epoch)]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({"images_per_second": rates[-1], "memory_mb": peak}))
"""


def make(path: Path, count: int = ROWS) -> None:
    """Pack MNIST's training images over and over, each time in another order."""
    images = data.load("mnist").train
    writer = store.Writer(path, "streaming")
    random, total = np.random.default_rng(0), count + TEST
    while writer.rows < total:
        rows = images[random.permutation(len(images))[: total - writer.rows]]
        writer.add(rows, len(rows), [])
    writer.finish(store.Contents("rows", images.shape[1:], {"train": count, "test": TEST}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--environments", type=Path, default=Path(".bench"))
    options = parser.parse_args()
    tensorflow, torch = (
        (options.environments / name / "bin" / "python") for name in ("tensorflow", "torch")
    )
    with tempfile.TemporaryDirectory() as work:
        path = Path(work, "rows.store")
        make(path)
        rows = (str(store.HEAD.size), str(ROWS))
        contenders = {
            "in memory": [sys.executable, "-c", OURS, "memory", path, EPOCHS, "article"],
            "from a store": [sys.executable, "-c", OURS, "store", path, EPOCHS, "article"],
            "deep, in memory": [sys.executable, "-c", OURS, "memory", path, EPOCHS, "dense"],
            "deep, from a store": [sys.executable, "-c", OURS, "store", path, EPOCHS, "dense"],
            "tf.data": [tensorflow, HERE / "peers" / "tf_data.py", path, *rows],
            "torch DataLoader": [torch, HERE / "peers" / "torch_loader.py", path, *rows],
        }
        runs = {name: [] for name, words in contenders.items() if Path(words[0]).exists()}
        for number in range(options.rounds):
            for name, found in runs.items():
                done = subprocess.run(
                    [str(word) for word in contenders[name]],
                    check=True,
                    capture_output=True,
                    text=True,
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                )
                found.append(json.loads(done.stdout.splitlines()[-1]))
                print(f"round {number + 1}: {name}: {found[-1]}", flush=True)
    rates = {
        name: statistics.median(run["images_per_second"] for run in found)
        for name, found in runs.items()
    }
    result = {
        "machine": machine.describe(),
        "rounds": options.rounds,
        "runs": runs,
        "store_to_memory": rates["from a store"] / rates["in memory"],
        "deep_store_to_memory": rates["deep, from a store"] / rates["deep, in memory"],
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(
        json.dumps(
            {key: result[key] for key in ("store_to_memory", "deep_store_to_memory")} | rates
        )
    )


if __name__ == "__main__":
    main()
