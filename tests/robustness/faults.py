"""What goes wrong, many times over: kills, failing writes, damaged and hostile files.

It also measures what checkpoints cost. `python tests/robustness/faults.py kill --trials 100` renews
its part of results/faults.json; the other parts are writes, damage, hostile and cost, and
fuzzing.py does its own. tests/test_reliability.py runs a small share of each.
"""

from __future__ import annotations

import argparse
import builtins
import dataclasses
import errno
import io
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import h5py
import machine
import numpy as np
import watched
from PIL import Image

from autoencode import AutoencodeError, Config, Images, data, pipeline, runs
from autoencode.data import idx
from autoencode.runs import checkpoints, render, resume, schema
from autoencode.system.files import is_temporary
from autoencode.training import planning

RESULT = Path(__file__).parent / "results" / "faults.json"
CLOCKS = {"seconds", "step_seconds", "images_per_second", "crc32"}
PIXELS = np.random.default_rng(0).integers(0, 256, (70, 6, 5, 1), "uint8")
IMAGES = Images("noise", PIXELS, PIXELS[:9])
# Seeds, counters and a schedule are in the state too.
CONFIG = Config(
    model="article",
    epochs=3,
    batch_size=16,
    code=4,
    noise="gaussian",
    variational=1.0,
    schedule="cosine",
    holdout=0.0,
    engine=os.environ.get("AUTOENCODE_TESTED_ENGINE", "jax"),
)


@contextmanager
def one_engine() -> Iterator[None]:
    """Share one compiled engine between all trainings with the settings above.

    Each starts from its first state; compiling takes seconds.
    """
    kept, start = [], pipeline.start

    def start_once(name: str, images: Images, config: Config) -> Any:
        same = dataclasses.replace(
            config, epochs=CONFIG.epochs, engine=CONFIG.engine
        ) == planning.resolve(CONFIG)
        if not same:
            return start(name, images, config)
        if not kept:
            engine = start(name, images, config)
            kept.extend([engine, engine.state()])
        kept[0].restore(kept[1])
        return kept[0]

    pipeline.start = start_once
    try:
        yield
    finally:
        pipeline.start = start


def difference(one: Path, other: Path) -> list[str]:
    """Return in what two run folders differ, but for clocks and paths; nothing where alike."""
    found = []
    first, second = (
        [_untimed(line) for line in runs.Run.open(path).metrics()] for path in (one, other)
    )
    if first != second:
        found.append("metrics.jsonl")
    names = {"baseline.json", "doctor.json", "output.gif", "curve.png"}
    for path in (one, other):
        names |= {
            str(found.relative_to(path))
            for found in [*path.glob("example*.png"), *path.glob("arrays/*.npy")]
        }
    found += [name for name in sorted(names) if _content(one / name) != _content(other / name)]
    if not _alike(_weights(one), _weights(other)):
        found.append("model.keras")
    states = [
        checkpoints.read_newest_checkpoint(path / "checkpoint")[0].arrays["good"]
        for path in (one, other)
    ]
    if not _alike(*states):
        found.append("checkpoint")
    return found


def _untimed(line: dict) -> dict:
    return {key: value for key, value in line.items() if key not in CLOCKS}


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _weights(run: Path) -> list[np.ndarray]:
    found = []
    with zipfile.ZipFile(run / "model.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(
            lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None
        )
    return found


def _alike(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(first, second) for first, second in zip(one, other, strict=True)
    )


# Kills

# The command, with checkpoints within epochs that last a moment.
COMMAND = (
    "from autoencode.runs import recorder; from autoencode.training import pace;"
    "pace.CHUNK_SECONDS, recorder.CHECKPOINT_SECONDS, recorder.CHECKPOINT_SHARE = 0.01, 0.005, 1.0;"
    "from autoencode.cli import main; main()"
)
KILLED = ["--epochs", "6", "--batch-size", "32", "--noise", "gaussian", "--quiet"]


def _train(folder: Path, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "train", *words],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(process: subprocess.Popen, path: Path) -> float:
    while not path.exists() and process.poll() is None:
        time.sleep(0.002)
    return time.perf_counter()


def kill(trials: int, engine: str = "jax", seed: int = 0) -> dict[str, Any]:
    """Kill a training at a random moment, resume it, and compare it with an undisturbed one."""
    draw, differing, states = random.Random(seed), [], Counter()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        np.save(
            folder / "images.npy",
            np.random.default_rng(0).integers(0, 256, (12_000, 12, 12, 1), "uint8"),
        )
        words = ["images.npy", *KILLED, "--engine", engine]
        with _train(folder, *words, "--run", "whole") as process:
            began = _wait_for(process, folder / "whole" / "config.json")
            if process.wait():
                raise RuntimeError(process.stderr.read())
        seconds = time.perf_counter() - began
        for trial in range(trials):
            name = f"run{trial}"
            with _train(folder, *words, "--run", name) as process:
                _wait_for(process, folder / name / "config.json")
                time.sleep(draw.uniform(0, seconds))
                process.kill()
            before, _ = checkpoints.read_newest_checkpoint(folder / name / "checkpoint")
            states[_where(before)] += 1
            if runs.Run.open(folder / name).state()["state"] != "finished":
                with _train(folder, "--resume", name, "--quiet") as again:
                    errors = again.communicate()[1]
                if again.returncode:
                    differing.append(f"{name}: {errors}")
                    continue
            if found := difference(folder / "whole", folder / name):
                differing.append(f"{name}: {', '.join(found)}")
            shutil.rmtree(folder / name)
    return {"trials": trials, "engine": engine, "killed": dict(states), "differing": differing}


def _where(checkpoint: checkpoints.Checkpoint | None) -> str:
    if checkpoint is None:
        return "before any checkpoint"
    return "within an epoch" if checkpoint.notes["step"] else "after an epoch"


# Writes that fail

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)


class _FailingFile:
    """A file whose writes are counted, and may fail."""

    def __init__(self, file: Any, count: Callable[[str], None]) -> None:
        self._file, self._count = file, count

    def write(self, content: Any) -> int:
        self._count("write")
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@contextmanager
def failing(folder: Path, place: int, number: int) -> Iterator[list[str]]:
    """Let operation `place` that changes something in `folder` fail with system error `number`.

    Gives the list of operations so far.
    """
    done, lock, place_of = [], threading.Lock(), str(folder)
    opened, kept = io.open, {name: getattr(os, name) for name in ("replace", "mkdir", "fsync")}

    def count(what: str) -> None:
        with lock:
            done.append(what)
            failed = len(done) - 1 == place
        if failed:
            raise OSError(number, os.strerror(number))

    def open_counted(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        ours = (
            isinstance(file, (str, os.PathLike))
            and os.fspath(file).startswith(place_of)
            and set(mode) & set("wax+")
        )
        if not ours:
            return opened(file, mode, *rest, **named)
        count("open")
        return _FailingFile(opened(file, mode, *rest, **named), count)

    def counted(name: str) -> Callable:
        def run(first: Any, *rest: Any, **named: Any) -> Any:
            if isinstance(first, int) or os.fspath(first).startswith(place_of):
                count(name)
            return kept[name](first, *rest, **named)

        return run

    io.open = builtins.open = open_counted
    for name in kept:
        setattr(os, name, counted(name))
    try:
        yield done
    finally:
        io.open = builtins.open = opened
        for name, function in kept.items():
            setattr(os, name, function)


def writes(trials: int) -> dict[str, Any]:
    """Let each write of a run fail in turn, look at every file left, and resume.

    `trials` of the writes are evenly spaced.
    """
    wrong, told = [], Counter()
    with tempfile.TemporaryDirectory() as work, one_engine():
        whole = pipeline.run(IMAGES, CONFIG, Path(work, "whole"))
        with failing(Path(work, "counted"), -1, 0) as done:
            pipeline.run(IMAGES, CONFIG, Path(work, "counted"))
        total = len(done)
        for trial in range(trials):
            place, number = (
                trial * total // trials if trials < total else trial % total,
                ERRORS[trial % len(ERRORS)],
            )
            folder = Path(work, f"run{trial}")
            try:
                with failing(folder, place, number):
                    pipeline.run(IMAGES, CONFIG, folder)
                told["no error, since the file was not needed"] += 1
            except AutoencodeError as error:
                told["one line"] += 1
                if "\n" in str(error):
                    wrong.append(f"write {place}: more than one line")
            wrong += [f"write {place}: {name}" for name in damaged_files(folder)]
            wrong += [
                f"write {place}: after going on, {name} differs" for name in _go_on(folder, whole)
            ]
            shutil.rmtree(folder, ignore_errors=True)
    return {"trials": trials, "writes of a run": total, "told": dict(told), "wrong": wrong}


def _go_on(folder: Path, whole: Path) -> list[str]:
    if not (folder / runs.RECORD).exists():
        return []  # it failed before there was a run
    if runs.Run.open(folder).state()["state"] != "finished":
        pipeline.resume(folder, source=IMAGES)
    return difference(whole, folder)


def damaged_files(folder: Path) -> list[str]:
    """Return the files of a run folder that are not whole, and the temporary ones."""
    found = []
    for path in folder.rglob("*"):
        try:
            if is_temporary(path.name):
                raise ValueError("a temporary file")
            _read(path)
        except Exception as error:  # noqa: BLE001 - whatever a reader raises
            found.append(f"{path.relative_to(folder)}: {error}")
    return found


def _read(path: Path) -> None:
    if path.suffix == ".json":
        schema.unseal(json.loads(path.read_text()))
    elif path.suffix == ".jsonl":
        runs.parse_metrics(path.read_bytes())
    elif path.suffix == ".npy":
        np.load(path, allow_pickle=False)
    elif path.suffix in (".png", ".gif"):
        with Image.open(path) as picture:
            picture.load()
    elif path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise ValueError("a wrong checksum")
    elif path.suffix == ".checkpoint":
        checkpoints._read(path)
    elif path.suffix == ".html" and not path.read_text().endswith("</html>\n"):
        raise ValueError("it has no end")


# Damage


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise `TimeoutError` after so many seconds."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"over {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return `content` with one byte flipped, or its tail cut off."""
    place = draw.randrange(len(content))
    if draw.random() < 0.3:
        return content[:place]
    return content[:place] + bytes([content[place] ^ draw.randrange(1, 256)]) + content[place + 1 :]


def damage(trials: int, seed: int = 0) -> dict[str, Any]:
    """Damage one file at a time, of a run folder and of sources in turn, and use its owner."""
    draw, outcomes, wrong = random.Random(seed), Counter(), []
    with tempfile.TemporaryDirectory() as work, one_engine():
        whole = pipeline.run(IMAGES, CONFIG, Path(work, "whole"))
        sets = source_files(Path(work))
        for trial in range(trials):
            try:
                with limited(60):
                    outcome = _damage_run(whole, draw) if trial % 2 else _damage_source(sets, draw)
            except Exception as error:  # noqa: BLE001 - what is being looked for
                wrong.append(f"trial {trial}: {type(error).__name__}: {error}")
            else:
                outcomes[outcome] += 1
    return {"trials": trials, "outcomes": dict(outcomes), "wrong": wrong}


DRAWN = ("output.gif", "curve.png", "report.html")


def _damage_run(whole: Path, draw: random.Random) -> str:
    folder = whole.with_name("damaged")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    path = draw.choice(
        sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    )
    path.write_bytes(damaged(path.read_bytes(), draw))
    kind = path.name.strip("0123456789.").replace("example", "drawn ")
    try:
        run = runs.Run.open(folder)
        render.render_run(run)
        _, resumed = resume.plan_resume(run, epochs=9)
    except AutoencodeError as error:
        if "\n" in str(error):
            raise ValueError("more than one line") from error
        return "run folder: told"
    drawn = [*DRAWN, *(path.name for path in whole.glob("example*.png"))]
    if any((folder / name).read_bytes() != (whole / name).read_bytes() for name in drawn):
        raise ValueError(f"damage to {path.name} shows in a picture")
    known = [checkpoints._read(one).arrays["good"] for one in sorted(whole.glob("checkpoint/*"))]
    if not any(_alike(resumed.good, good) for good in known):
        raise ValueError(f"damage to {path.name} ({kind}) is in the state")
    return "run folder: the same result"


def source_files(work: Path) -> dict[str, tuple[Path, bool]]:
    """Write the same sixteen images in every format.

    Return each path, and whether its format has a checksum.
    """
    folder, found = work / "sources", {}
    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (16, 8, 8), "uint8")
    for kind, checked in {
        "png": True,
        "jpg": False,
        "bmp": False,
        "tif": False,
        "gif": False,
        "webp": False,
    }.items():
        (folder / kind).mkdir()
        for index, image in enumerate(pixels):
            Image.fromarray(image).save(folder / kind / f"{index:02}.{kind}")
        found[kind] = folder / kind, checked
    shutil.make_archive(str(folder / "set"), "zip", folder / "png")
    for mode in ("", "gz"):
        with tarfile.open(folder / f"set.tar{mode and '.' + mode}", f"w:{mode}") as archive:
            archive.add(folder / "png", "png")
    np.save(folder / "set.npy", pixels)
    np.savez(folder / "set.npz", images=pixels)
    idx.write(pixels, folder / "set-idx3-ubyte")
    idx.write(pixels, folder / "set-idx3-ubyte.gz")
    data.pack(str(folder / "set.npy"), folder / "set.store", Config())
    checked = {"zip": True, "tar": True, "tar.gz": True, "npy": False, "npz": True, "store": True}
    found |= {kind: (folder / f"set.{kind}", checks) for kind, checks in checked.items()}
    return found | {
        "idx": (folder / "set-idx3-ubyte", False),
        "idx.gz": (folder / "set-idx3-ubyte.gz", True),
    }


def _damage_source(sets: dict[str, tuple[Path, bool]], draw: random.Random) -> str:
    kind = draw.choice(sorted(sets))
    path, checked = sets[kind]
    file = draw.choice(sorted(path.iterdir())) if path.is_dir() else path
    content, config = file.read_bytes(), Config(size="8", colour="grey")
    known = {row.tobytes() for part in _rows(path, config) for row in part}
    file.write_bytes(damaged(content, draw))
    try:
        rows = [row for part in _rows(path, config) for row in part]
    except AutoencodeError as error:
        if "\n" in str(error):
            raise ValueError("more than one line") from error
        return "source: told"
    finally:
        file.write_bytes(content)
    strange = sum(row.tobytes() not in known for row in rows)
    if strange and checked:
        raise ValueError(f"{kind}: a picture that was not there")
    return (
        "source: other pixels, in a format without checksum"
        if strange
        else "source: the same result, or left out"
    )


def _rows(path: Path, config: Config) -> tuple[np.ndarray, np.ndarray]:
    images = data.load(str(path), config)
    return np.array(images.train), np.array(images.test)


# Hostile files

JUDGE = """
import json, os, sys, tempfile, time
from pathlib import Path
os.environ["CANARY"] = sys.argv[1]
os.environ["KERAS_BACKEND"] = "jax"
import hostile, faults
from autoencode import AutoencodeError, engines
engines.load("jax", own_process=True)
faults.resource_of_models()
for name in sys.argv[2:]:
    with tempfile.TemporaryDirectory() as folder, faults.limited(120):
        Path("/proc/self/clear_refs").write_text("5")
        started, outcome = time.perf_counter(), "harmless"
        try:
            hostile.CASES[name](Path(folder))
        except AutoencodeError as error:
            outcome = "told" if "\\n" not in str(error) else "more than one line"
        except BaseException as error:
            outcome = f"wrong: {type(error).__name__}: {error}"
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))
    seconds = time.perf_counter() - started
    print(json.dumps([name, outcome, peak, seconds, Path(sys.argv[1]).exists()]), flush=True)
"""


def resource_of_models() -> None:
    """Load a whole model: what Keras needs anyway does not count for the first hostile one."""
    import hostile

    with tempfile.TemporaryDirectory() as folder:
        hostile.open_model(Path(folder), hostile.model_file(Path(folder)))


def judge(names: list[str] | None = None) -> dict[str, Any]:
    """Open every hostile file in a watched process: does it run code, fill memory or end it?"""
    import hostile

    names = names or list(hostile.CASES)
    with tempfile.TemporaryDirectory() as work:
        done = watched.run_watched(JUDGE, str(Path(work, "canary")), *names, cwd=work)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [
        f"{name}: {outcome}" for name, outcome, *_ in found if outcome not in ("told", "harmless")
    ]
    wrong += [f"{name}: used {peak:,.0f} MB" for name, _, peak, *_ in found if peak > 1000]
    wrong += [f"{name}: ran code" for name, *_, ran in found if ran]
    if len(found) < len(names):
        wrong.append(f"{names[len(found)]}: ended the process: {done.stderr[-500:]}")
    return {
        "trials": len(names),
        "outcomes": dict(Counter(outcome for _, outcome, *_ in found)),
        "most_mb": round(max(peak for _, _, peak, *_ in found)),
        "most_seconds": round(max(seconds for *_, seconds, _ in found), 1),
        "harmless": [name for name, outcome, *_ in found if outcome == "harmless"],
        "wrong": wrong,
    }


# What checkpoints cost

TIMED = (
    "import sys; from autoencode import runs;"
    "kept = sys.argv.pop(1) == 'with';"
    "runs.RunWriter.save_checkpoint = runs.RunWriter.save_checkpoint if kept else lambda *_: None;"
    "from autoencode.cli import main; main()"
)


def cost(trials: int) -> dict[str, Any]:
    """Train the article's job with and without checkpoints in turn.

    Return medians of the epochs and of the process.
    """
    seconds = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as work:
        for trial in range(trials + 1):
            for which, found in seconds.items():
                words = [
                    sys.executable,
                    "-c",
                    TIMED,
                    which,
                    "train",
                    "--quiet",
                    "--run",
                    f"{which}{trial}",
                ]
                started = time.perf_counter()
                subprocess.run(words, cwd=work, check=True)
                whole = time.perf_counter() - started
                epochs = [
                    line["seconds"]
                    for line in runs.Run.open(Path(work, f"{which}{trial}")).metrics()
                ]
                if trial:  # the first fills the cache of programs
                    found.append((whole, statistics.median(epochs[1:])))
    found = {
        which: [statistics.median(part) for part in zip(*rows, strict=True)]
        for which, rows in seconds.items()
    }
    return {
        "trials": trials,
        "process_seconds": {which: round(rows[0], 3) for which, rows in found.items()},
        "epoch_seconds": {which: round(rows[1], 4) for which, rows in found.items()},
        "process_share": round(found["with"][0] / found["without"][0] - 1, 4),
        "epoch_share": round(found["with"][1] / found["without"][1] - 1, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("kill", "writes", "damage", "hostile", "cost"))
    parser.add_argument(
        "--trials", type=int, help="all there are by default, for writes; else 100, 2000, 10"
    )
    parser.add_argument("--engine", default="jax", help="of the kills")
    options = parser.parse_args()
    parts = {
        "kill": lambda: kill(options.trials or 100, options.engine),
        "writes": lambda: writes(options.trials or 300),
        "damage": lambda: damage(options.trials or 2000),
        "hostile": judge,
        "cost": lambda: cost(options.trials or 10),
    }
    name = f"{options.part}_{options.engine}" if options.part == "kill" else options.part
    report(name, parts[options.part]())


def report(name: str, found: dict[str, Any]) -> None:
    """Print what was found, and keep it in results/faults.json."""
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    results |= {"machine": machine.describe(), name: found}
    RESULT.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
