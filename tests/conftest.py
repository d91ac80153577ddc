"""What every test shares: the same random numbers in every run, and compiled programs."""

import atexit
import os
import random
import shutil
import tempfile

import pytest

# Most of the time of a small training is its compilation: 6.3 s for three epochs of 30 digits,
# 1.6 s where the program is there. Each process of the run has a folder of its own.
PROGRAMS = tempfile.mkdtemp(prefix="autoencode-programs-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = PROGRAMS
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
atexit.register(shutil.rmtree, PROGRAMS, ignore_errors=True)


@pytest.fixture(autouse=True)
def _same_random_numbers():
    """Keras's generators without a seed of their own take one from Python's."""
    random.seed(0)
