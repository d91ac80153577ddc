"""Time the convolutional model's training step beside Keras's `fit` on TensorFlow.

The peer runs the same model on a CPU. `python benchmarks/convolutions.py` renews
results/convolutions.json: images of 28x28 grey in batches of 256, and of 64x64 RGB in batches of
64, random pixels. Each contender is a process of its own and trains five times on the same images;
the fastest pass counts, when all is compiled.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import machine

RESULT = Path(__file__).parent / "results" / "convolutions.json"
PASSES = 5
# Side, channels, batch, images.
SIZES = {
    "28x28 grey": (28, 1, 256, 2560),
    "64x64 RGB": (64, 3, 64, 512),
}

PROGRAM = """
import json, sys, time
import numpy as np
from autoencode import Config, engines, pipeline
from autoencode.training import planning
how, engine_name = sys.argv[1:3]
side, channels, batch, count, passes = map(int, sys.argv[3:])
engines.load(engine_name, own_process=True)
shape = (side, side, channels)
images = np.random.default_rng(0).integers(0, 256, (count, *shape), "uint8")
config = planning.resolve(Config(model="conv", batch_size=batch))
rates = []
if how == "fit":
    model, _, optimizer = pipeline.assemble(config, shape, count)
    model.compile(optimizer=optimizer, loss="mse")
    targets = images.astype("float32") / 255
    train = lambda: model.fit(targets, targets, batch_size=batch, verbose=0)
else:
    engine = engines.start(engine_name, lambda: pipeline.assemble(config, shape, count), seed=0)
    placed, order = engine.place(images), engine.place(np.arange(count, dtype="int32"))
    train = lambda: engine.train(placed, order, 0, count // batch, batch)
for _ in range(passes):
    started = time.perf_counter()
    train()
    rates.append(count / (time.perf_counter() - started))
print(json.dumps(max(rates)))
"""
CONTENDERS = {
    "Keras `fit` on TensorFlow": ("fit", "tensorflow"),
    "autoencode on TensorFlow": ("ours", "tensorflow"),
    "autoencode on JAX": ("ours", "jax"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates = {size: {name: [] for name in CONTENDERS} for size in SIZES}
    for _ in range(options.rounds):
        for size, numbers in SIZES.items():
            for name, words in CONTENDERS.items():
                words = [sys.executable, "-c", PROGRAM, *words, *map(str, (*numbers, PASSES))]
                done = subprocess.run(words, check=True, capture_output=True, text=True)
                rates[size][name].append(json.loads(done.stdout.splitlines()[-1]))
                print(size, name, round(rates[size][name][-1]), flush=True)
    medians = {
        size: {name: statistics.median(one) for name, one in found.items()}
        for size, found in rates.items()
    }
    result = {
        "machine": machine.describe(),
        "rounds": options.rounds,
        "images_per_second": rates,
        "medians": medians,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
