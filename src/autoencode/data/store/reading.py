"""A packed store is checked and opened through a memory map."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from autoencode.data.store.format import BLOCK, END, HEAD, MAGIC, TAIL, VERSION
from autoencode.errors import AutoencodeError, newer, reason
from autoencode.images import Images, Skipped, Unused


def is_store(path: Path) -> bool:
    """Whether the file begins as a store does."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def open_store(path: Path) -> Images:
    """Return a store's images, memory-mapped, after every byte was checked.

    Raises `AutoencodeError` where the file is damaged, cut off or of a newer version.
    """
    try:
        with path.open("rb") as file:
            footer, end = _footer(file, path)
            _verify(file, footer["blocks"], end)
        return map_images(path, footer, end)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
        struct.error,
    ) as error:
        raise _damaged(path, reason(error)) from error
    except (RecursionError, MemoryError) as error:
        raise _damaged(path, "its footer is invalid") from error


def _footer(file: Any, path: Path) -> tuple[dict[str, Any], int]:
    size = file.seek(0, os.SEEK_END)
    if size < HEAD.size + TAIL.size:
        raise ValueError("it ends too early")
    file.seek(0)
    magic, version = HEAD.unpack(file.read(HEAD.size))
    if magic == MAGIC and version > VERSION:
        raise newer(path, "packed", f"version {version}, known here: {VERSION}")
    file.seek(size - TAIL.size)
    length, checksum, mark = TAIL.unpack(file.read(TAIL.size))
    end = size - TAIL.size - length
    if magic != MAGIC or mark != END or end < HEAD.size:
        raise ValueError("its end is missing")
    file.seek(end)
    text = file.read(length)
    if zlib.crc32(text) != checksum:
        raise ValueError("checksum mismatch in its footer")
    return json.loads(text), end


def _verify(file: Any, blocks: list[int], end: int) -> None:
    def check(index: int) -> bool:
        content = os.pread(file.fileno(), min(BLOCK, end - index * BLOCK), index * BLOCK)
        return zlib.crc32(content) == blocks[index]

    if len(blocks) != -(-end // BLOCK):
        raise ValueError("its blocks are incomplete")
    # The CRC leaves Python's lock to others.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, whole in enumerate(pool.map(check, range(len(blocks)))):
            if not whole:
                raise ValueError(f"checksum mismatch in the block from byte {index * BLOCK:,}")


def map_images(path: Path, footer: dict[str, Any], end: int) -> Images:
    """Return the images of the store at `path`, memory-mapped, as its `footer` says.

    `end` is the position of the footer's first byte. Raises `ValueError` where sizes do not add up.
    """
    shape = tuple(footer["shape"])
    counts = footer["counts"]

    first = HEAD.size
    rows = {}
    for part, count in counts.items():
        if count:
            rows[part] = np.memmap(path, np.uint8, "r", first, (count, *shape))
        first += count * int(np.prod(shape))
    if not rows:
        raise ValueError("it holds no images")
    # A lone image is in both parts.
    lone = next(iter(rows.values()))
    rows = {part: rows.get(part, lone) for part in ("train", "test")}

    labels: dict[str, Any] = {}
    if footer["labels"]:
        for part, count in counts.items():
            stored = np.fromfile(path, "<i4", count, offset=first)
            labels[f"{part}_labels"] = stored.astype(np.int32)
            first += 4 * count

    length = footer.get("names", 0)
    names = _names_by_part(path, first, length, counts) if length else {}
    if first + length != end:
        raise ValueError("its sizes do not add up")

    unused = footer.get("unused", ())
    ranges = footer.get("ranges", {})
    return Images(
        footer["name"],
        train=rows["train"],
        test=rows["test"],
        train_names=names.get("train_names"),
        test_names=names.get("test_names"),
        **labels,
        classes=tuple(footer["classes"]),
        skipped=tuple(Skipped(*pair) for pair in footer["skipped"]),
        unused=tuple(Unused(why, int(count), tuple(where)) for why, count, where in unused),
        ranges={kind: (float(low), float(high)) for kind, (low, high) in ranges.items()},
    )


def _names_by_part(
    path: Path, first: int, length: int, counts: dict[str, int]
) -> dict[str, Sequence[str]]:
    """The names of the images of either part, as `Images` takes them."""
    lines = _Lines(path, first, length, sum(counts.values()))
    starts = {"train": 0, "test": counts["train"]}
    names = {part: Names(lines, starts[part], count) for part, count in counts.items() if count}
    lone = next(iter(names.values()))
    return {f"{part}_names": names.get(part, lone) for part in ("train", "test")}


class _Lines:
    """The names of all images of the store at `path`, read when they are first asked for: millions
    fill memory.
    """

    def __init__(self, path: Path, first: int, length: int, count: int) -> None:
        self._path = path
        self._first = first
        self._length = length
        self._count = count

    @cached_property
    def all(self) -> list[str]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._first)
                lines = file.read(self._length).decode().split("\n")
        except (OSError, ValueError) as error:
            raise _damaged(self._path, reason(error)) from error
        if len(lines) != self._count:
            raise _damaged(self._path, f"it holds {len(lines):,} names of {self._count:,} images")
        return lines


class Names(Sequence[str]):
    """What the images of one part of a store are called.

    Reading one raises `AutoencodeError` where the file is damaged.
    """

    def __init__(self, lines: _Lines, first: int, count: int) -> None:
        self._lines = lines
        self._first = first
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> str:
        return self._lines.all[self._first + range(self._count)[index]]


def _damaged(path: Path, why: str) -> AutoencodeError:
    return AutoencodeError(
        f"{path} is a damaged store ({why}): pack it again, or bring it back from a copy."
    )
