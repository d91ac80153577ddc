"""Room 1: a word on the command line becomes images. Knows files and pictures, no model and no framework."""

from importlib import import_module

from autoencode.errors import UsageError, unknown
from autoencode.images import Images

SOURCES = {"mnist": "autoencode.sources.mnist"}


def find(source: str | Images) -> str:
    """Return the name of `source`; raise `UsageError` at once where there is no such source."""
    if isinstance(source, Images):
        return source.name
    if not isinstance(source, str):
        raise UsageError(
            f"a source is a name or an autoencode.Images, received {type(source).__name__}."
        )
    if source not in SOURCES:
        raise unknown("source", source, SOURCES)
    return source


def load(source: str | Images) -> Images:
    """Return the images of `source`.

    Raises `UsageError` for an unknown name and `AutoencodeError` for a file that cannot be read.

    >>> load("mnist").train.shape
    (60000, 28, 28, 1)
    """
    name = find(source)
    return source if isinstance(source, Images) else import_module(SOURCES[name]).load()
