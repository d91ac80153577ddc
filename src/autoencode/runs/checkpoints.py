"""Checkpoints: arrays and notes in one file that is whole or is known to be damaged.

Knows no engine and no run folder. Layout: a head of 32 bytes (magic, version, CRC-32 of all that
follows, length of the header), a header of JSON, the bytes of the arrays in C order. No pickle: the
arrays are numbers. Two files are written in turn, so that the one before is whole until the new one
is; each is written under another name, handed to the disk, and renamed.
"""

from __future__ import annotations

import json
import math
import os
import struct
import threading
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autoencode.errors import newer, reason
from autoencode.system.files import replacing, synchronise, synchronise_names
from autoencode.system.json_types import is_record

MAGIC = b"autoencode-state"
VERSION = 1
HEAD = struct.Struct("<16sIIQ")
FLOATS = {"float16", "float32", "float64"}
INTEGERS = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
DTYPES = {*FLOATS, *INTEGERS, "bool"}
FILES = ("0.checkpoint", "1.checkpoint")


@dataclass(frozen=True)
class Checkpoint:
    """Notes, which JSON can hold, and lists of arrays by name.

    `sequence` counts the checkpoints of a folder from 0.
    """

    notes: dict[str, Any]
    arrays: dict[str, list[np.ndarray]]
    sequence: int = field(default=0, compare=False)


def rotate_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` over the older of the two in `folder`.

    Raises `OSError` where that fails, and leaves both whole.
    """
    flat = [
        (name, np.asarray(array, order="C"))
        for name, arrays in checkpoint.arrays.items()
        for array in arrays
    ]
    listed = [[name, array.dtype.name, list(array.shape)] for name, array in flat]
    header = json.dumps(
        {"sequence": checkpoint.sequence, "notes": checkpoint.notes, "arrays": listed}
    ).encode()
    parts = [header, *(array.reshape(-1).view(np.uint8).data for _, array in flat)]
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)

    older = folder / FILES[checkpoint.sequence % 2]
    with replacing(older) as temporary, temporary.open("wb") as file:
        file.write(HEAD.pack(MAGIC, VERSION, checksum, len(header)))
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    # Before the next call writes over the other one.
    synchronise_names(folder)


def read_newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest whole checkpoint in `folder`, if any, and what is wrong with damaged ones.

    Raises `AutoencodeError` where one was written by a newer version.
    """
    whole: list[Checkpoint] = []
    damaged: list[str] = []
    for name in FILES:
        try:
            whole.append(_read(folder / name))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
            damaged.append(f"{folder / name} is damaged ({reason(error)})")
    return max(whole, key=lambda checkpoint: checkpoint.sequence, default=None), damaged


def _read(path: Path) -> Checkpoint:
    content = path.read_bytes()
    if len(content) < HEAD.size:
        raise ValueError("it ends too early")
    magic, version, checksum, length = HEAD.unpack_from(content)
    if magic != MAGIC:
        raise ValueError("it does not begin as a checkpoint")
    if zlib.crc32(memoryview(content)[HEAD.size :]) != checksum:
        raise ValueError("checksum mismatch")
    if version > VERSION:
        raise newer(path, "written", f"version {version}, known here: {VERSION}")
    header = json.loads(content[HEAD.size : HEAD.size + length])
    sequence = header["sequence"]
    notes = header["notes"]
    if type(sequence) is not int or not 0 <= sequence < 2**63 or not is_record(notes):
        raise ValueError("its header is invalid")
    return Checkpoint(notes, _arrays(content, HEAD.size + length, header["arrays"]), sequence)


def _arrays(content: bytes, first: int, listed: Sequence[Any]) -> dict[str, list[np.ndarray]]:
    arrays: dict[str, list[np.ndarray]] = {}
    for name, kind, shape in listed:
        if kind not in DTYPES or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError(f"it lists an array of {kind} {shape}")
        count = math.prod(shape)
        if count * np.dtype(kind).itemsize > len(content) - first:
            raise ValueError("it lists more than it holds")
        arrays.setdefault(name, []).append(
            np.frombuffer(content, kind, count, first).reshape(shape)
        )
        first += arrays[name][-1].nbytes
    if first != len(content):
        raise ValueError("it holds more than it lists")
    return arrays


class CheckpointWriter:
    """Writes the checkpoints of a folder in a thread of its own.

    Where several wait, the newest alone is written. `sequence` is that of the last checkpoint
    there, -1 where there is none; `seconds` is how long the last took to write.
    """

    def __init__(self, folder: Path, sequence: int = -1) -> None:
        self._folder = folder
        self._sequence = sequence
        self.seconds = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._change = threading.Lock()
        self._waiting: tuple[Checkpoint, Sequence[Path]] | None = None
        self._writing: list[Future[None]] = []

    def put(self, checkpoint: Checkpoint, before: Sequence[Path] = ()) -> None:
        """Have `checkpoint` written, once the files `before` are on the disk; sets its sequence.

        Raises `OSError` where an earlier one could not be written.
        """
        self._writing = [future for future in self._writing if not future.done() or future.result()]
        with self._change:
            waiting = self._waiting
            earlier = () if waiting is None else waiting[1]
            self._waiting = checkpoint, [*earlier, *before]
        if waiting is None:
            self._writing.append(self._thread.submit(self._write))

    def wait(self) -> None:
        """Return when the newest checkpoint is on the disk.

        Raises `OSError` where it could not be written.
        """
        for future in self._writing:
            future.result()

    def close(self) -> None:
        """End the thread when it is done."""
        self._thread.shutdown()

    def _write(self) -> None:
        began = time.monotonic()
        with self._change:
            # `put` has this called once for each that it finds a place free for.
            assert self._waiting is not None
            checkpoint, before = self._waiting
            self._waiting = None
        for path in before:
            synchronise(path)
        for folder in {path.parent for path in before}:
            synchronise_names(folder)
        rotate_checkpoint(
            self._folder, Checkpoint(checkpoint.notes, checkpoint.arrays, self._sequence + 1)
        )
        self._sequence += 1
        self.seconds = time.monotonic() - began
