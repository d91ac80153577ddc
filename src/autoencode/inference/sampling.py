"""New codes, drawn from the distribution of the training codes."""

from __future__ import annotations

import numpy as np

from autoencode.errors import AutoencodeError


def new_codes(size: int, count: int, seed: int, codes: np.ndarray | None) -> np.ndarray:
    """Return `count` codes of `size` latent dimensions, float32 (count, size).

    They are drawn with the random `seed`. Without `codes`, for a variational model, they are
    standard normal; else drawn from up to ten Gaussians fitted to `codes` (N, size), those of
    training images. Raises `AutoencodeError` where scikit-learn is missing, or where there are
    fewer than two codes.

    >>> new_codes(16, 5, seed=0, codes=None).shape
    (5, 16)
    """
    if codes is None:
        return np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)
    return _mixture(codes, count, seed)


def _mixture(codes: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` draws from Gaussians fitted to `codes`.

    (Ghosh, Sajjadi, Vergari, Black and Scholkopf, "From variational to deterministic autoencoders",
    ICLR 2020, section 4.)
    """
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError:
        raise AutoencodeError(
            "sampling needs scikit-learn; install it with: pip install 'autoencode[sklearn]'"
        ) from None
    if len(codes) < 2:
        raise AutoencodeError(
            f"sampling learns from the codes of at least 2 training images, received {len(codes)}."
        )
    # In float32 the covariance of a dead latent unit is not always positive.
    codes = codes.astype(np.float64)
    components = max(1, min(10, len(codes) // (4 * codes.shape[1])))
    ridge = 1e-6 + 1e-3 * float(codes.var())
    density = GaussianMixture(components, reg_covar=ridge, random_state=seed).fit(codes)
    # Those of one Gaussian come after those of another.
    drawn = density.sample(count)[0].astype(np.float32)
    return np.random.default_rng(seed).permutation(drawn)
