"""autoencode trains an autoencoder on images and lets you watch it learn to redraw them."""

from importlib import import_module, metadata
from typing import Any

_HOMES = {
    "Autoencoder": "estimator",
    "AutoencodeError": "errors",
    "UsageError": "errors",
    "Config": "config",
    "Images": "images",
    "Epoch": "training",
    "watch": "pipeline",
    "run": "pipeline",
    "resume": "pipeline",
}
_RENAMED = {"sources": "autoencode.data"}  # the old name of a module
__all__ = [
    "AutoencodeError",
    "Autoencoder",
    "Config",
    "Epoch",
    "Images",
    "UsageError",
    "resume",
    "run",
    "watch",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that importing this package loads no array library."""
    if name == "__version__":
        return metadata.version("autoencode")
    if name in _RENAMED:
        return import_module(_RENAMED[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'autoencode' has no attribute {name!r}")
    return getattr(import_module(f"autoencode.{_HOMES[name]}"), name)
