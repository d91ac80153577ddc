"""Codes improved by gradient descent on each image's own error. Knows arrays alone.

One encoder pass gives a good code, not the best one for the same decoder (the amortization gap:
Cremer, Li and Duvenaud, arXiv:1801.03558; steps that follow the encoder's code: Kim and others,
arXiv:1802.02550).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RATE = 0.05  # of a code's own size, that each latent dimension moves in the first step
DECAY = 0.9  # of both means of Adam: they follow fast, as there are few steps
TINY = 1e-20  # beside a root mean square of gradients, so that a dimension without any stays


def refine(
    codes: np.ndarray,
    errors_and_gradients: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    steps: int,
) -> np.ndarray:
    """Return codes, float32 (N, K), improved by `steps` steps of Adam.

    Each is the best one on the way, so that none is worse than before.
    `errors_and_gradients` gives the error of each code's reconstruction, float32 (N,), and its
    gradient by the code, float32 (N, K). Steps shrink along half a cosine and are relative to the
    root mean square of each code, so that a row does not depend on the others. (Kingma and Ba,
    arXiv:1412.6980; Loshchilov and Hutter, arXiv:1608.03983.)

    >>> def parabola(codes):
    ...     return np.square(codes - 3).sum(1), 2 * (codes - 3)
    >>> refine(np.ones((1, 2), np.float32), parabola, steps=200).round(1).tolist()
    [[3.0, 3.0]]
    """
    size = np.sqrt(np.square(codes).mean(1, keepdims=True))
    # A code of zeros, as a ReLU may give, has no size of its own.
    size = np.where(size > 0, size, 1)
    best = codes
    least = np.full(len(codes), np.inf, np.float32)
    mean = np.zeros_like(codes)
    square = np.zeros_like(codes)
    for step in range(steps + 1):
        errors, gradients = errors_and_gradients(codes)
        best = np.where((errors < least)[:, np.newaxis], codes, best)
        least = np.fmin(errors, least)

        mean = DECAY * mean + (1 - DECAY) * gradients
        square = DECAY * square + (1 - DECAY) * np.square(gradients)
        bias = 1 - DECAY ** (step + 1)
        direction = mean / bias
        spread = square / bias
        rate = RATE * (1 + np.cos(np.pi * step / max(1, steps))) / 2
        codes = (codes - rate * size * direction / (np.sqrt(spread) + TINY)).astype(np.float32)
    return best
