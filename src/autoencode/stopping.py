"""Signals that ask a process to stop, Ctrl-C and SIGTERM. Knows nothing else of the project."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def noted() -> Iterator[list[int]]:
    """The signals to stop that came so far: what runs looks at them between its steps, and ends in order.

    A second one waits as well; should what it waits for hang, a third kills. An exception out of the handler, as Python's
    own for Ctrl-C, can be lost in a callback of a framework.
    """
    received = []

    def note(number: int, _: object) -> None:
        received.append(number)
        if len(received) > 1:
            let_kill()

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def let_kill() -> None:
    """Let the next signal end the process at once."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end what is under way as Ctrl-C does: by an exception, so that it is cleared up."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
