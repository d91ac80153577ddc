"""Any Keras model with layers `encoder` and `decoder`, cut into two models of images (H, W, C).

The encoder is everything from the input to the output of the layer `encoder`, the decoder
everything after it. So the two in turn give what the whole model predicts, whatever else stands
before, between or behind both layers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import keras

from autoencode.errors import AutoencodeError

LEAST_SCALE = 0.02  # of a Rescaling; a smaller one is meant for pixels up to 255
LAYERS_NAMED = 8  # in a message


class Halves(NamedTuple):
    """The two models, and what goes through them."""

    encoder: keras.Model
    """From images (N, H, W, C), floats in [0, 1], to codes (N, K)."""
    decoder: keras.Model
    """From codes (N, K) to images (N, H, W, C)."""
    shape: tuple[int, int, int]
    """Height, width and channels of an image."""
    code: int
    """The size of a code, K."""
    notes: tuple[str, ...]
    """What was assumed of the model, a line each."""


def split(model: keras.Model) -> Halves:
    """Return both halves of `model`; its layers, and with them its weights, are shared.

    Images of the model may be (H, W, C), (H, W), or a row of values, (H * W * C,), which is taken
    as a square image. Raises `AutoencodeError` where there is no layer `encoder` or `decoder`,
    where images and codes have no fixed or fitting shapes, and where a decoder needs more than the
    codes.

    >>> split(model).shape, split(model).encoder.output_shape  # doctest: +SKIP
    ((28, 28, 1), (None, 16))
    """
    _check_ends(model)
    _check_names(model)

    encoder, decoder = _nested(model) or _cut(model)
    for name, half in (("encoder", encoder), ("decoder", decoder)):
        _check_single(f"the layer {name}", half)
    code = _code_size(encoder.output_shape[1:])

    taken = tuple(encoder.input_shape[1:])
    made = tuple(decoder.output_shape[1:])
    shape, notes = _image_shape(taken, made)

    if taken != shape:
        images = keras.Input(shape)
        encoder = keras.Model(images, encoder(_reshape(taken)(images)))
    if made != shape:
        codes = keras.Input((code,))
        decoder = keras.Model(codes, _reshape(shape)(decoder(codes)))
    return Halves(encoder, decoder, shape, code, (*notes, *_scale_notes(encoder)))


def _check_ends(model: keras.Model) -> None:
    """Raise `AutoencodeError` unless `model` makes one tensor of one tensor of floats."""
    try:
        _check_single("the model", model)
    except (AttributeError, ValueError) as error:
        raise AutoencodeError(
            "expected a model that knows the shape of its images: "
            "begin it with keras.Input and save it again."
        ) from error
    batch = model.inputs[0].shape[0]
    if batch is not None:
        raise AutoencodeError(
            f"expected a model for batches of any size, its input is for {batch} images at once: "
            "give keras.Input a shape and no batch size."
        )
    dtype = keras.backend.standardize_dtype(model.inputs[0].dtype)
    if "float" not in dtype:
        raise AutoencodeError(
            f"expected a model of floats in [0, 1], its input is {dtype}: "
            "build it with a float32 input."
        )


def _check_single(what: str, model: keras.Model) -> None:
    inputs = len(model.inputs)
    outputs = len(model.outputs)
    if (inputs, outputs) != (1, 1):
        raise AutoencodeError(
            f"expected one input and one output, {what} has {inputs} and {outputs}: "
            "save a model from images to their reconstructions alone."
        )


def _check_names(model: keras.Model) -> None:
    """Raise `AutoencodeError` unless `model` has a layer `encoder` and then a layer `decoder`."""
    names = [layer.name for layer in model.layers]
    missing = [name for name in ("encoder", "decoder") if name not in names]
    if missing:
        others = ", ".join(names[:LAYERS_NAMED]) + (", ..." if len(names) > LAYERS_NAMED else "")
        raise AutoencodeError(
            "expected layers named encoder and decoder, "
            f"there is no {' and no '.join(missing)} among {others}: name the layer that gives the "
            "codes encoder, and the one that makes images of them decoder."
        )
    if names.index("decoder") < names.index("encoder"):
        raise AutoencodeError(
            "expected the layer encoder before the layer decoder, it stands after it."
        )


def _nested(model: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """The layers `encoder` and `decoder`, where they are models and there is nothing else."""
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    if [layer.name for layer in layers] == ["encoder", "decoder"]:
        encoder, decoder = layers
        if isinstance(encoder, keras.Model) and isinstance(decoder, keras.Model):
            return encoder, decoder
    return None


def _cut(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The model up to the output of its layer `encoder`, and the rest."""
    encoded = []

    def call(layer, *args, **kwargs):
        result = layer(*args, **kwargs)
        if layer.name == "encoder":
            encoded.append(result)
        return result

    if isinstance(model, keras.Sequential):
        images = keras.Input(model.input_shape[1:])
        output = images
        for layer in model.layers:
            output = call(layer, output)
    else:
        again = keras.models.clone_model(
            model, clone_function=lambda layer: layer, call_function=call
        )
        images = again.inputs[0]
        output = again.outputs[0]

    if len(encoded) != 1:
        raise AutoencodeError(
            f"expected a layer encoder that is used once, it is used {len(encoded)} times."
        )
    if not isinstance(encoded[0], keras.KerasTensor):
        raise AutoencodeError(
            f"expected one output, the layer encoder has {len(encoded[0])}: "
            "save a model whose encoder gives the codes alone."
        )
    encoder = keras.Model(images, encoded[0])
    try:
        decoder = keras.Model(encoded[0], output)
    except ValueError as error:  # Keras finds the graph disconnected
        raise AutoencodeError(
            "expected reconstructions that are made of the codes alone, those of this model need "
            "layers before its encoder as well (skip connections): save one without."
        ) from error
    return encoder, decoder


def _code_size(codes: tuple[int | None, ...]) -> int:
    if len(codes) != 1 or codes[0] is None:
        raise AutoencodeError(
            f"expected codes (K,), the layer encoder gives {tuple(codes)}: "
            "end it with Flatten or Dense."
        )
    return codes[0]


def _image_shape(taken: tuple, made: tuple) -> tuple[tuple[int, int, int], list[str]]:
    """The shape (H, W, C) of images that a model takes and makes so, and what was assumed."""
    if None in (*taken, *made) or not {len(taken), len(made)} <= {1, 2, 3}:
        raise AutoencodeError(
            "expected images of a fixed shape, (H, W, C), (H, W) or (H * W * C,), "
            f"received {taken}, and {made} back."
        )
    told = [sizes if len(sizes) == 3 else (*sizes, 1) for sizes in (taken, made) if len(sizes) > 1]
    if math.prod(taken) != math.prod(made) or len(set(told)) > 1:
        raise AutoencodeError(
            f"expected reconstructions of the shape of the images, {taken}, received {made}."
        )
    if not told:
        return _square(taken[0])
    if told[0][2] not in (1, 3):
        raise AutoencodeError(
            "expected images (H, W, C) with 1 or 3 channels, "
            f"those of the model have {told[0][2]}: {told[0]}."
        )
    return told[0], []


def _square(count: int) -> tuple[tuple[int, int, int], list[str]]:
    """The square image, grey or RGB, that a row of `count` values is taken as, and a line of it."""
    for channels, colour in ((1, "grey"), (3, "RGB")):
        side = math.isqrt(count // channels)
        if side * side * channels == count:
            return (side, side, channels), [
                f"a row of {count:,} values is taken as a square {colour} image of {side}x{side}"
            ]
    raise AutoencodeError(
        f"expected images, the model takes rows of {count:,} values, which are no square image, "
        "neither grey nor RGB: build it with keras.Input((H, W, C)) and Flatten before, "
        "and Reshape((H, W, C)) behind."
    )


def _reshape(shape: tuple[int, ...]) -> keras.layers.Reshape:
    return keras.layers.Reshape(shape, dtype="float32")


def _scale_notes(layer: keras.Layer) -> list[str]:
    """A line for each layer of an encoder that seems to expect pixels up to 255."""
    if not isinstance(layer, keras.layers.Rescaling):
        return [note for part in getattr(layer, "layers", ()) for note in _scale_notes(part)]
    if not isinstance(layer.scale, float) or abs(layer.scale) >= LEAST_SCALE:
        return []
    name = f"Rescaling({layer.scale:.4g})"
    return [f"pixels are handed to the model as floats in [0, 1], also to its layer {name}"]
