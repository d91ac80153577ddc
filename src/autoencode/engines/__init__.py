"""A model and arrays become trained weights, by one of several engines behind one contract."""

from autoencode.engines.base import Engine, Reconstruction, TrainingGraph
from autoencode.engines.loading import load, without_tensorflow
from autoencode.engines.selection import INSTALL, MODULES, announce, choose
from autoencode.engines.starting import compiled, errors_and_gradients, start

__all__ = [
    "INSTALL",
    "MODULES",
    "Engine",
    "Reconstruction",
    "TrainingGraph",
    "announce",
    "choose",
    "compiled",
    "errors_and_gradients",
    "load",
    "start",
    "without_tensorflow",
]
