"""The article's job, ours and its peers' in turn on one machine.

`make bench` runs this and renews the README's tables. Each peer lives in a virtual environment of
its own under .bench, made from the pinned versions beside its program. A round runs every contender
once. Wall time and peak memory are the operating system's for the whole process.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import machine
import numpy as np

from autoencode import data

HERE = Path(__file__).parent
PEERS, RESULT = HERE / "peers", HERE / "results" / "speed.json"
STEADY = 5  # the last epochs, when everything is compiled


@dataclass(frozen=True)
class Contender:
    """A program, the environment it runs in, and what it is called in the table."""

    name: str
    environment: str
    words: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    ours: bool = False
    first: bool = False  # the compilation cache is emptied before


CONTENDERS = (
    Contender("article's program, TensorFlow 2.10", "tensorflow-2.10", ("article.py",)),
    Contender("article's program, TensorFlow 2.21", "tensorflow", ("article.py",)),
    Contender("Keras `fit` on JAX", "keras-jax", ("keras_fit.py",), {"KERAS_BACKEND": "jax"}),
    Contender("PyTorch, eager", "torch", ("pytorch.py", "eager")),
    Contender("PyTorch, `torch.compile`", "torch", ("pytorch.py", "compile")),
    Contender("autoencode on JAX, first run ever", "ours", (), ours=True, first=True),
    Contender("autoencode on JAX, from the second run", "ours", (), ours=True),
    Contender("autoencode on TensorFlow", "ours", ("--engine", "tensorflow"), ours=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--python310", default="python3.10", help="for the TensorFlow 2.10 peer")
    parser.add_argument("--environments", type=Path, default=Path(".bench"))
    options = parser.parse_args()
    contenders = [one for one in CONTENDERS if environment(one.environment, options)]
    runs = {contender.name: [] for contender in contenders}
    helps = {"ours": [], "empty": []}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        images = data.load("mnist")
        np.savez(work / "mnist.npz", train=images.train[..., 0], test=images.test[..., 0])
        for number in range(options.rounds):
            for contender in contenders:
                runs[contender.name].append(_run(contender, options.environments, work))
                print(
                    f"round {number + 1}: {contender.name}: {json.dumps(runs[contender.name][-1])}",
                    flush=True,
                )
            for _ in range(5):
                for name, seconds in helps.items():
                    seconds.append(_help(name, options.environments))
    result = {
        "machine": machine.describe(),
        "floor": machine.floor(),
        "rounds": options.rounds,
        "contenders": [
            {"name": one.name, "ours": one.ours, "runs": runs[one.name]} for one in contenders
        ],
        "help_seconds": {name: statistics.median(seconds) for name, seconds in helps.items()},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def environment(name: str, options: argparse.Namespace) -> bool:
    """Make the virtual environment `name` unless it is there; False where its Python is missing."""
    path = options.environments / name
    install = [path / "bin" / "python", "-m", "pip", "install", "--quiet"]
    if name == "ours" and (path / "made").exists():
        subprocess.run([*install, "--no-deps", HERE.parent], check=True)  # as the checkout is today
    if (path / "made").exists():
        return True
    python = options.python310 if name == "tensorflow-2.10" else sys.executable
    if shutil.which(python) is None or subprocess.call([python, "--version"]):
        print(f"skipped: {name} needs {python}, which is not there (see --python310)")
        return False
    subprocess.run([python, "-m", "venv", "--clear", path], check=True)
    ours = ("--constraint", HERE.parent / "constraints.txt", f"{HERE.parent}[tensorflow]")
    words = ours if name == "ours" else ("--requirement", PEERS / f"{name}.txt")
    subprocess.run([*install, *words], check=True)
    (path / "made").touch()
    return True


def _run(contender: Contender, environments: Path, work: Path) -> dict[str, float]:
    out, cache = work / "out", work / "cache"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if contender.first:
        shutil.rmtree(cache, ignore_errors=True)
    programs = (environments / contender.environment / "bin").absolute()
    if contender.ours:
        words = [programs / "autoencode", "train", "--json", "--run", out / "run", *contender.words]
    else:
        program, *rest = contender.words
        words = [programs / "python", PEERS / program, out, work / "mnist.npz", *rest]
    variables = {"XDG_CACHE_HOME": str(cache)} | contender.variables
    lines, wall, memory = measure(words, variables, work / "stdout")
    if contender.ours:
        epochs = [json.loads(line) for line in lines]
        seconds, val_loss = [epoch["seconds"] for epoch in epochs], epochs[-1]["val_loss"]
    else:
        last = json.loads(lines[-1])
        seconds, val_loss = last["epoch_seconds"], last["val_loss"]
    epoch = statistics.median(seconds[-STEADY:])
    return {"wall_seconds": wall, "epoch_seconds": epoch, "memory_mb": memory, "val_loss": val_loss}


def _help(name: str, environments: Path) -> float:
    program = (environments / "ours" / "bin" / "autoencode").absolute()
    words = (
        [program, "--help"]
        if name == "ours"
        else [program.with_name("python"), PEERS / "empty.py", "--help"]
    )
    started = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - started


def measure(words: list, variables: dict[str, str], output: Path) -> tuple[list[str], float, float]:
    """Run `words` with `variables` set; return its stdout lines, seconds and peak memory in MB."""
    started = time.perf_counter()
    with output.open("w") as stdout, output.with_suffix(".errors").open("w") as stderr:
        process = subprocess.Popen(
            [str(word) for word in words], stdout=stdout, stderr=stderr, env=os.environ | variables
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status:
        sys.exit(f"{words} failed:\n{output.with_suffix('.errors').read_text()}")
    return output.read_text().splitlines(), wall, usage.ru_maxrss / 1000


if __name__ == "__main__":
    main()
