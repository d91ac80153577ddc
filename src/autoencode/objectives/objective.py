"""The objective as a Keras model: images in, the loss to minimize out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoencode.config import Config, Plan
from autoencode.objectives.settings import augmentations, losses, noises

if TYPE_CHECKING:
    import keras


def build(model: keras.Model, config: Config, steps: int) -> keras.Model:
    """Return the objective of `config` for `model`: a Keras model from images to a scalar loss.

    `steps` are those of an epoch, which the warm-up of the variational term counts in. The layers
    of `model` are shared.
    """
    import keras

    from autoencode.objectives import augmentation, noise, terms, variational

    encoder = model.get_layer("encoder")
    decoder = model.get_layer("decoder")
    images = keras.Input(model.input_shape[1:], name="images")
    targets = images
    penalties = []
    if strengths := augmentations(config.augment):
        targets = augmentation.Augment(strengths)(targets)
    inputs = noise.Corrupt(strengths)(targets) if (strengths := noises(config.noise)) else targets
    if config.variational is None:
        codes = encoder(inputs)
    else:
        posterior = variational.posterior(encoder)
        means, log_variances = posterior(inputs)
        codes = variational.Sample()([means, log_variances])
        pixels = math.prod(model.input_shape[1:])
        warm_up = round(config.warm_up * steps)
        penalties.append(
            variational.Divergence(config.variational / pixels, config.free_bits, warm_up)(
                [means, log_variances]
            )
        )
    if config.sparsity:
        penalties.append(terms.Sparsity(config.sparsity)(codes))
    loss = terms.Loss(losses(config.loss))([targets, decoder(codes)])
    return keras.Model(images, sum(penalties, start=loss), name="objective")


def optimizer(plan: Plan, steps: int) -> keras.Optimizer:
    """Return the optimizer of a `plan`, whose schedule ends after `steps`.

    Weight decay (Loshchilov and Hutter, arXiv:1711.05101) spares biases and the scales of
    normalisations.
    """
    from autoencode.objectives import optimizers

    return optimizers.build(plan, steps)
