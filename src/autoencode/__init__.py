"""autoencode trains an autoencoder on images and lets you watch it learn to reconstruct them."""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what editors see
    from autoencode.api import Run as Run
    from autoencode.api import resume as resume
    from autoencode.api import train as train
    from autoencode.config import Config as Config
    from autoencode.errors import AutoencodeError as AutoencodeError
    from autoencode.errors import UsageError as UsageError
    from autoencode.estimator import Autoencoder as Autoencoder
    from autoencode.images import Images as Images
    from autoencode.inference.model import Model as Model
    from autoencode.inference.model import load as load
    from autoencode.models import register_model as register_model
    from autoencode.objectives import register_loss as register_loss
    from autoencode.pipeline import run as run
    from autoencode.pipeline import watch as watch
    from autoencode.training import Epoch as Epoch

_LAZY_IMPORTS = {
    "Autoencoder": "estimator",
    "AutoencodeError": "errors",
    "UsageError": "errors",
    "Config": "config",
    "Images": "images",
    "Epoch": "training",
    "Model": "inference.model",
    "load": "inference.model",
    "watch": "pipeline",
    "run": "pipeline",
    "train": "api",
    "resume": "api",
    "Run": "api",
    "register_model": "models",
    "register_loss": "objectives",
}
_RENAMED = {"sources": "autoencode.data"}  # the old name of a module
__all__ = [
    "AutoencodeError",
    "Autoencoder",
    "Config",
    "Epoch",
    "Images",
    "Model",
    "Run",
    "UsageError",
    "load",
    "register_loss",
    "register_model",
    "resume",
    "run",
    "train",
    "watch",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing this package loads no NumPy."""
    if name == "__version__":
        return metadata.version("autoencode")
    if name in _RENAMED:
        return import_module(_RENAMED[name])
    if name not in _LAZY_IMPORTS:
        raise AttributeError(f"module 'autoencode' has no attribute {name!r}")
    return getattr(import_module(f"autoencode.{_LAZY_IMPORTS[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, which are imported when they are first used."""
    return sorted([*__all__, "__version__"])
