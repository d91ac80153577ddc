"""The parts of a variational autoencoder: a distribution of codes, and its KL divergence.

(Kingma and Welling, arXiv:1312.6114; the weight beta: Higgins and others, ICLR 2017.)
"""

import keras
from keras import ops, random


def posterior(encoder: keras.Model) -> keras.Model:
    """Return a model from images to means and log variances of codes, each (N, code).

    The means are what `encoder` gives.

    The second head stands beside the encoder's dense layer named `code`, on the same features.
    """
    last = encoder.get_layer("code")
    # Small at first, so that a training does not begin with noise of any size.
    log_variances = keras.layers.Dense(
        last.units,
        kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3),
        name="log_variance",
    )(last.input)
    return keras.Model(encoder.input, [encoder.output, log_variances], name="posterior")


class Sample(keras.layers.Layer):
    """Codes drawn from N(means, exp(log variances)) so that gradients pass (reparameterisation)."""

    def __init__(self) -> None:
        super().__init__(name="sample", dtype="float32")
        self._seeds = random.SeedGenerator()

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        means, log_variances = inputs
        return means + ops.exp(0.5 * log_variances) * random.normal(
            ops.shape(means), seed=self._seeds
        )


class Divergence(keras.layers.Layer):
    """`weight` times the KL divergence of the codes' distributions from the standard normal.

    Summed over the code and averaged over the batch: 0.5 sum(exp(v) + m^2 - 1 - v) nats (appendix B
    of Kingma and Welling). With the weight beta / pixels it stands to the mean squared error as the
    sum over the code stands to the sum over the pixels. No latent dimension counts for less than
    `free_bits` nats (Kingma and others, arXiv:1606.04934, section C.8). The weight grows from 0
    over the first `warm_up` steps (Bowman and others, arXiv:1511.06349, section 3.1).
    """

    def __init__(self, weight: float, free_bits: float, warm_up: int) -> None:
        super().__init__(name="divergence", dtype="float32")
        self._weight = weight
        self._free_bits = free_bits
        self._warm_up = warm_up
        self._steps = self.add_weight(shape=(), initializer="zeros", trainable=False, name="steps")

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        means, log_variances = inputs
        each = ops.mean(divergences(means, log_variances), axis=0)  # (code,)
        if self._free_bits:
            each = ops.maximum(each, self._free_bits)
        share = ops.minimum(1.0, self._steps / self._warm_up) if self._warm_up else 1.0
        self._steps.assign(self._steps + 1)
        return self._weight * share * ops.sum(each)


def divergences(means: keras.KerasTensor, log_variances: keras.KerasTensor) -> keras.KerasTensor:
    """Return the KL divergence from the standard normal by latent dimension, nats, (N, code)."""
    return 0.5 * (ops.exp(log_variances) + ops.square(means) - 1 - log_variances)
