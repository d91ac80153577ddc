"""How many bytes may be under way at a time while a source is read, whatever the container and
however many cores.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

# With one file of `decode.MAX_BYTES` and the interpreter (60 MB), at most 1 GB in all.
# Of files out of an archive that wait to be decoded, when another is read.
MAX_WAITING_BYTES = 2**26
# Bytes of files in a folder that are being decoded.
MAX_CONTENT_BYTES = 2**27
# Of pictures that are being decoded: one of `decode.MAX_PIXELS`, or several smaller ones.
MAX_DECODED_BYTES = 2**29


class Budget:
    """Bytes that several threads share: what does not fit waits, and what exceeds all of it comes
    alone.

    >>> budget = Budget(100)
    >>> with budget.hold(60):
    ...     budget.held
    60
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.held = 0
        self._changed = threading.Condition()

    def acquire(self, count: int) -> None:
        """Wait until `count` bytes fit, and take them."""
        with self._changed:
            self._changed.wait_for(lambda: self.held == 0 or self.held + count <= self.size)
            self.held += count

    def try_acquire(self, count: int) -> bool:
        """Take `count` bytes where they fit now, and return whether they did."""
        with self._changed:
            fits = self.held == 0 or self.held + count <= self.size
            if fits:
                self.held += count
            return fits

    def release(self, count: int) -> None:
        """Give `count` bytes back."""
        with self._changed:
            self.held -= count
            self._changed.notify_all()

    @contextmanager
    def hold(self, count: int) -> Generator[None]:
        """Hold `count` bytes for a while."""
        self.acquire(count)
        try:
            yield
        finally:
            self.release(count)


# One of each for the process: two sources that are read at once share them. Whoever holds decoded
# bytes waits for no others, so that nobody waits for ever.
content_bytes = Budget(MAX_CONTENT_BYTES)
decoded_bytes = Budget(MAX_DECODED_BYTES)
