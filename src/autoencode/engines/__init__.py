"""Room 3: a model and arrays become trained weights. One file an engine, one small contract; knows no file and prints nothing.

Choosing an engine loads nothing; `load` sets Keras's backend and imports the framework, once a process.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from autoencode.errors import AutoencodeError, UsageError, unknown

if TYPE_CHECKING:
    import keras
    import numpy as np

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
COPY_WARNING = "__array__ implementation doesn't accept a copy keyword"  # NumPy's, since 2.0
BACKEND = "KERAS_BACKEND"  # the variable of the environment that Keras reads when it is imported
_set_by_user: dict[str, str | None] = {}  # its value before an engine was announced
# What a process of the command's own keeps from the import of Keras, see `_light_import`.
OPTIONAL = ("matplotlib", "requests", "sklearn")  # TensorFlow itself needs requests
STOOD_IN_FOR = (
    "scipy.sparse",  # JAX's sparse solvers
    "scipy.sparse.linalg",
    "jax.experimental.pallas.ops.tpu.splash_attention",  # Keras's attention on a TPU
)


class Redrawn(NamedTuple):
    """What a model makes of a batch of images."""

    images: np.ndarray
    """Reconstructions, uint8 (N, H, W, C)."""
    errors: np.ndarray
    """Mean squared error of each, pixels in [0, 1], float32 (N,)."""
    codes: np.ndarray
    """Float32 (N, code)."""
    least: float
    """The smallest value of all outputs, before they were cut to [0, 1]."""
    largest: float
    """The largest."""


class Parts(NamedTuple):
    """What an engine trains: the model, the objective over its layers, and the optimizer of the objective's weights."""

    model: keras.Model
    objective: keras.Model
    optimizer: keras.Optimizer


class Engine(Protocol):
    """What every engine does. Images and orders are handed over once with `place`, and then trained on in chunks."""

    name: str
    device: str
    model: keras.Model
    """The Keras model. Its weights are those of the last `update_model`."""

    def place(self, array: np.ndarray) -> Any:
        """Return `array` where the compiled steps read it, which may be where it lies: keep it as it is until then."""

    def compile(self, images: Any, order: Any, batch_size: int, evaluated: np.ndarray) -> None:
        """Make ready what `train` at `batch_size` and `reconstruct` of `evaluated` run, and change no state.

        Never needed, only faster: another thread may call it while `train` runs.
        """

    def train(
        self, images: Any, order: Any, first: int, steps: int, batch_size: int, total: float = 0.0
    ) -> float:
        """Take `steps` optimizer steps and return `total` plus their losses, each times the images of its batch.

        One loss is added after the other in float32, so that a sum does not depend on where chunks ended.
        Step i reads the images order[first + i * batch_size:][:batch_size]; `images` is a placed uint8 (N, H, W, C),
        `order` a placed int32 (N,).
        """

    def reconstruct(self, images: np.ndarray) -> Redrawn:
        """Return what the model makes of uint8 (N, H, W, C)."""

    def update_model(self) -> None:
        """Write the trained weights into `model`."""

    def read_model(self) -> None:
        """Take the weights of `model` into the state, where others than the engine have set them."""

    def state(self) -> list[np.ndarray]:
        """Return all that the next step depends on: trainable weights, the others, the optimizer's."""

    def restore(self, state: list[np.ndarray]) -> None:
        """Take back what `state` gave."""

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate of all later steps by `factor`, which becomes a part of the state."""


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
            f"engine {name!r} needs a package that is not installed; install it with: {INSTALL[name]}"
        )
    return name


def _backend_of_user() -> str | None:
    """The engine that the user chose by KERAS_BACKEND, if any; `UsageError` for an unknown one."""
    value = _set_by_user.get(BACKEND, os.environ.get(BACKEND))
    if value and value not in MODULES:
        raise UsageError(
            f"{BACKEND} is {value!r}, which is no engine: "
            f"set it to {_listed(MODULES)}, or unset it."
        )
    return value or None


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"


def _accelerated() -> bool:
    """Whether JAX has support for an accelerator, which comes as a plugin that names itself in this group."""
    return bool(metadata.entry_points(group="jax_plugins"))


def announce(name: str) -> None:
    """Make `name` the backend of Keras wherever it is imported first, until `load` has done so.

    Keras reads KERAS_BACKEND once. Afterwards the variable is again what the user made it, for
    `choose` and for the processes that this one starts.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "keras" in sys.modules:
        return
    _set_by_user.setdefault(BACKEND, os.environ.get(BACKEND))
    os.environ[BACKEND] = name


def load(name: str, *, alone: bool = False) -> ModuleType:
    """Import the engine `name` and Keras on its backend, and return the engine's module.

    `alone` is for a process that is the command's own: what Keras would import there without need
    is kept from it.
    """
    announce(name)
    # Arrays of TensorFlow and PyTorch, and Keras's variables on JAX, cause it whenever they are
    # copied to NumPy. It must not end a training where the user makes errors of warnings.
    warnings.filterwarnings("ignore", COPY_WARNING, DeprecationWarning)
    with contextlib.ExitStack() as around:
        around.callback(_restore_backend)
        if alone:
            around.enter_context(_light_import(name))
        if alone and name == "tensorflow":
            around.enter_context(_stderr_closed())
        module = import_module(MODULES[name])
    if alone and name != "tensorflow":
        _save_without_tensorflow()
    return module


def _restore_backend() -> None:
    if BACKEND not in _set_by_user:
        return
    value = _set_by_user.pop(BACKEND)
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
        sys.modules["tensorflow"] = None
    try:
        yield
    finally:
        if hidden:
            sys.modules.pop("tensorflow", None)


def start(
    name: str, build: Callable[[], Parts], *, seed: int, precision: str = "float32"
) -> Engine:
    """Return the engine `name`, ready to train what `build` returns; the same `seed`, the same weights.

    `precision` is float32, bfloat16, or auto: bfloat16 where JAX has an accelerator, whose products it doubles in speed.
    """
    engine = load(name).Engine
    import keras  # not before: the first import chooses the backend

    def build_all() -> Parts:
        parts = build()
        parts.optimizer.build(parts.objective.trainable_variables)
        return parts

    narrow = precision == "bfloat16" or (precision == "auto" and _accelerated())
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if narrow else "float32")
    try:
        with _seeded(seed):
            return engine(build_all)
    finally:
        keras.config.set_dtype_policy(before)


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return `model` as a compiled function of one batch: NumPy in, float32 out, on the backend that Keras runs on.

    uint8 is taken for pixels and scaled to [0, 1] on the device. Later changes of the weights may not be seen.
    """
    import keras

    return load(keras.config.backend()).compiled(model)


def slopes(
    decoder: keras.Model,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return a compiled function of codes, float32 (N, K), and uint8 images (N, H, W, C) on the backend that Keras runs on.

    It gives the mean squared error of each image as `decoder` redraws it from its code, pixels in [0, 1], float32 (N,), and
    the gradient of that error by the code, float32 (N, K). Later changes of the weights may not be seen.
    """
    import keras

    return load(keras.config.backend()).slopes(decoder)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` what Keras draws from Python's `random`, the seeds of its layers; leave the caller's state alone.

    (keras.utils.set_random_seed would import TensorFlow wherever it is installed: 2 s and 450 MB.)
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    """Keep off the screen what TensorFlow's C++ says of missing GPUs while it is imported, before it reads its log level."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
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

    Optional packages seem not to be installed. Modules that JAX or Keras bind to a name, and use in functions that no
    model here calls, are stood in for; SciPy loads its own when one is used after all.
    """
    kept_out = dict.fromkeys(OPTIONAL) | {name: _StandIn(name) for name in STOOD_IN_FOR}
    if engine == "tensorflow":
        del kept_out["requests"]
    kept_out = {name: module for name, module in kept_out.items() if name not in sys.modules}
    sys.modules.update(kept_out)  # None makes an import fail as if nothing were installed
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
