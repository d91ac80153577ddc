"""A training shown while it runs, by Rich: a bar, and a line an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from autoencode.system.progress import create_bar
from autoencode.training import Chunk, Epoch

if TYPE_CHECKING:
    from rich.progress import Progress


def show_progress(
    events: Iterable[Any], epochs: int, measure: Callable[[Epoch], dict[str, float]]
) -> Iterator[Any]:
    """Pass on the `events` of a training of `epochs`, and show them on standard output.

    Each epoch becomes a line with what `measure` gives of it: `loss`, `seconds` and, where there
    are images to validate on, `val_loss`. In a terminal and in a notebook, a bar shows how far the
    current epoch is, and goes when the training ends.
    """
    with _create_bar() as bar:
        task = bar.add_task("epoch", total=None)
        for event in events:
            if isinstance(event, Chunk):
                text = f"epoch {event.number}/{epochs}  loss {event.loss:.4f}"
                bar.update(task, description=text, completed=event.step, total=event.steps)
            elif isinstance(event, Epoch):
                bar.console.print(_describe(event.number, epochs, measure(event)))
            yield event


def _describe(number: int, epochs: int, measured: dict[str, float]) -> str:
    """A line such as `epoch 3/10  1.20 s  loss 0.0312  val_loss 0.0345`."""
    losses = [f"{name} {value:.4f}" for name, value in measured.items() if name != "seconds"]
    return "  ".join([f"epoch {number}/{epochs}", f"{measured['seconds']:.2f} s", *losses])


def _create_bar() -> Progress:
    """A bar that is shown in a terminal and in a notebook; its console prints anywhere."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    # In a notebook, Rich draws what changes by ipywidgets, and warns where there are none.
    is_shown = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
    return create_bar(console, is_shown=is_shown)
