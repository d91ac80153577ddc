"""Coverage-guided fuzzing of every reader of files, by Atheris.

Whatever reaches new code of ours is changed further. `python tests/robustness/fuzzing.py --seconds
600` renews its part of results/faults.json. An input begins with a byte that says which reader it
is for, so that one process can try several; tests/test_reliability.py does so for a moment.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import os
import random
import re
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faults
import watched

from autoencode import AutoencodeError, Config, data, pipeline, runs
from autoencode.data import store
from autoencode.runs import checkpoints, resume, schema

CRASHES = Path(__file__).parents[2] / ".bench" / "crashes"  # inputs that a reader did not survive
RUN_FILES = {
    "config": ("config.json", lambda run: run.record),
    "metrics": ("metrics.jsonl", lambda run: run.metrics()),
    "arrays": (
        "arrays/originals.npy",
        lambda run: run.originals(),
    ),
    "state": ("state.json", lambda run: run.state()),
    "checkpoint": ("checkpoint/0.checkpoint", lambda run: resume.plan_resume(run, epochs=9)),
}
SOURCES = {kind: f"set.{kind}" for kind in ("store", "npz", "npy", "zip", "tar")}
SOURCES |= {"idx": "set-idx3-ubyte", "idx.gz": "set-idx3-ubyte.gz"}
READERS = [*RUN_FILES, *SOURCES]
# Pieces that random bytes seldom hit on.
WORDS = (
    "null",
    "-1",
    "1e999",
    "[]",
    "{}",
    "true",
    "9" * 40,
    "[" * 60,
    "\\\\ud800",
    "\\xff\\xff\\xff\\xff",
    "\\x00\\x00\\x00\\x80",
)
LIMITS = ["-timeout=60", "-max_len=20000", "-print_final_stats=1"]
MOST_MEMORY = 1000  # MB that reading may take
# What each process runs. All of the package is followed, also what it imports late.
WITHIN = """
import sys
import atheris
with atheris.instrument_imports(include=["autoencode"]):
    import fuzzing
    fuzzing.run_within(*sys.argv[1:])
"""


def fuzz(seconds: float, names: Sequence[str] = READERS, together: bool = False) -> dict[str, Any]:
    """Change whole files for so many seconds a reader, or for all `together`.

    Return what was tried and what went wrong.
    """
    with tempfile.TemporaryDirectory() as work:
        write_files(Path(work))
        groups = [list(names)] if together else [[name] for name in names]
        with ThreadPoolExecutor(1 if together else os.cpu_count()) as processes:
            found = list(processes.map(functools.partial(_fuzz_apart, Path(work), seconds), groups))
    wrong = [
        f"{', '.join(group)}: {one['wrong']}"
        for group, one in zip(groups, found, strict=True)
        if one["wrong"]
    ]
    told = {
        ", ".join(group): {key: one[key] for key in ("inputs", "kept", "branches")}
        for group, one in zip(groups, found, strict=True)
    }
    return {"seconds": seconds, "readers": told, "wrong": wrong}


def write_files(work: Path) -> None:
    """Write a whole file for every reader into `work`."""
    with faults.one_engine():
        pipeline.run(faults.IMAGES, faults.CONFIG, work / "run")
    faults.source_files(work)
    (work / "words").write_text("".join(f'"{word}"\n' for word in WORDS))


def _whole(work: Path, name: str) -> Path:
    return (
        work / "run" / RUN_FILES[name][0] if name in RUN_FILES else work / "sources" / SOURCES[name]
    )


def _fuzz_apart(work: Path, seconds: float, names: list[str]) -> dict[str, Any]:
    """Let a process of its own fuzz `names`: libFuzzer ends the one that it runs in."""
    CRASHES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own:
        corpus = Path(own, "corpus")
        corpus.mkdir()
        for name in names:
            (corpus / name).write_bytes(
                bytes([READERS.index(name)]) + _whole(work, name).read_bytes()
            )
        words = [str(work), own, str(corpus), *LIMITS]
        # A new process is said to have had as much. The module is not there on Windows.
        import resource

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        words += [
            f"-rss_limit_mb={before + MOST_MEMORY}",
            f"-max_total_time={max(1, round(seconds))}",
            f"-dict={work / 'words'}",
            f"-artifact_prefix={CRASHES}/",
        ]
        done = watched.run_watched(WITHIN, *words)
        kept = len(list(corpus.iterdir()))
    inputs, branches = (
        int((re.findall(pattern, done.stderr) or [0])[-1])
        for pattern in (r"number_of_executed_units: (\d+)", r"cov: (\d+)")
    )
    told = re.search(r"(?:Uncaught Python exception: ===\n|ERROR: )(.*)", done.stdout + done.stderr)
    wrong = "" if done.returncode == 0 and inputs else told[1] if told else done.stderr[-500:]
    return {"inputs": inputs, "kept": kept, "branches": branches, "wrong": wrong}


def run_within(work: str, own: str, *words: str) -> None:
    """Fuzz in this process, with libFuzzer's `words`; never returns."""
    import atheris

    # Mutate is another function once Setup has run.
    change = functools.partial(_changed, lambda content, most: atheris.Mutate(content, most))
    atheris.Setup(
        [__file__, *words], functools.partial(_try, Path(work), Path(own)), custom_mutator=change
    )
    atheris.Fuzz()


def _try(work: Path, own: Path, content: bytes) -> None:
    """Read what a stranger wrote; raise what is no `AutoencodeError` of one line."""
    if not content:
        return
    name, content = READERS[content[0] % len(READERS)], content[1:]
    try:
        if name in RUN_FILES:
            _read_run(work, own, name, content)
        else:
            path = own / SOURCES[name]
            path.write_bytes(content)
            data.load(str(path), Config(size="8", colour="grey"))
    except AutoencodeError as error:
        if "\n" in str(error):
            raise ValueError("more than one line") from error


def _read_run(work: Path, own: Path, name: str, content: bytes) -> None:
    """Read a run folder in which one file has another content; its other files are whole."""
    file, read = RUN_FILES[name]
    folder = own / "run"
    if not folder.exists():
        for path in (work / "run").rglob("*"):
            if path.is_file() and "example" not in path.name:
                (folder / path.relative_to(work / "run")).parent.mkdir(parents=True, exist_ok=True)
                os.link(path, folder / path.relative_to(work / "run"))
    (folder / file).unlink()
    try:
        (folder / file).write_bytes(content)
        read(runs.Run.open(folder))
    finally:
        (folder / file).unlink()
        os.link(work / "run" / file, folder / file)


def _changed(mutate: Callable[[bytes, int], bytes], content: bytes, most: int, seed: int) -> bytes:
    """`content` changed by libFuzzer, half of the time with the right checksums.

    An attacker who knows the format would write those.
    """
    name, inner, knowing = (
        READERS[content[0] % len(READERS)],
        content[1:],
        random.Random(seed).random() < 0.5,
    )
    if knowing and name == "idx.gz":
        try:
            changed = gzip.compress(mutate(gzip.decompress(inner)[:most], most - 100), 1)
            return content[:1] + changed[: most - 1]
        except (OSError, EOFError, zlib.error):
            pass
    changed = mutate(inner, most - 1)
    return content[:1] + (_with_right_checksum(name, changed) if knowing else changed)[: most - 1]


def _with_right_checksum(name: str, content: bytes) -> bytes:
    """`content` as it is where it is past mending."""
    try:
        if name in ("config", "state"):
            return _sealed(content)
        if name == "metrics":
            return b"\n".join(map(_sealed, content.splitlines()))
        if name == "checkpoint":
            checksum = zlib.crc32(content[checkpoints.HEAD.size :]).to_bytes(4, "little")
            return content[:20] + checksum + content[24:]
        if name == "store":
            length = store.TAIL.unpack(content[-store.TAIL.size :])[0]
            text = content[-store.TAIL.size - length : -store.TAIL.size]
            return content[: -store.TAIL.size] + store.TAIL.pack(
                len(text), zlib.crc32(text), store.END
            )
    except (ValueError, RecursionError, struct.error):
        pass
    return content


def _sealed(content: bytes) -> bytes:
    record = json.loads(content)
    if not isinstance(record, dict):
        return content
    record.pop(schema.CHECKSUM, None)
    return json.dumps(schema.seal(record)).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="for each reader")
    parser.add_argument("--only", nargs="+", default=READERS, choices=READERS)
    options = parser.parse_args()
    faults.report("fuzz", fuzz(options.seconds, options.only))


if __name__ == "__main__":
    main()
