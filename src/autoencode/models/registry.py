"""Architectures by name, and what is known of each before Keras is loaded.

What makes the pixels, and what moves them after that, computes in float32 whatever the rest does
(Keras's guide "Mixed precision"): in bfloat16 a sigmoid of 6 rounds to 1, where no gradient passes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoencode.errors import UsageError, unknown
from autoencode.models import own
from autoencode.system.names import name_of

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class Architecture:
    """What is known of an architecture before Keras is loaded, and how it is best trained.

    `batch_normalised` says whether layers normalise over a batch; `quantized_rate` is the learning
    rate where the code is quantized, if it differs; `starts_as_pca` says that the model is PCA
    before it is trained, see `initialise`. `build` is the function of an own model, see
    `register_model`; the others have a file of their name.
    """

    summary: str
    optimizer: str
    learning_rate: float
    schedule: str
    batch_normalised: bool = False
    quantized_rate: float | None = None
    starts_as_pca: bool = False
    build: Callable[..., Any] | None = None


ARCHITECTURES = {
    # Codes within [-1, 1] and no normalisation after them ask for larger weights: 8 bits end at
    # 0.0211 and not 0.0278.
    "article": Architecture(
        "one dense layer down to the code, one back", "adam", 1e-3, "constant", quantized_rate=1e-2
    ),
    "dense": Architecture(
        "dense layers, each normalised by its root mean square", "adamw", 4e-3, "cosine"
    ),
    "conv": Architecture(
        "convolutions that halve the image, then dense layers",
        "adamw",
        2e-3,
        "cosine",
        batch_normalised=True,
    ),
    "feedback": Architecture(
        "dense layers that decode a first code, see what is missing, and correct the code",
        "adamw",
        4e-3,
        "cosine",
    ),
    "residual": Architecture(
        "PCA, and dense layers that learn what a linear code cannot",
        "adamw",
        4e-3,
        "cosine",
        starts_as_pca=True,
    ),
    "patch": Architecture("patches mixed by dense layers (MLP-Mixer)", "adamw", 2e-3, "cosine"),
}


OWN: dict[str, Architecture] = {}  # registered in this process


def register_model(
    name: str,
    build: Callable[..., Any] | None = None,
    *,
    summary: str = "own model",
    optimizer: str = "adamw",
    learning_rate: float = 1e-3,
    schedule: str = "cosine",
) -> Callable[..., Any]:
    """Make a model of your own known by `name`, wherever a model is chosen in this process.

    `build(shape, code, width)` returns encoder and decoder, functional Keras models from images
    (N, H, W, C), floats in [0, 1], to codes (N, code) and back. `optimizer`, `learning_rate` and
    `schedule` are its defaults in a training. A name that is registered again is replaced. Raises
    `UsageError` for the name of a built-in model.

    >>> @register_model("linear")
    ... def build_linear(shape, code, width):
    ...     encoder = keras.Sequential([keras.Input(shape), Flatten(), Dense(code)])
    ...     decoder = keras.Sequential([keras.Input((code,)), Dense(784), Reshape(shape)])
    ...     return encoder, decoder
    """
    if not isinstance(name, str) or not name or name == "auto":
        raise UsageError(f"a model is registered by a name other than auto, received {name!r}.")
    if name in ARCHITECTURES:
        raise UsageError(f"{name!r} is a built-in model: register yours by another name.")
    if build is None:
        return partial(
            register_model,
            name,
            summary=summary,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
        )
    OWN[name] = Architecture(summary, optimizer, learning_rate, schedule, build=own.build_of(build))
    return build


def adopt_model(model: object) -> tuple[str, int | None]:
    """Register `model` under its own name; return that and the size of its code, if known.

    `model` is what `own.EXPECTED` says; a name stays as it is. Raises `UsageError` for anything
    else.
    """
    if isinstance(model, str):
        return model, None
    build = own.build_of(model)
    name = "own" if isinstance(build, own.Built) else name_of(model)
    if name in ARCHITECTURES or name == "auto":
        name = f"own_{name}"
    register_model(name, build)
    return name, build.code if isinstance(build, own.Built) else None


def known_models() -> list[str]:
    """Return the names of all models: built-in, registered here, and of installed packages."""
    return list(dict.fromkeys((*ARCHITECTURES, *OWN, *own.entry_points())))


def measured(name: str) -> dict[str, Any]:
    """Return `parameters`, mean `mse` over seeds (None if not measured) and `recipe` of `name`.

    They are those on MNIST, at a code of 16 numbers.
    """
    return json.loads(Path(__file__).with_name("measured.json").read_text("utf-8"))[name]


def find(name: str) -> Architecture:
    """Return the architecture `name`; raise `UsageError` with the nearest names if unknown."""
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    if name not in OWN:
        offered = own.entry_points().get(name)
        if offered is None:
            raise _unknown(name)
        register_model(name, own.load_entry_point(offered), summary=f"from {offered.value}")
    return OWN[name]


def _unknown(name: str) -> UsageError:
    if name.endswith(".py"):
        return UsageError(
            f"{name!r} is a file: name the function in it too, `model={name}:FUNCTION`.",
            parameter="model",
        )
    if ".py:" not in name:
        return unknown("model", name, known_models())
    return UsageError(
        f"{name!r} names a function in a file, whose code is run only where it is typed: give "
        f"`model={name}` on the command line, or hand over the function itself in Python.",
        parameter="model",
    )


def build(
    name: str,
    shape: tuple[int, int, int],
    code: int,
    *,
    width: float = 1.0,
    linear_code: bool = False,
    quantize: int | None = None,
    dropout: float = 0.0,
) -> keras.Model:
    """Return the autoencoder `name` for images of `shape` (H, W, C) and a code of `code` numbers.

    A functional Keras model from (N, H, W, C) to (N, H, W, C), floats in [0, 1], in which the
    layers `encoder`, (N, H, W, C) to (N, code), and `decoder`, (N, code) to (N, H, W, C), are
    models themselves. `width` multiplies the sizes of the layers between; the article's has none.
    `linear_code` takes the activation off the code. `quantize` rounds every latent unit to
    one of 2 ** quantize values in [-1, 1]. `dropout` is the share of hidden units that are dropped
    in training, of `residual` alone. Raises `UsageError` for an unknown name, and for an own model
    that does not fit.

    >>> build("article", (28, 28, 1), 16).count_params()
    25888
    """
    given = find(name).build
    import keras

    with _channels_last():
        if given is not None:
            encoder, decoder = own.build_halves(name, given, shape, code, width)
        else:
            module = import_module(f"autoencode.models.{name}")
            options = {"dropout": dropout} if dropout else {}
            encoder, decoder = module.build(shape, code, width, **options)
    if linear_code or quantize is not None:
        from autoencode.models import codes

        encoder = codes.linear(encoder)
        encoder = encoder if quantize is None else codes.quantized(encoder, quantize)
    images = keras.Input(shape, name="images")
    return keras.Model(images, decoder(encoder(images)), name="autoencoder")


def reset_weights(name: str) -> None:
    """Let an own model that was handed over with weights begin with these once more."""
    build = find(name).build
    if isinstance(build, own.Built):
        build.reset()


def initialise(name: str, model: keras.Model, images: np.ndarray) -> None:
    """Set the initial weights of the model `name` that depend on uint8 images (N, H, W, C).

    Only those of an architecture that `starts_as_pca` do; any other model stays as it is.
    """
    if find(name).starts_as_pca:
        import_module(f"autoencode.models.{name}").initialise(model, images)


@contextmanager
def _channels_last() -> Generator[None]:
    """Have layers take images (N, H, W, C), whatever Keras is set to; they remember it."""
    import keras

    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


def unshared(model: keras.Model) -> keras.Model:
    """Return `model`, or a copy with the same weights that plain Keras saves and opens."""
    from autoencode.models import codes

    return codes.unshared(model)


def save(model: keras.Model, path: Path) -> None:
    """Write `model` as a .keras file.

    A warning on the way is never an error, whatever the user's settings make of it: the model took
    long to train.

    >>> save(build("article", (28, 28, 1), 16), Path("article.keras"))  # doctest: +SKIP
    """
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save(path)
