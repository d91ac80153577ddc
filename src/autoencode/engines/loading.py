"""Keras and a framework, imported as fast as that goes."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from autoencode.engines.selection import BACKEND, MODULES, announce, set_by_user

COPY_WARNING = "__array__ implementation doesn't accept a copy keyword"  # NumPy's, since 2.0
# What a process of the command's own keeps from the import of Keras, see `_light_import`.
OPTIONAL = ("matplotlib", "requests", "sklearn")  # TensorFlow itself needs requests
STOOD_IN_FOR = (
    "scipy.sparse",  # JAX's sparse solvers
    "scipy.sparse.linalg",
    "jax.experimental.pallas.ops.tpu.splash_attention",  # Keras's attention on a TPU
)
# As the import system takes it: a module that is None seems not installed.
_modules: dict[str, Any] = sys.modules


def load(name: str, *, own_process: bool = False) -> ModuleType:
    """Import the engine `name` and Keras on its backend, and return the engine's module.

    `own_process` is for a process that is the command's own: what Keras would import there without
    need is kept from it.
    """
    announce(name)
    # Arrays of TensorFlow and PyTorch, and Keras's variables on JAX, cause it whenever they are
    # copied to NumPy. It must not end a training where the user makes errors of warnings.
    warnings.filterwarnings("ignore", COPY_WARNING, DeprecationWarning)
    with contextlib.ExitStack() as around:
        around.callback(_restore_backend)
        if own_process:
            around.enter_context(_light_import(name))
        if own_process and name == "tensorflow":
            around.enter_context(_stderr_closed())
        module = import_module(MODULES[name])
    if own_process and name != "tensorflow":
        _save_without_tensorflow()
    return module


def _restore_backend() -> None:
    if BACKEND not in set_by_user:
        return
    value = set_by_user.pop(BACKEND)
    if value is None:
        os.environ.pop(BACKEND, None)
    else:
        os.environ[BACKEND] = value


def _save_without_tensorflow() -> None:
    """Let Keras find no TensorFlow when it saves a model: importing it takes 2 s and 450 MB.

    Keras asks once, at the first object that it serializes, and remembers. TensorFlow must not
    stay hidden: a layer such as Rescaling takes its name among the modules for one in use.
    """
    import keras

    with without_tensorflow():
        keras.saving.serialize_keras_object(keras.initializers.Zeros())


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """Make TensorFlow seem not installed, unless it is imported already."""
    hidden = "tensorflow" not in sys.modules
    if hidden:
        _modules["tensorflow"] = None
    try:
        yield
    finally:
        if hidden:
            sys.modules.pop("tensorflow", None)


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    """Keep TensorFlow's messages on missing GPUs off the screen while it is imported.

    Its C++ writes them before it reads its log level.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _light_import(engine: str) -> Iterator[None]:
    """Keep from Keras's import what it takes along without need: 1.3 s of 1.9.

    Optional packages seem not to be installed. Modules that JAX or Keras bind to a name, and use in
    functions that no model here calls, are replaced; SciPy loads its own when one is used after
    all.
    """
    kept_out = dict.fromkeys(OPTIONAL) | {name: _StandIn(name) for name in STOOD_IN_FOR}
    if engine == "tensorflow":
        del kept_out["requests"]
    kept_out = {name: module for name, module in kept_out.items() if name not in sys.modules}
    _modules.update(kept_out)
    try:
        yield
    finally:
        for name in kept_out:
            del sys.modules[name]


class _StandIn(ModuleType):
    """A module that seems to hold every name."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
