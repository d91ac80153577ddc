"""What says that this program wrote a folder or picture, so that output is never read as input.

A folder gets a small file, a PNG a text chunk, a GIF a comment. None of them changes a pixel.
Knows no format beyond that, and no model.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

MARKER = ".autoencode"
MARKER_LINE = "Written by autoencode: this folder is skipped when pictures are read.\n"
# The key of the text chunk of a PNG; a GIF's comment begins with it.
KEYWORD = "autoencode"
PICTURE_TEXT = "written by autoencode"
PICTURE_COMMENT = f"{KEYWORD}: {PICTURE_TEXT}"
# Bytes of a file that hold its mark: in a GIF, after 768 bytes of colours.
HEAD_BYTES = 1024

# What a run or a comparison holds that was written before there were markers.
KNOWN_BY = (
    {"config.json", "metrics.jsonl"},
    {"config.json", "state.json"},
    {"comparison.json", "leaderboard.csv"},
)

PNG = b"\x89PNG\r\n\x1a\n"
GIF = (b"GIF87a", b"GIF89a")
EXTENSION = 0x21
COMMENT = 0xFE


def write_marker(folder: Path) -> None:
    """Mark `folder` as made by this program; one that is marked stays as it is. Raises `OSError`.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_marker(folder)
    >>> is_marked_folder(os.listdir(folder))
    True
    """
    # A link that was planted there is neither followed nor replaced.
    with suppress(FileExistsError), (folder / MARKER).open("x", encoding="utf-8") as file:
        file.write(MARKER_LINE)


def remove_empty(folder: Path) -> None:
    """Remove `folder` where it holds nothing but a marker; one that holds more stays.

    So does one that cannot be removed.
    """
    with suppress(OSError):
        if os.listdir(folder) == [MARKER]:
            (folder / MARKER).unlink()
            try:
                folder.rmdir()
            except OSError:
                # Another process has written there meanwhile.
                write_marker(folder)
                raise
        else:
            folder.rmdir()


def is_marked_folder(names: Iterable[str]) -> bool:
    """Whether a folder that holds `names` was made by this program.

    Runs and comparisons that were written before there were markers are known by their files.

    >>> is_marked_folder(["cat.png", ".autoencode"]), is_marked_folder(["config.json", "cat.png"])
    (True, False)
    >>> is_marked_folder(["config.json", "metrics.jsonl", "example0.png"])
    True
    """
    held = set(names)
    return MARKER in held or any(known <= held for known in KNOWN_BY)


def is_marked_picture(head: bytes) -> bool:
    """Whether a file that begins with `head` is a PNG or a GIF that this program wrote.

    `head` is the first `HEAD_BYTES` of the file; more is not looked at, and less does where the
    file is shorter. (Of a PNG, 256 are enough.) Anything else than a PNG or GIF has no mark.

    >>> is_marked_picture(b"P5 1 1 255 0")
    False
    """
    head = head[:HEAD_BYTES]
    if head.startswith(PNG):
        keyword = KEYWORD.encode() + b"\0"
        texts = (content for kind, content in _chunks(head) if kind == b"tEXt")
        return any(text.startswith(keyword) for text in texts)
    if head.startswith(GIF):
        return any(comment == PICTURE_COMMENT.encode() for comment in _comments(head))
    return False


def _chunks(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content, as far as it is there, of the chunks of a PNG before its pixels."""
    first = len(PNG)
    while first + 8 <= len(head):
        length = int.from_bytes(head[first : first + 4], "big")
        kind = head[first + 4 : first + 8]
        if kind == b"IDAT":
            return
        yield kind, head[first + 8 : first + 8 + length]
        first += 8 + length + 4


def _comments(head: bytes) -> Iterator[bytes]:
    """The comments of a GIF before its first image."""
    if len(head) < 13:
        return
    has_colours = head[10] & 0x80
    colours = 2 ** ((head[10] & 7) + 1)
    first = 13 + (3 * colours if has_colours else 0)
    while first + 2 <= len(head) and head[first] == EXTENSION:
        kind = head[first + 1]
        first += 2
        content = b""
        while first < len(head) and head[first]:
            content += head[first + 1 : first + 1 + head[first]]
            first += 1 + head[first]
        first += 1
        if kind == COMMENT:
            yield content
