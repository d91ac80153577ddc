"""This machine, and the least time that one epoch of the article's model can take on it."""

import os
import platform
import time
from pathlib import Path

import numpy as np

PIXELS, CODE, TRAIN, TEST = 784, 16, 60_000, 10_000
PRODUCT = 2 * PIXELS * CODE  # operations of one image and one layer
# Two products forward; backward the gradients of both kernels and of the code.
# The evaluation goes forward alone.
OPERATIONS = 5 * TRAIN * PRODUCT + 2 * TEST * PRODUCT
BYTES = (
    TRAIN + TEST
) * PIXELS  # every image is read once as uint8; the weights fit in a core's cache


def describe() -> dict[str, str | int]:
    """Return processor, cores, memory in GB, system and Python."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def floor() -> dict[str, float]:
    """Return the float32 matrix rate, the memory bandwidth and the least seconds for one epoch.

    Only products count as operations: sigmoid, loss and optimizer come on top, so no program can
    reach the floor.
    """
    rate, bandwidth = _matrix_rate(), _bandwidth()
    return {
        "gflops": rate / 1e9,
        "gb_per_second": bandwidth / 1e9,
        "epoch_seconds": max(OPERATIONS / rate, BYTES / bandwidth),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def _matrix_rate(size: int = 3072) -> float:
    matrix = np.random.default_rng(0).random((size, size), np.float32)
    return 2 * size**3 / _best(lambda: matrix @ matrix)


def _bandwidth(count: int = 2**26) -> float:
    source, target = np.ones(count, np.float32), np.ones(count, np.float32)
    return 2 * source.nbytes / _best(lambda: np.copyto(target, source))  # read and written


def _best(work, rounds: int = 7) -> float:
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
