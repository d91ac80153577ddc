"""Own models, made elsewhere: a build function, an encoder and a decoder, or one Keras model.

Knows no Keras until a model is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from autoencode.errors import AutoencodeError, UsageError, reason
from autoencode.system.names import name_of

if TYPE_CHECKING:
    import keras
    import numpy as np

    Halves = tuple[keras.Model, keras.Model]

ENTRY_POINTS = "autoencode.models"  # the group by which an installed package offers models
EXPECTED = (
    "a name, a function build(shape, code, width), a pair (encoder, decoder), or a Keras model "
    "with the layers encoder and decoder"
)


def _is_of(package: str, value: object) -> bool:
    """Whether the class of `value`, or one it inherits, is of `package`, which is not imported."""
    return any(kind.__module__.split(".")[0] == package for kind in type(value).__mro__)


def _refuse_torch(model: object) -> None:
    """Raise `UsageError` for a module of PyTorch, alone or in a pair."""
    parts = model if isinstance(model, (tuple, list)) else (model,)
    if any(_is_of("torch", part) for part in parts):
        raise UsageError(
            "`model` takes Keras models, received a PyTorch module: build it of Keras layers, "
            "which run on PyTorch too with `engine=torch`."
        )


def build_of(model: object) -> Callable[..., Any]:
    """Return the function that builds an own `model`: itself, or one that hands out what is built.

    A model that is built already begins every training with the weights that it has now, and has
    the trained ones afterwards, as with Keras's `fit`. Raises `UsageError` for anything else.
    """
    _refuse_torch(model)
    if isinstance(model, (tuple, list)) and len(model) == 2 and all(map(_is_keras, model)):
        return Built(tuple(model))
    if _is_keras(model):
        return Built((model,))
    if callable(model) and not isinstance(model, type):
        return model
    raise UsageError(f"`model` takes {EXPECTED}, received {type(model).__name__}.")


@dataclass
class Built:
    """An own model that is built already: (encoder, decoder), or one model with both layers."""

    parts: tuple[keras.Model, ...]
    initial: list[list[np.ndarray]] = field(init=False)

    def __post_init__(self) -> None:
        for part in self.parts:
            _check_graph(part)
        self.initial = [part.get_weights() for part in self.parts]

    @property
    def code(self) -> int:
        """The size of the code."""
        return _split("it", self.parts if len(self.parts) == 2 else self.parts[0])[1]

    def reset(self) -> None:
        """Give the parts the weights again that they had when they were handed over."""
        for part, weights in zip(self.parts, self.initial, strict=True):
            part.set_weights(weights)

    def __call__(self, shape: tuple[int, int, int], code: int, width: float) -> Any:
        """Return the parts."""
        return self.parts if len(self.parts) == 2 else self.parts[0]


def entry_points() -> dict[str, metadata.EntryPoint]:
    """Return the models that installed packages offer, by name; none of them is imported."""
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}


def load_entry_point(point: metadata.EntryPoint) -> Callable[..., Any]:
    """Return the build function that an installed package offers.

    Raises `AutoencodeError` where it cannot be imported.
    """
    try:
        return build_of(point.load())
    except AutoencodeError:
        raise
    except Exception as error:
        raise AutoencodeError(
            f"model {point.name!r} of the installed package cannot be imported from {point.value} "
            f"({reason(error)}): install that package again, or choose another `model`."
        ) from error


def build_halves(
    name: str, build: Callable[..., Any], shape: tuple[int, int, int], code: int, width: float
) -> Halves:
    """Return encoder and decoder, plain functional Keras models, of the own model `name`.

    `build` is called with `shape` (H, W, C), `code` and `width`, as far as it takes them. Raises
    `UsageError` where its parts do not fit these sizes, with what was expected.
    """
    parts = _call(name, build, (shape, code, width))
    halves, size = _split(f"model {name}", parts)
    encoder, decoder = halves
    taken = encoder.input_shape[1:]
    if tuple(taken) != tuple(shape):
        raise UsageError(
            f"model {name} takes images of {_by_sides(taken)}, and those to train on have "
            f"{_by_sides(shape)}: build it for that shape, or set `size` and `colour`."
        )
    if size != code:
        raise UsageError(
            f"model {name} gives codes of {size}, and `code={code}` was asked for: "
            f"build it for that size, or set `code={size}`."
        )
    return encoder, decoder


def code_layer(encoder: keras.Model) -> keras.layers.Dense:
    """Return the dense layer that gives the codes of `encoder`.

    Raises `UsageError` where the codes come from another layer.
    """
    import keras

    names = [layer.name for layer in encoder.layers]
    last = encoder.get_layer("code") if "code" in names else encoder.layers[-1]
    if isinstance(last, keras.layers.Dense):
        return last
    raise UsageError(
        "`variational` needs an encoder that ends with a Dense layer, beside which its log "
        f"variances stand, this one ends with {type(last).__name__}: end it with Dense, "
        "or do without."
    )


def _is_keras(value: object) -> bool:
    return _is_of("keras", value)


def _check_graph(model: keras.Model) -> None:
    """Raise `UsageError` unless `model` is Functional, or Sequential with a known input."""
    try:
        known = bool(model.inputs) and bool(model.outputs)
    except (AttributeError, ValueError):
        known = False
    if not known:
        raise UsageError(
            f"`model` takes functional Keras models, {name_of(model)} ({type(model).__name__}) "
            "has no known input: begin it with keras.Input, or make it with "
            "keras.Model(inputs, outputs)."
        )


def _call(name: str, build: Callable[..., Any], given: tuple) -> Any:
    """Call `build` with as many of the arguments as it takes."""
    try:
        takes = inspect.signature(build)
    except (TypeError, ValueError):
        return build(*given)
    for count in (3, 2):
        try:
            takes.bind(*given[:count])
        except TypeError:
            continue
        return build(*given[:count])
    raise UsageError(f"expected build(shape, code, width), model {name} is {name}{takes}.")


def _split(name: str, parts: Any) -> tuple[Halves, int]:
    """Return encoder and decoder of what a build function returned, and the size of their code."""
    import keras

    from autoencode.models import halves

    is_pair = isinstance(parts, (tuple, list)) and len(parts) == 2
    _refuse_torch(parts)
    if not (is_pair and all(map(_is_keras, parts))) and not _is_keras(parts):
        received = type(parts).__name__
        raise UsageError(
            f"expected {name} to be a pair (encoder, decoder) of Keras models, received {received}."
        )
    for part in parts if is_pair else (parts,):
        _check_graph(part)
    try:
        if is_pair:
            encoder, decoder = map(_named, parts, ("encoder", "decoder"))
            images = keras.Input(encoder.input_shape[1:], name="images")
            parts = keras.Model(images, decoder(encoder(images)), name="autoencoder")
        found = halves.split(parts)
    except ValueError as error:
        raise UsageError(f"{name} cannot be built: {reason(error)[:300]}") from error
    except AutoencodeError as error:
        raise UsageError(f"{name}: {error}") from error
    return (_named(found.encoder, "encoder"), _named(found.decoder, "decoder")), found.code


def _named(model: keras.Model, name: str) -> keras.Model:
    """Return `model` as a functional one called `name`; its layers are shared."""
    import keras

    if model.name == name and not isinstance(model, keras.Sequential):
        return model
    return keras.Model(model.inputs[0], model.outputs[0], name=name)


def _by_sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
