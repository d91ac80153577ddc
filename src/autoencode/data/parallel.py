"""Files are decoded on all cores, several in one job, and few jobs wait at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from autoencode.data import decode
from autoencode.data.budget import MAX_WAITING_BYTES
from autoencode.data.dataset import SAMPLED_VALUES
from autoencode.data.decode import Plan, Probe, Tally, Unreadable
from autoencode.data.extents import Extent

# Pictures that a core decodes in one go.
CHUNK = 64
# Bytes of files out of an archive that a core decodes in one go.
PACKED_BYTES = 2**22


class File(NamedTuple):
    """A file that is read, and the images in it that are wanted."""

    indices: list[int]
    content: Any
    """Bytes, a path, a PIL image or an array, or the reason why there is none."""
    frames: list[int]


def on_all_cores(work: Callable, jobs: Iterator, size: Callable[[Any], int]) -> Iterator:
    """Give what `work` makes of each job, in order.

    A few jobs wait at a time, so that an archive is not read at one go: another is taken while
    those that wait hold less than `MAX_WAITING_BYTES`, by the `size` of each.
    """
    cores = os.cpu_count() or 1
    waiting: deque[tuple[Future, int]] = deque()
    held = 0
    # Threads: Pillow decodes without Python's lock, and rows need not travel between processes,
    # which cost 15 % more.
    with ThreadPoolExecutor(cores) as pool:
        try:
            while True:
                while waiting and (len(waiting) > 4 * cores or held >= MAX_WAITING_BYTES):
                    done, freed = waiting.popleft()
                    yield done.result()
                    # Its argument goes with it.
                    del done
                    held -= freed
                job = next(jobs, None)
                if job is None:
                    break
                waiting.append((pool.submit(work, job), size(job)))
                held += waiting[-1][1]
                del job
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            # After Ctrl-C, jobs that wait are not begun.
            pool.shutdown(wait=False, cancel_futures=True)


def group_files(files: Iterator[File]) -> Iterator[list[File]]:
    """Part `files` into jobs of up to `CHUNK` images, fewer where they are large."""
    job: list[File] = []
    count = 0
    size = 0
    for file in files:
        own = file_size(file)
        if job and (count + len(file.frames) > CHUNK or size + own > PACKED_BYTES):
            yield job
            job = []
            count = 0
            size = 0
        job.append(file)
        count += len(file.frames)
        size += own
    if job:
        yield job


def content_size(content: Any) -> int:
    """Return the bytes that a content keeps in memory."""
    if isinstance(content, bytes):
        return len(content)
    return getattr(content, "nbytes", 0)


def file_size(file: File) -> int:
    """Return the bytes that the content of a file keeps in memory."""
    return content_size(file.content)


def job_size(job: list[File]) -> int:
    """Return the bytes that the contents of a job keep in memory."""
    return sum(map(file_size, job))


class DecodedFiles(NamedTuple):
    """What a job gives: the indices that were asked for, and the result of each by its position
    among them.

    `pixels` are uint8 (K, H, W, C) of those at the positions `kept`; `reasons` say by position why
    the others cannot be read.
    """

    asked: np.ndarray
    pixels: np.ndarray
    kept: list[int]
    reasons: dict[int, str]
    tally: Tally


def decode_files(files: list[File], plan: Plan) -> DecodedFiles:
    """Decode the images of `files` as `plan` says.

    Those that cannot be read are given with the reason.
    """
    count = sum(len(file.frames) for file in files)
    pixels = np.empty((count, *plan.shape), np.uint8)
    kept: list[int] = []
    reasons: dict[int, str] = {}
    tally = Tally()
    position = 0
    for file in files:
        done = 0
        try:
            for image in decode.decode_frames(
                given_content(file.content), file.frames, plan, tally
            ):
                if isinstance(image, Unreadable):
                    reasons[position + done] = str(image)
                else:
                    pixels[len(kept)] = image
                    kept.append(position + done)
                done += 1
        except Unreadable as error:
            reasons |= {position + left: str(error) for left in range(done, len(file.frames))}
        position += len(file.frames)
    asked = np.array([index for file in files for index in file.indices])
    return DecodedFiles(asked, pixels[: len(kept)], kept, reasons, tally)


def probe_file(file: File, plan: Plan) -> list[Probe]:
    """Look at the images of a file, without those that cannot be read."""
    found = []
    for frame in file.frames:
        try:
            found.append(decode.probe(given_content(file.content), frame, plan))
        except Unreadable:
            continue
    return found


def read_file_extent(file: File, plan: Plan, *, skips_uint8: bool) -> dict[str, Extent]:
    """Return the extents as `decode.read_extent`; nothing where there is no content."""
    if isinstance(file.content, Unreadable):
        return {}
    return decode.read_extent(file.content, file.frames, plan, skips_uint8=skips_uint8)


def sample_file(file: File, plan: Plan) -> dict[str, np.ndarray]:
    """Return values as `decode.read_sample`; nothing where there is no content."""
    if isinstance(file.content, Unreadable):
        return {}
    return decode.read_sample(file.content, file.frames, plan, SAMPLED_VALUES)


def given_content(content: Any) -> Any:
    """Return a content as it is; raise the reason where there is none."""
    if isinstance(content, Unreadable):
        raise content
    return content
