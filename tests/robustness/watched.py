"""Processes of their own, in which a hostile or fuzzed file may do its worst."""

import os
import subprocess
import sys
from pathlib import Path


def run_watched(program: str, *words: str, cwd: str | None = None) -> subprocess.CompletedProcess:
    """Run the Python text `program`, which may import the files of this folder; return its end.

    Its output is text, in which U+FFFD stands for what is not UTF-8.
    """
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path},
    )
