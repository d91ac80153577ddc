"""An image shape becomes a plain Keras model, by name. Knows no images and no engine.

Each architecture is a file beside this one with a function `build(shape, code, width)` that returns
the encoder and the decoder. Models from elsewhere are in `own`. Those files import Keras, so they
are imported only after an engine has been chosen.
"""

from autoencode.models.file_layers import (
    LAYERS,
    check_layers,
    check_saving,
    describe_unopenable,
)
from autoencode.models.registry import (
    ARCHITECTURES,
    Architecture,
    adopt_model,
    build,
    find,
    initialise,
    known_models,
    measured,
    register_model,
    reset_weights,
    save,
    unshared,
)

__all__ = [
    "ARCHITECTURES",
    "LAYERS",
    "Architecture",
    "adopt_model",
    "build",
    "check_layers",
    "check_saving",
    "describe_unopenable",
    "find",
    "initialise",
    "known_models",
    "measured",
    "register_model",
    "reset_weights",
    "save",
    "unshared",
]
