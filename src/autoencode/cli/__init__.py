"""The command: words become settings, events lines, errors one line. Nothing else prints."""

from autoencode.cli.entry import main
from autoencode.cli.screen import app

__all__ = ["app", "main"]
