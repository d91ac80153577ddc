"""A console for lines as they are: no markup, no folding, nothing that steers the terminal."""

from rich.console import Console

from autoencode.cli.options import with_options
from autoencode.errors import printable


class Screen(Console):
    """Rich's console, with `tell` for lines whose words came from elsewhere."""

    def __init__(self, *, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, quiet=quiet, highlight=False, soft_wrap=True)

    def tell(self, line: str) -> None:
        """Print one line."""
        self.print(printable(with_options(line)), markup=False)
