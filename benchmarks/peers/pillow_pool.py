"""Pillow alone shrinks every JPEG below a folder, on every core, and keeps nothing.

It decodes in draft mode. `python pillow_pool.py FOLDER SIDE` prints the seconds from the first
picture to the last.
"""

import multiprocessing
import sys
import time
from functools import partial
from pathlib import Path

from PIL import Image

CHUNK = 64


def shrink(side: int, paths: list[Path]) -> None:
    for path in paths:
        with Image.open(path) as picture:
            picture.draft("RGB", (side, side))
            picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    folder, side = sys.argv[1:]
    paths = sorted(Path(folder).rglob("*.jpg"))
    chunks = [paths[first : first + CHUNK] for first in range(0, len(paths), CHUNK)]
    with multiprocessing.Pool() as pool:
        pool.map(len, chunks)  # the processes have started
        started = time.perf_counter()
        pool.map(partial(shrink, int(side)), chunks, chunksize=1)
        print(time.perf_counter() - started)
