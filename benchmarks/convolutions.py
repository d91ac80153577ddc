"""The convolutional model's own training step beside Keras's `fit` of the same model on TensorFlow, the peer on a CPU.

`python benchmarks/convolutions.py` renews results/convolutions.json. Each contender is a process of its own and trains three
times on the same 12,800 images, on JAX, which takes minutes, on the first 2,560; the fastest pass counts, when all is compiled.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import machine

RESULT = Path(__file__).parent / "results" / "convolutions.json"
COUNT, FEWER, PASSES = 12_800, 2_560, 3

PROGRAM = """
import json, sys, time
import numpy as np
from autoencode import Config, engines, pipeline, planning, data
how, engine_name, count, passes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
engines.load(engine_name, alone=True)
images = data.load("mnist").train[:count]
config = planning.complete(Config(model="conv"))
rates = []
if how == "fit":
    model, _, optimizer = pipeline.assemble(config, (28, 28, 1), count)
    model.compile(optimizer=optimizer, loss="mse")
    targets = images.astype("float32") / 255
    train = lambda: model.fit(targets, targets, batch_size=256, verbose=0)
else:
    engine = engines.start(engine_name, lambda: pipeline.assemble(config, (28, 28, 1), count), seed=0)
    placed, order = engine.place(images), engine.place(np.arange(count, dtype="int32"))
    train = lambda: engine.train(placed, order, 0, count // 256, 256)
for _ in range(passes):
    started = time.perf_counter()
    train()
    rates.append(count / (time.perf_counter() - started))
print(json.dumps(max(rates)))
"""
CONTENDERS = {
    "Keras `fit` on TensorFlow": ("fit", "tensorflow", COUNT),
    "autoencode, `auto`: TensorFlow": ("ours", "tensorflow", COUNT),
    "autoencode on JAX": ("ours", "jax", FEWER),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates = {name: [] for name in CONTENDERS}
    for _ in range(options.rounds):
        for name, words in CONTENDERS.items():
            words = [sys.executable, "-c", PROGRAM, *map(str, words), str(PASSES)]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            rates[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(name, round(rates[name][-1]), flush=True)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    result = {"machine": machine.describe(), "rounds": options.rounds, "images_per_second": rates, "medians": medians}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
