"""Which engine computes: chosen in one function, before the first import of Keras."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module, metadata
from importlib.util import find_spec

from autoencode.errors import AutoencodeError, UsageError, unknown

MODULES = {
    "jax": "autoencode.engines.jax",
    "tensorflow": "autoencode.engines.tensorflow",
    "torch": "autoencode.engines.keras",
}
INSTALL = {
    "jax": "pip install jax",
    "tensorflow": "pip install 'autoencode[tensorflow]'",
    "torch": "pip install torch",
}
BACKEND = "KERAS_BACKEND"  # the variable of the environment that Keras reads when it is imported
set_by_user: dict[str, str | None] = {}  # its value before an engine was announced


def choose(name: str) -> str:
    """Return the engine that `name` stands for, without importing one.

    "auto" is the backend that Keras already runs on in this process; else what the user set
    KERAS_BACKEND to; else JAX.
    Raises `UsageError` for an unknown name, in KERAS_BACKEND too, and for a second engine in one
    process, `AutoencodeError` with the install command for one that is not installed.
    """
    if name not in ("auto", *MODULES):
        raise unknown("engine", name, ("auto", *MODULES))

    # `import_module` waits for another thread that is still importing Keras.
    running = import_module("keras").config.backend() if "keras" in sys.modules else None
    if running not in (None, *MODULES):
        raise UsageError(
            f"Keras already runs on {running!r} in this process, and no engine does: start a new "
            f"process, and set {BACKEND} to {_listed(MODULES)} there, or unset it."
        )
    if name == "auto":
        name = running or _backend_of_user() or "jax"
    if running not in (None, name):
        raise UsageError(
            f"engine {name!r} cannot start: Keras already runs on {running!r} in this process. "
            f"Use engine {running!r}, or start a new process."
        )
    if find_spec(name) is None:
        raise AutoencodeError(
            f"engine {name!r} needs a package that is not installed; "
            f"install it with: {INSTALL[name]}"
        )
    return name


def _backend_of_user() -> str | None:
    """The engine that the user chose by KERAS_BACKEND, if any; `UsageError` for an unknown one."""
    value = set_by_user.get(BACKEND, os.environ.get(BACKEND))
    if value and value not in MODULES:
        raise UsageError(
            f"{BACKEND} is {value!r}, which is no engine: "
            f"set it to {_listed(MODULES)}, or unset it."
        )
    return value or None


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"


def accelerated() -> bool:
    """Whether JAX has support for an accelerator, which comes as a plugin."""
    return bool(metadata.entry_points(group="jax_plugins"))


def announce(name: str) -> None:
    """Make `name` the backend of Keras wherever it is imported first, until `load` has done so.

    Keras reads KERAS_BACKEND once. Afterwards the variable is again what the user made it, for
    `choose` and for the processes that this one starts.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "keras" in sys.modules:
        return
    set_by_user.setdefault(BACKEND, os.environ.get(BACKEND))
    os.environ[BACKEND] = name
