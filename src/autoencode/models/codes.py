"""What a code is made of, for any encoder: numbers of any sign, or one of a few values each."""

import keras
from keras import ops


def linear(encoder: keras.Model) -> keras.Model:
    """Return `encoder` with its last layer, named `code`, made anew without an activation."""
    last = encoder.get_layer("code")
    codes = keras.layers.Dense(last.units, name="code")(last.input)
    return keras.Model(encoder.input, codes, name="encoder")


def quantized(encoder: keras.Model, bits: int) -> keras.Model:
    """Return `encoder` with every number of its code bounded by tanh and rounded to one of 2 ** bits values in [-1, 1].

    Gradients pass the rounding as if it were not there (finite scalar quantization: Mentzer, Minnen, Agustsson and
    Tschannen, arXiv:2309.15505, section 3.1). Built from Keras's own operations, so that plain Keras opens the model.
    """
    steps = 2**bits - 1
    scaled = (ops.tanh(encoder.output) + 1) * (steps / 2)  # in [0, steps]
    rounded = scaled + ops.stop_gradient(ops.round(scaled) - scaled)
    return keras.Model(encoder.input, rounded * (2 / steps) - 1, name="encoder")
