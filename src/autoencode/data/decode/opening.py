"""A path, content, PIL image or array is opened as a picture or an array."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from autoencode.data import formats
from autoencode.data.budget import content_bytes
from autoencode.data.decode.decoders import open_by_decoder
from autoencode.data.decode.limits import (
    MAX_BYTES,
    NOT_REGULAR,
    SMALL,
    Unreadable,
    as_unreadable,
    check_bytes,
    check_pixels,
)
from autoencode.system.memmap import check_npy

NPY_MAGIC = b"\x93NUMPY"
# Pieces of this size go back to the system as soon as a picture is done with; of smaller ones, each
# thread keeps its own.
Image.core.set_block_size(2**26)


@contextmanager
def open_picture(
    file: Any, max_pixels: int, *, check: bool = True
) -> Generator[Image.Image | np.ndarray]:
    """Open a picture, and turn whatever Pillow raises on broken and hostile files into
    `Unreadable`.

    An .npy file, and an array, is given as an array.
    """
    held = 0
    # In one function: each one more costs 1 % of decoding a small picture.
    try:
        if isinstance(file, np.ndarray):
            yield file
            return
        if isinstance(file, Image.Image):
            yield file.copy()
            return
        if isinstance(file, str):
            content, held = _read_file(file)
        else:
            check_bytes(len(file))
            content = io.BytesIO(file)

        picture = _open_content(content)
        if isinstance(picture, np.ndarray):
            yield picture
            return
        with picture:
            if check:
                check_pixels(picture, max_pixels)
            yield picture
    except Unreadable:
        raise
    except Exception as error:
        raise as_unreadable(error) from error
    finally:
        if held:
            content_bytes.release(held)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, and a pipe without waiting for whoever writes into it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_file(path: str) -> tuple[Any, int]:
    """The content of a file, or of a large stack of pages the open file itself, and the bytes that
    are held for it.
    """
    # A buffer costs a tenth of decoding.
    with open(path, "rb", buffering=0, opener=_open_at_once) as handle:
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(NOT_REGULAR)
        size = status.st_size
        if size > MAX_BYTES // 4 and formats.ending_of(path) in formats.STACKS:
            return open(path, "rb"), 0
        check_bytes(size)
        if size <= SMALL:
            return io.BytesIO(handle.read()), 0
        content_bytes.acquire(size)
        try:
            return io.BytesIO(handle.read()), size
        except BaseException:
            content_bytes.release(size)
            raise


def _open_content(content: Any) -> Image.Image | np.ndarray:
    prefix = content.read(16)
    if prefix.startswith(NPY_MAGIC):
        content.seek(0)
        return _load_npy(content, content.getbuffer().nbytes)
    return open_by_decoder(content, prefix)


def _load_npy(file: io.BytesIO, size: int) -> np.ndarray:
    check_npy(file, size)
    array = np.load(file, allow_pickle=False)
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise Unreadable(
            f"expected an image (H, W) or (H, W, C), or several, received {array.dtype} "
            f"{array.shape}"
        )
    return array
