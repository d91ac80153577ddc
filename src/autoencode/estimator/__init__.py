"""The scikit-learn estimator: an autoencoder as transformer and outlier detector."""

from autoencode.estimator.autoencoder import Autoencoder
from autoencode.estimator.checks import InvalidError

__all__ = ["Autoencoder", "InvalidError"]
