"""One process at a time packs a store; others wait or say so."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from autoencode.errors import AutoencodeError
from autoencode.system.files import lock_owner, locked

# Seconds between looks whether another process still packs.
POLL_SECONDS = 0.2
# Seconds in which a process that takes a lock writes its number.
OWNER_SECONDS = 1.0
# Begins the line that reports it.
WAITING = "waiting for another process"
LOG = logging.getLogger("autoencode")


@contextmanager
def lock_store(path: Path, *, wait: bool = False) -> Generator[None]:
    """Keep every other process from packing the store `path`.

    Where one does, raise `AutoencodeError` with its number, or with `wait` log a line and wait for
    its end.
    """
    lock = path.with_name(path.name + ".lock")
    is_logged = False
    began = time.monotonic()
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(lock, remove=True))
                break
            except BlockingIOError:
                owner = lock_owner(lock)
            # It is not known for a moment, while the other process begins or ends.
            known = owner is not None or time.monotonic() - began > OWNER_SECONDS
            owner_text = f" (process {owner})" if owner else ""
            if known and not wait:
                raise AutoencodeError(
                    f"{path} is being packed by another process{owner_text}: "
                    "wait for its end, or choose another file."
                )
            if known and not is_logged:
                LOG.warning("%s that packs %s%s", WAITING, path, owner_text)
                is_logged = True
            time.sleep(POLL_SECONDS if is_logged else POLL_SECONDS / 10)
        yield
