"""Signals that ask a process to stop, Ctrl-C and SIGTERM. Knows nothing else of the project."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds that what is under way may take after a second signal: a chunk lasts a quarter of one.
GRACE = 2.0


class Terminated(KeyboardInterrupt):
    """SIGTERM, where it ends what is under way as Ctrl-C does."""


def exit_status(error: KeyboardInterrupt) -> int:
    """Return the exit status of a process that a signal ended: 143 for SIGTERM, 130 for Ctrl-C."""
    return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)


@contextmanager
def noted(last_words: str = "", numbers: Sequence[int] = SIGNALS) -> Generator[list[int]]:
    """The signals to stop, of `numbers`, that came so far.

    What runs looks at them between its steps, and ends in order. An exception out of a handler, as
    Python's own for Ctrl-C, can be lost in a callback of a framework, and no handler runs within a
    long call of one. So a thread listens as well: after a second signal, what is under way has
    `GRACE` seconds; then the process prints `last_words` and ends at once.
    """
    received = []
    before = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in numbers
    }
    # The system's side of a signal, which Python writes to at once.
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    earlier = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(receiver, last_words), daemon=True).start()
    try:
        yield received
    finally:
        signal.set_wakeup_fd(earlier)
        for number, handler in before.items():
            signal.signal(number, handler)
        sender.close()


def _listen(receiver: socket.socket, last_words: str) -> None:
    with receiver:
        for _ in range(2):
            signals = receiver.recv(1)
            # The block that listens has ended.
            if not signals:
                return
        receiver.settimeout(GRACE)
        try:
            while receiver.recv(1):
                pass
        except TimeoutError:
            os.write(2, f"{last_words}\n".encode("utf-8", "replace") if last_words else b"")
            os._exit(128 + signals[0])


def let_kill() -> None:
    """Let the next signal end the process at once."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def ended_by_sigterm() -> Generator[None]:
    """Let SIGTERM end what is under way as Ctrl-C does: by an exception, so that all is closed."""

    def end(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
