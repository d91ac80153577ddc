"""The parts that a model from a file may have: the others could run code or read files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from autoencode.errors import AutoencodeError, reason
from autoencode.system.json_types import is_list, is_record

if TYPE_CHECKING:
    import keras

# The layers that a model from a file may have. Others can run code or read files, whatever Keras's
# safe mode allows.
LAYERS = {
    "Activation", "Add", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate",
    "Conv2D", "Conv2DTranspose", "Cropping2D", "Dense", "DepthwiseConv2D", "Dropout", "ELU",
    "Flatten", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling2D", "GroupNormalization",
    "InputLayer", "LayerNormalization", "LeakyReLU", "MaxPooling2D", "Maximum", "Minimum",
    "Multiply", "PReLU", "Permute", "RMSNormalization", "ReLU", "Rescaling", "Reshape",
    "SeparableConv2D", "Softmax", "SpatialDropout2D", "Subtract", "UnitNormalization",
    "UpSampling2D", "ZeroPadding2D",
}  # fmt: skip
# What else stands in a model's configuration: by module, since none of it takes a path or code.
PLAIN = (
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.activations",
    "keras.src.ops.",
)
MODELS = {"Functional", "Sequential", "Model", "DTypePolicy"}
# Values that JSON has no form for, and a dict that stands for no object.
VALUES = {None, "__keras_tensor__", "__numpy__", "__tensor__", "__slice__", "__ellipsis__"}


def check_saving(model: keras.Model) -> dict[str, Any]:
    """Return the configuration that a file of `model` will hold.

    Raises `AutoencodeError` where there is none: a layer cannot be written.
    """
    try:
        return json.loads(model.to_json())
    # A layer's own method may raise anything; Keras's own message has 20 lines.
    except Exception as error:
        raise AutoencodeError(
            f"the model cannot be saved ({reason(error):.80}): "
            "give each layer of your own a method get_config that returns its arguments."
        ) from error


def describe_unopenable(model: keras.Model) -> str:
    """Return why a file of `model` will not be opened again.

    The text is empty where it will be, and where none can be written: see `check_saving`.
    """
    try:
        config = check_saving(model)
    except AutoencodeError:
        return ""
    try:
        check_layers(config)
    except AutoencodeError as error:
        return str(error)
    return ""


def check_layers(config: Any) -> None:
    """Raise `AutoencodeError` where a configuration names what is not in `LAYERS` and not plain."""
    if is_record(config):
        name = config.get("class_name")
        module = str(config.get("module"))
        layer = module in ("keras.layers", "keras") or module.startswith("keras.src.")
        known = name in LAYERS | MODELS if layer else name in VALUES
        if not known and not module.startswith(PLAIN):
            raise _refusal(config)
        if name in ("__numpy__", "__tensor__"):
            _check_dtype(config["config"]["dtype"])
        parts = list(config.values())
    else:
        parts = config if is_list(config) else []
    for part in parts:
        check_layers(part)


def _check_dtype(dtype: Any) -> None:
    """Raise `ValueError` unless an array in a model is of numbers: texts would fill memory."""
    if not isinstance(dtype, str) or not re.fullmatch(r"bool|(bfloat|float|u?int)\d{1,2}", dtype):
        raise ValueError(f"it holds an array of {dtype!s:.40}, expected numbers")


def _refusal(config: dict[str, Any]) -> AutoencodeError:
    """The error for a part of a model that is not opened: what it is, and why."""
    kind = config.get("class_name")
    module = str(config.get("module"))
    inner = config.get("config")
    name = inner.get("name") if is_record(inner) else inner
    if kind in ("Lambda", "__lambda__"):
        what = "a lambda function" if kind == "__lambda__" else f"the layer {name!r}, a Lambda"
        return AutoencodeError(
            f"it holds code that would be run ({what}), and no code out of a model's file is run: "
            "build it with other layers or keras.ops, and save it again."
        )
    if kind == "function" or not module.startswith("keras"):
        what = f"function {name!r}" if kind == "function" else f"class {kind!r}"
        return AutoencodeError(
            f"it needs the {what}, which is no part of Keras and whose code the file does not "
            "hold: build it with layers of Keras alone, and save it again."
        )
    return AutoencodeError(
        f"it has a part of a kind that is not opened, {kind} of {module}: "
        f"expected the layers {', '.join(sorted(LAYERS))}."
    )
