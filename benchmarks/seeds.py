"""The article's losses over five seeds: renews results/seeds.json.

Run as `python benchmarks/seeds.py jax tensorflow`. Each engine trains in a process of its own, as
one process holds one.
"""

import json
import subprocess
import sys
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "seeds.json"
SEEDS = range(5)


def losses(engine: str) -> list[dict[str, float]]:
    """Return for each seed the loss after epoch 1 and the val_loss after epoch 10."""
    from autoencode import Config, watch

    rows = []
    for seed in SEEDS:
        epochs = list(watch("mnist", Config(engine=engine, seed=seed)))
        rows.append({"seed": seed, "loss_1": epochs[0].loss, "val_loss_10": epochs[-1].val_loss})
    return rows


def main() -> None:
    engines = sys.argv[1:]
    if len(engines) == 1:
        print(json.dumps(losses(engines[0])))
        return
    rows = {}
    for engine in engines:
        done = subprocess.run(
            [sys.executable, __file__, engine], check=True, capture_output=True, text=True
        )
        rows[engine] = json.loads(done.stdout.splitlines()[-1])
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
