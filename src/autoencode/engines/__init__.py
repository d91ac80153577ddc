"""A model and arrays become trained weights, by one of several engines behind one contract."""

from autoencode.engines.base import Engine, Parts, Redrawn
from autoencode.engines.loading import load, without_tensorflow
from autoencode.engines.selection import INSTALL, MODULES, announce, choose
from autoencode.engines.starting import compiled, slopes, start

__all__ = [
    "Engine",
    "INSTALL",
    "MODULES",
    "Parts",
    "Redrawn",
    "announce",
    "choose",
    "compiled",
    "load",
    "slopes",
    "start",
    "without_tensorflow",
]
