"""What every test shares: the same random numbers in every run, and compiled programs."""

import atexit
import os
import random
import shutil
import tempfile
from importlib.util import find_spec

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


# Packages of the extra `test-all`, and words in the name of a test that needs one.
OPTIONAL = {
    "atheris": ("fuzz",),
    "datasets": ("hugging", "dataset_dict"),
    "tensorflow": ("tensorflow",),
    "torch": ("torch",),
    "umap": ("umap",),
}


def pytest_collection_modifyitems(items):
    """Skip what needs a package that is not installed, and say which."""
    missing = {name: words for name, words in OPTIONAL.items() if find_spec(name) is None}
    for item in items:
        marked = [name for mark in item.iter_markers("needs") for name in mark.args]
        for name, words in missing.items():
            if name in marked or any(word in item.name.lower() for word in words):
                reason = f"needs {name}: pip install 'autoencode[test-all]'"
                item.add_marker(pytest.mark.skip(reason=reason))
