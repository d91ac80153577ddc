"""What the estimator takes from scikit-learn, an extra; without it, a line on how to install it."""

from autoencode.errors import AutoencodeError

try:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        OutlierMixin,
        TransformerMixin,
    )
    from sklearn.utils import check_array
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise AutoencodeError(
        "autoencode.Autoencoder needs scikit-learn; "
        "install it with: pip install 'autoencode[sklearn]'"
    ) from None

__all__ = [
    "BaseEstimator",
    "ClassNamePrefixFeaturesOutMixin",
    "OutlierMixin",
    "TransformerMixin",
    "check_array",
    "check_is_fitted",
    "validate_data",
]
