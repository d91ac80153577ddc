"""How well each model reconstructs MNIST's test images from 16 numbers.

`python benchmarks/redrawing.py` renews the results. Three seeds each, the last epoch counts. A
round runs the article's program on TensorFlow 2.10, then the quick recipe, whose whole process must
end before it, then pythae's convolutional autoencoder for as long as the article's program took,
each a process of its own. Then come the best recipe, whose codes are then refined by `autoencode
reconstruct`, and every model at its defaults. Environments as `make bench` makes them.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import machine
import numpy as np
from speed import PEERS, environment, measure

from autoencode import Images, data, metrics, models

RESULT = Path(__file__).parent / "results" / "redrawing.json"
MEASURED = Path(models.__file__).with_name("measured.json")
QUICK = ("--model", "dense", "--epochs", "6")
MOVED = "shift:0.5+rotate:4+scale:0.04+elastic:0.5"
BEST = ("--model", "feedback", "--epochs", "30", "--augment", MOVED)
REFINE = 50
SEEDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, default=Path(".bench"))
    parser.add_argument("--python310", default="python3.10", help="for the TensorFlow 2.10 peer")
    parser.add_argument("--only", choices=["quick", "best", "models"])
    parser.add_argument(
        "--models", default=",".join(models.ARCHITECTURES), help="for --only models"
    )
    options = parser.parse_args()
    for name in (
        ("ours", "tensorflow-2.10", "pythae") if options.only in (None, "quick") else ("ours",)
    ):
        environment(name, options)
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    result["machine"] = machine.describe()
    images = data.load("mnist")
    result["pca"] = metrics.pca_error(images.train, images.test, 16)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if options.only in (None, "quick"):
            result["quick"] = {
                "recipe": " ".join(QUICK),
                "rounds": quick(options.environments, work, images),
            }
        if options.only in (None, "best"):
            runs = [
                ours(options.environments, work, BEST, seed, refine=REFINE) for seed in range(SEEDS)
            ]
            result["best"] = {"recipe": " ".join(BEST), "refine": REFINE, "runs": runs}
        if options.only in (None, "models"):
            table = json.loads(MEASURED.read_text())
            for name in options.models.split(","):
                runs = [
                    ours(options.environments, work, ("--model", name), seed)
                    for seed in range(SEEDS)
                ]
                result.setdefault("models", {})[name] = runs
                table[name] = {
                    "parameters": runs[0]["parameters"],
                    "mse": statistics.mean(run["mse"] for run in runs),
                    "recipe": "10 epochs",
                }
            MEASURED.write_text(json.dumps(table, indent=1) + "\n")
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def quick(environments: Path, work: Path, images: Images) -> list[dict[str, dict]]:
    np.savez(work / "mnist.npz", train=images.train[..., 0], test=images.test[..., 0])
    rounds = []
    for seed in range(SEEDS):
        found = {}
        words = [
            environments / "tensorflow-2.10" / "bin" / "python",
            PEERS / "article.py",
            work,
            work / "mnist.npz",
        ]
        lines, wall, memory = measure(words, {}, work / "stdout")
        found["article"] = {
            "mse": json.loads(lines[-1])["val_loss"],
            "seconds": wall,
            "memory_mb": memory,
        }
        found["ours"] = ours(environments, work, QUICK, seed)
        words = [
            environments / "pythae" / "bin" / "python",
            PEERS / "pythae_conv.py",
            work / "mnist.npz",
            wall,
            seed,
        ]
        lines, wall, memory = measure(words, {}, work / "stdout")
        found["pythae"] = json.loads(lines[-1]) | {"seconds": wall, "memory_mb": memory}
        print(json.dumps(found), flush=True)
        rounds.append(found)
    return rounds


def ours(
    environments: Path, work: Path, recipe: tuple[str, ...], seed: int, refine: int = 0
) -> dict[str, float]:
    """Run the command with an empty compilation cache; return what it reached.

    With `refine`, the errors with refined codes too.
    """
    with tempfile.TemporaryDirectory(dir=work) as folder:
        run = Path(folder, "run")
        program = environments / "ours" / "bin" / "autoencode"
        words = [program, "train", "--json", "--run", run, "--seed", seed, *recipe]
        cache, stdout = {"XDG_CACHE_HOME": folder}, Path(folder, "stdout")
        lines, wall, memory = measure(words, cache, stdout)
        last, record = json.loads(lines[-1]), json.loads((run / "config.json").read_text())
        refined = {}
        if refine:
            results = Path(folder, "refined.npz")
            words = [
                program,
                "reconstruct",
                run,
                "mnist",
                "--part",
                "test",
                "--refine",
                refine,
                "--out",
                results,
            ]
            _, seconds, _ = measure(words, cache, stdout)
            with np.load(results) as arrays:
                refined = {
                    "mse": float(arrays["errors"].mean(dtype=np.float64)),
                    "seconds": seconds,
                }
    found = {
        "mse": last["val_loss"],
        "loss": last["loss"],
        "epochs": last["epoch"],
        "parameters": record["parameters"],
        "engine": record["engine"],
        "epoch_seconds": last["seconds"],
        "seconds": wall,
        "memory_mb": memory,
    } | ({"refined": refined} if refined else {})
    print(" ".join(recipe), f"seed {seed}:", json.dumps(found), flush=True)
    return found


if __name__ == "__main__":
    main()
