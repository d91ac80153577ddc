"""A packed store grows row by row, and a cut-off one is continued."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autoencode.data.store.format import BLOCK, END, HEAD, MAGIC, TAIL, VERSION
from autoencode.data.store.locking import lock_store
from autoencode.data.store.reading import map_images
from autoencode.errors import AutoencodeError, not_written, reason
from autoencode.images import Images, Skipped, Unused
from autoencode.system.files import open_own, replacing

# Bytes after which the disk is asked to keep what it has, so that the end need not wait for all of
# it.
SYNCED = 2**25
# Seconds between notes of how far the packing has come.
JOURNAL_SECONDS = 5.0


class _Checksums:
    """The CRC-32 of every block of what is added."""

    def __init__(self) -> None:
        self._whole: list[int] = []
        self._open = 0
        self._filled = 0

    def add(self, content: memoryview) -> None:
        while len(content):
            piece = content[: BLOCK - self._filled]
            self._open = zlib.crc32(piece, self._open)
            self._filled += len(piece)
            if self._filled == BLOCK:
                self._whole.append(self._open)
                self._open = 0
                self._filled = 0
            content = content[len(piece) :]

    def all(self) -> list[int]:
        return [*self._whole, self._open] if self._filled else self._whole


class Finished(AutoencodeError):
    """There is a store of that name already, perhaps packed by another process meanwhile."""


@dataclass(frozen=True)
class Contents:
    """What a store holds beside pixels: `counts` of images by part, their labels, classes and
    names, and how they came.

    `labels` are int32 (N,) by part, `names` those of all images in order; `ranges` as in `Images`.
    """

    name: str
    shape: tuple[int, int, int]
    counts: Mapping[str, int]
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    classes: Sequence[str] = ()
    names: Sequence[str] = ()
    unused: Sequence[Unused] = ()
    ranges: Mapping[str, Sequence[float]] = field(default_factory=dict)


class Writer:
    """A store that grows row by row under the name FILE.part and takes its own name when it is
    whole.

    `fingerprint` says what is packed and how: a cut-off FILE.part of the same fingerprint is
    continued, see `done`. No other process packs a store of that name until `finish` or `close`;
    where one does, `wait` for it, or else raise `AutoencodeError`. Raises `Finished` where the
    store is there by then, and `AutoencodeError` where it cannot be written or something else than
    a begun store has the name FILE.part.

    >>> import tempfile
    >>> writer = Writer(Path(tempfile.mkdtemp(), "a.store"), "black")
    >>> writer.add(np.zeros((3, 2, 2, 1), "uint8"), 3, [])
    >>> len(writer.finish(Contents("black", (2, 2, 1), {"train": 2, "test": 1})).train)
    2
    """

    def __init__(self, path: Path, fingerprint: str, *, wait: bool = False) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.part = path.with_name(path.name + ".part")
        self.journal = path.with_name(path.name + ".journal")
        self.done = 0
        self.rows = 0
        self.skipped: list[Skipped] = []
        self.left_out: list[int] = []
        # Bytes of the rows.
        self._bytes = 0
        # Whether the store is finished, or failed.
        self._ended = False
        self._checksums = _Checksums()
        self._unsynced = 0
        self._syncing = ThreadPoolExecutor(1, thread_name_prefix="syncing")
        self._synced: Future | None = None
        with ExitStack() as held:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(lock_store(path, wait=wait))
                if path.exists():
                    raise Finished(f"{path} is there already: choose another file, or remove it.")
                self._file = held.enter_context(open_own(self.part))
                self._continue()
            except OSError as error:
                raise not_written(error.filename or path, error, "file") from error
            self._held = held.pop_all()

    def _continue(self) -> None:
        begun = self._file.read(len(MAGIC))
        if begun != MAGIC[: len(begun)]:
            raise AutoencodeError(
                f"{self.part} is there already and is no store that was begun: "
                "move it away, or choose another file."
            )
        noted = self._noted()
        if noted:
            self.done = noted["done"]
            self.rows = noted["rows"]
            self.skipped = [Skipped(*pair) for pair in noted["skipped"]]
            self.left_out = noted["left_out"]
            self._bytes = noted["bytes"]
            self._file.truncate(HEAD.size + self._bytes)
            self._file.seek(0)
            content = self._file.read(BLOCK)
            while content:
                self._checksums.add(memoryview(content))
                content = self._file.read(BLOCK)
        else:
            self._file.seek(0)
            self._file.truncate()
            self._write(HEAD.pack(MAGIC, VERSION))

    def _write(self, content: Any) -> None:
        content = memoryview(content)
        # A chunk of which no picture could be read, which has no other view.
        if not content.nbytes:
            return
        content = content.cast("B")
        self._write_all(content)
        self._checksums.add(content)
        self._unsynced += len(content)
        if self._unsynced >= SYNCED and (self._synced is None or self._synced.done()):
            if self._synced is not None:
                # This raises what the thread met.
                self._synced.result()
            self._synced = self._syncing.submit(os.fsync, self._file.fileno())
            self._unsynced = 0

    def _write_all(self, content: memoryview) -> None:
        # The file has no buffer, so that what is counted is written.
        while len(content):
            content = content[self._file.write(content) :]

    def _noted(self) -> dict[str, Any] | None:
        """How far the packing of the same had come, where its journal and FILE.part say so."""
        if self.journal.is_symlink() or not self.journal.is_file():
            return None
        try:
            noted = json.loads(self.journal.read_text("utf-8"))
            usable = noted["fingerprint"] == self.fingerprint and noted["version"] == VERSION
            counts = [noted["done"], noted["rows"], noted["bytes"]]
            whole = all(type(count) is int and count >= 0 for count in counts)
            size = os.fstat(self._file.fileno()).st_size
            return noted if usable and whole and size >= HEAD.size + noted["bytes"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def add(
        self, rows: np.ndarray, done: int, skipped: list[Skipped], left_out: Sequence[int] = ()
    ) -> None:
        """Append uint8 rows.

        `done` pictures have then been looked at, `skipped` and, by index, `left_out` are those
        without a row.
        """
        try:
            self._write(np.ascontiguousarray(rows))
        except OSError as error:
            raise self._failed(error) from error
        self._bytes += rows.nbytes
        self.rows += len(rows)
        self.done += done
        self.skipped += skipped
        self.left_out.extend(left_out)

    def note(self) -> None:
        """Write down how far the packing has come."""
        try:
            self._write_journal()
        except OSError as error:
            raise self._failed(error) from error

    def _write_journal(self) -> None:
        os.fsync(self._file.fileno())
        noted = {
            "fingerprint": self.fingerprint,
            "version": VERSION,
            "done": self.done,
            "rows": self.rows,
            "bytes": self._bytes,
            "skipped": [[one.name, one.reason] for one in self.skipped],
            "left_out": self.left_out,
        }
        with replacing(self.journal) as fresh:
            fresh.write_text(json.dumps(noted), "utf-8")

    def finish(self, contents: Contents) -> Images:
        """Add labels, names, checksums and footer, give the file its name, and return its images,
        memory-mapped.
        """
        try:
            for part in contents.counts if contents.labels else ():
                self._write(contents.labels[f"{part}_labels"].astype("<i4"))
            lines = "\n".join(contents.names).encode()
            self._write(lines)
            end = self._file.tell()
            footer = {
                "name": contents.name,
                "shape": contents.shape,
                "counts": contents.counts,
                "labels": bool(contents.labels),
                "names": len(lines),
                "classes": list(contents.classes),
                "skipped": [[one.name, one.reason] for one in self.skipped],
                "unused": [[one.why, one.count, list(one.names)] for one in contents.unused],
                "ranges": {kind: list(limits) for kind, limits in contents.ranges.items()},
                "blocks": self._checksums.all(),
            }
            text = json.dumps(footer).encode()
            tail = TAIL.pack(len(text), zlib.crc32(text), END)
            self._write_all(memoryview(text + tail))
            os.fsync(self._file.fileno())
            os.replace(self.part, self.path)
        except OSError as error:
            raise self._failed(error) from error
        self._ended = True
        # Without FILE.part the journal means nothing.
        with suppress(OSError):
            self.journal.unlink(missing_ok=True)
        self.close()
        try:
            return map_images(self.path, json.loads(text), end)
        except (OSError, ValueError) as error:
            raise AutoencodeError(
                f"{self.path} was packed, but cannot be opened ({reason(error)})."
            ) from error

    def close(self) -> None:
        """Leave what is packed so far to be continued, and let other processes pack."""
        self._syncing.shutdown()
        if self._file.closed:
            return
        try:
            if not self._ended:
                self.note()
        finally:
            # What could not be written is not in the journal either.
            with suppress(OSError):
                self._held.close()

    def _failed(self, error: OSError) -> AutoencodeError:
        """Keep the rows that were written whole, and return the error to raise."""
        self._ended = True
        with suppress(OSError):
            self._file.truncate(HEAD.size + self._bytes)
            self._write_journal()
        if not self.journal.exists():
            return not_written(self.path, error, "file")
        kept = (
            f"what is packed so far is kept in {self.part.name}, "
            "and the same command resumes from there"
        )
        return not_written(self.path, error, "file", kept)
