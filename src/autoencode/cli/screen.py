"""What the commands share: the app, bars, lines of skipped pictures, a process made ready."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App, CoercionError, Parameter, convert

from autoencode.config.checks import is_closed_set
from autoencode.system.caches import cache_folder
from autoencode.system.progress import create_bar

if TYPE_CHECKING:
    from rich.progress import Progress

    from autoencode.cli.console import Screen
    from autoencode.images import Skipped

SKIPPED_SHOWN = 5  # on the screen
LOG = logging.getLogger("autoencode")
PROGRAM = re.compile(r".+-[0-9a-f]{64}-(cache|atime)")  # as JAX names a compiled program


def _converted(kind: Any, tokens: Any) -> Any:
    """Convert as Cyclopts does, but take no 2.9 for a 3.

    A word of a closed set is handed on as it is: `Config` refuses an unknown one in its own words.
    """
    if is_closed_set(kind):
        return tokens[-1].value
    return convert(kind, tokens, converter=_one_converted)


def _one_converted(kind: Any, word: str) -> Any:
    try:
        if kind is int and "." in word:
            raise ValueError
        return convert(kind, [word])
    except CoercionError:
        raise ValueError from None  # which is then told with the name of the option


app = App(
    name="autoencode",
    default_parameter=Parameter(converter=_converted),
    help="Train an autoencoder on images and watch it learn to reconstruct them.",
    suppress_keyboard_interrupt=False,  # `cli.main` reports it
)


def bar(console: Screen) -> Progress:
    """Return a progress bar that is shown in a terminal alone."""
    return create_bar(console, is_shown=console.is_terminal and not console.quiet)


class _ToScreen(logging.Handler):
    """Prints what the library logs as lines of the command, above a bar."""

    def __init__(self, console: Screen) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.tell(record.getMessage())


@contextmanager
def logging_to(console: Screen) -> Generator[None]:
    """Print what the library logs meanwhile, such as that it waits for another process."""
    handler = _ToScreen(console)
    propagated = LOG.propagate
    LOG.addHandler(handler)
    LOG.propagate = False
    try:
        yield
    finally:
        LOG.propagate = propagated
        LOG.removeHandler(handler)


@contextmanager
def decoding(console: Screen) -> Generator[Callable[[int, int], None]]:
    """A bar for the decoding of pictures that appears with the first of them.

    What the library logs meanwhile is printed above it.
    """
    with bar(console) as shown, logging_to(console):
        tasks = []

        def progress(done: int, total: int) -> None:
            if not tasks:
                tasks.append(shown.add_task("pictures", total=total))
            shown.update(tasks[0], completed=done, total=total)

        yield progress


def tell_skipped(console: Screen, skipped: Sequence[Skipped], file: Path | None) -> None:
    """Print how many pictures were skipped, the first few by name; `file` holds them all."""
    if not skipped:
        return
    told = f"{len(skipped):,} {'picture' if len(skipped) == 1 else 'pictures'} skipped"
    console.tell(told + (f", all of them in {file}:" if file else ":"))
    for one in skipped[:SKIPPED_SHOWN]:
        console.tell(f"  {one.name}: {one.reason}")
    if len(skipped) > SKIPPED_SHOWN:
        console.tell(f"  and {len(skipped) - SKIPPED_SHOWN:,} more")


def _remove_broken_programs(cache: Path) -> None:
    """Remove compiled programs that a full disk or a kill left empty.

    JAX warns of each in every run, and keeps it. The folder may be any of the user's: only files
    with the names that JAX gives, MODULE-HASH-cache and -atime, go.
    """
    with suppress(OSError), os.scandir(cache) as entries:
        for entry in entries:
            if not PROGRAM.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            if entry.stat(follow_symlinks=False).st_size == 0:
                os.unlink(entry.path)


def prepare_process() -> None:
    """Set what only the command's own process may set, before NumPy is imported.

    What the user has set goes first.
    """
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "jax"))
    # Programs of this size compile in less than JAX's own limits, a second and more.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    _remove_broken_programs(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]))
    # PCA on every core would take them from the first epochs, and end no sooner for all: 0.5 s of
    # the article's job.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
