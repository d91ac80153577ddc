"""The command: words become a `Config`, events become lines on the screen, errors one line. The only room that prints."""

from autoencode.cli.entry import main
from autoencode.cli.screen import app

__all__ = ["app", "main"]
