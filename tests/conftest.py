"""What every test shares: the same random numbers in every run, and compiled programs."""

import atexit
import gc
import os
import random
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

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


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_given_back():
    """A process may have 65,530 memory maps; beyond, XLA ends it. Each program takes a few."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None:
        gc.collect()
        jax.clear_caches()
        gc.collect()


# Packages of the extra `test-all`, and words in the name of a test that needs one.
OPTIONAL = {
    "atheris": ("fuzz",),
    "datasets": ("hugging", "dataset_dict"),
    "tensorflow": ("tensorflow",),
    "torch": ("torch",),
    "umap": ("umap",),
}

# What `make quick` skips: folders and files in which most tests train a model, 5 to 200 s each,
# and the tests that measured above 1.5 s of processor time in the other ones.
SLOW_PATHS = (
    "comparison",
    "data/test_attacks",
    "data/test_large",
    "data/test_mixed_scales",
    "data/test_source_commands",
    "engines",
    "estimator",
    "inference",
    "models",
    "objectives",
    "robustness",
    "runs",
    "test_api",
    "test_examples",
    "test_folds",
    "test_own_parts",
    "test_pipeline",
    "system/test_marks",
    "training/test_best_epoch",
    "training/test_image_checks",
    "training/test_warnings",
)
SLOW_TESTS = {
    "test_a_contact_sheet_lies_in_a_folder_of_its_own_or_where_out_says",
    "test_a_contact_sheet_replaces_no_other_file_unless_it_may",
    "test_a_decompression_bomb_is_refused",
    "test_a_named_set_comes_from_keras_cache_and_offline_says_where_to_put_it",
    "test_datasets_of_tensorflow",
    "test_memory_stays_bounded_however_many_cores",
    "test_of_two_loads_of_a_large_set_one_packs_and_the_other_waits",
    "test_of_two_packings_of_one_file_one_writes",
}


def is_slow(item: pytest.Item) -> bool:
    """Whether `make quick` skips a test."""
    path = item.path.relative_to(Path(__file__).parent).as_posix()
    return path.startswith(SLOW_PATHS) or item.originalname in SLOW_TESTS


def pytest_collection_modifyitems(items):
    """Mark slow tests; skip what needs a package that is not installed, and say which."""
    missing = {name: words for name, words in OPTIONAL.items() if find_spec(name) is None}
    for item in items:
        if is_slow(item):
            item.add_marker("slow")
        marked = [name for mark in item.iter_markers("needs") for name in mark.args]
        for name, words in missing.items():
            if name in marked or any(word in item.name.lower() for word in words):
                reason = f"needs {name}: pip install 'autoencode[test-all]'"
                item.add_marker(pytest.mark.skip(reason=reason))
