"""A training that is shown while it runs: in a notebook with pictures, in a terminal as a bar."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from autoencode.plots import html
from autoencode.training import Chunk, Epoch

SECONDS_APART = 0.5  # between two changes of the bar


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


class LiveTraining:
    """Shows the events of a training of `epochs` epochs that it is called with.

    >>> with LiveTraining(3) as show:  # doctest: +SKIP
    ...     for event in events:
    ...         show(event)
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._shown = _Notebook() if in_notebook() else _Terminal()
        self._changed = 0.0
        self._pictures = ""

    def __enter__(self) -> Self:
        self._shown.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shown.end()

    def __call__(self, event: Any) -> None:
        """Show an event of the training: the steps of a chunk, the pictures of an epoch."""
        if isinstance(event, Chunk):
            if time.monotonic() - self._changed < SECONDS_APART:
                return
            self._changed = time.monotonic()
            label = f"epoch {event.number} of {self._epochs}, loss {event.loss:.4f}"
            done = event.number - 1 + event.step / event.steps
            self._shown.update(label, done / self._epochs, self._pictures)
        elif isinstance(event, Epoch):
            label = (
                f"epoch {event.number} of {self._epochs}, loss {event.loss:.4f}, "
                f"val_loss {event.val_loss:.4f}"
            )
            self._pictures = self._shown.pictures_of(event)
            self._shown.update(label, event.number / self._epochs, self._pictures)


class _Notebook:
    """A bar and the pictures of the last epoch, in place, below the cell."""

    def begin(self) -> None:
        from IPython.display import HTML, DisplayHandle

        self._handle = DisplayHandle()
        self._handle.display(HTML("<p>compiling ...</p>"))

    def update(self, label: str, share: float, pictures: str) -> None:
        from IPython.display import HTML

        bar = f'<progress value="{share:.4f}" max="1" style="width: 20em"></progress>'
        self._handle.update(HTML(f"<p>{bar} {label}</p>{pictures}"))

    def pictures_of(self, epoch: Epoch) -> str:
        return html.pairs_element(epoch.originals, epoch.reconstructions)

    def end(self) -> None:
        """What was shown last stays."""


class _Terminal:
    """A bar of Rich's, where there is a terminal."""

    def begin(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns)
        self._task = self._bar.add_task("compiling ...", total=1.0)
        self._bar.start()

    def update(self, label: str, share: float, pictures: str) -> None:
        self._bar.update(self._task, description=label, completed=share)

    def pictures_of(self, epoch: Epoch) -> str:
        return ""

    def end(self) -> None:
        self._bar.stop()
