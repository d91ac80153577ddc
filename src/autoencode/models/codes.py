"""Changes to any encoder: linear codes, quantized codes, no shared layer."""

import keras
from keras import ops

from autoencode.models.own import code_layer


def linear(encoder: keras.Model) -> keras.Model:
    """Return `encoder` with a linear dense layer named `code` at its end."""
    last = code_layer(encoder)
    is_linear = last.activation is keras.activations.linear
    if is_linear and last.name == "code":
        return encoder
    code = keras.layers.Dense(last.units, use_bias=last.use_bias, name="code")
    linear_encoder = keras.Model(encoder.input, code(last.input), name="encoder")
    if is_linear:
        for copied, variable in zip(code.variables, last.variables, strict=True):
            copied.assign(variable.value)
    return linear_encoder


def quantized(encoder: keras.Model, bits: int) -> keras.Model:
    """Return `encoder` with its code rounded to 2 ** bits values in [-1, 1], after tanh.

    Gradients pass the rounding as if it were not there (finite scalar quantization: Mentzer,
    Minnen, Agustsson and Tschannen, arXiv:2309.15505, section 3.1). Before the tanh, every number
    is normalised over the batch (Ioffe and Szegedy, arXiv:1502.03167, algorithm 1). Built from
    Keras's own layers and operations, so that plain Keras opens the model.
    """
    steps = 2**bits - 1
    # Without it the article's codes lie beyond +-3.8 after an epoch, where tanh passes no gradient,
    # and the model reconstructs the mean image. In float32: bfloat16 has 8 bits, and would round
    # once more.
    unbounded = keras.layers.BatchNormalization(momentum=0.9, dtype="float32", name="normalised")(
        encoder.output
    )
    scaled = (ops.tanh(unbounded) + 1) * (steps / 2)  # in [0, steps]
    rounded = scaled + ops.stop_gradient(ops.round(scaled) - scaled)
    return keras.Model(encoder.input, rounded * (2 / steps) - 1, name="encoder")


def unshared(model: keras.Model) -> keras.Model:
    """Return `model` as it can be saved: an encoder that holds the decoder gets a copy of it.

    (Keras writes a layer that is shared between two levels of nesting once and reads it twice, the
    second time empty.)
    """
    encoder = model.get_layer("encoder")
    decoder = model.get_layer("decoder")
    if decoder not in encoder.layers:
        return model
    copied = keras.Model.from_config(encoder.get_config())
    copied.set_weights(encoder.get_weights())
    images = keras.Input(model.input_shape[1:], name="images")
    return keras.Model(images, decoder(copied(images)), name=model.name)
