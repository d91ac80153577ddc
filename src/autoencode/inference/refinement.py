"""Codes brought nearer to what their images need, by gradient descent on each image's error. Knows numbers alone.

An encoder guesses the code of an image at one look, and a better code for the same decoder is near (the amortization gap:
Cremer, Li and Duvenaud, arXiv:1801.03558; steps that follow the guess: Kim and others, arXiv:1802.02550).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RATE = 0.05  # of a code's own size, that each of its numbers moves in the first step
DECAYS = 0.9, 0.9  # of Adam's means: they follow fast, as there are few steps
TINY = 1e-20  # beside a root mean square of gradients, so that a number without any stays


def refine(
    codes: np.ndarray, slopes: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], steps: int
) -> np.ndarray:
    """Return the best of the codes that `steps` steps of Adam from `codes`, float32 (N, K), come by: none is worse.

    `slopes` gives the error of each code's reconstruction, float32 (N,), and its gradient by the code, float32 (N, K). Steps
    shrink along half a cosine and are relative to the root mean square of each code's own numbers, so that a row does not
    depend on the others. (Kingma and Ba, arXiv:1412.6980; Loshchilov and Hutter, arXiv:1608.03983.)

    >>> def parabola(codes):
    ...     return np.square(codes - 3).sum(1), 2 * (codes - 3)
    >>> refine(np.ones((1, 2), np.float32), parabola, steps=200).round(1).tolist()
    [[3.0, 3.0]]
    """
    size = np.sqrt(np.square(codes).mean(1, keepdims=True))
    # A code of zeros, as a ReLU may give, has no size of its own.
    size = np.where(size > 0, size, 1)
    best, least = codes, np.full(len(codes), np.inf, np.float32)
    mean = square = np.zeros_like(codes)
    for step in range(steps + 1):
        errors, gradients = slopes(codes)
        best = np.where((errors < least)[:, np.newaxis], codes, best)
        least = np.fmin(errors, least)
        mean = DECAYS[0] * mean + (1 - DECAYS[0]) * gradients
        square = DECAYS[1] * square + (1 - DECAYS[1]) * np.square(gradients)
        direction, spread = (
            moment / (1 - decay ** (step + 1))
            for moment, decay in zip((mean, square), DECAYS, strict=True)
        )
        rate = RATE * (1 + np.cos(np.pi * step / max(1, steps))) / 2
        codes = (codes - rate * size * direction / (np.sqrt(spread) + TINY)).astype(np.float32)
    return best
