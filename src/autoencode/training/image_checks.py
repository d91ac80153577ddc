"""What is wrong with images, before a training: blank, dark, identical, few or coarse ones."""

from __future__ import annotations

from collections import Counter

import numpy as np

from autoencode.images import Images, evenly_spaced
from autoencode.training.findings import Finding

# How many images are examined, how many bytes of them at most, and how many whatever their size.
MAX_EXAMINED = 2000
MAX_EXAMINED_BYTES = 2**24
MIN_EXAMINED = 20
# Images in all, below which they are few.
FEW = 20
# Shares of the range 0 to 255: a mean nearer to an end is nearly black or white, where the standard
# deviation is below FAINT, and half of the images reach less than NARROW from least to largest.
NEAR_END = 0.02
FAINT = 0.02
NARROW = 0.1
ALMOST_ALL = 0.95
# A share of the variance of all values: where that between images is less, they are one image.
# It is the square of 2 % of the contrast.
INDISTINCT = 0.02**2
# Times that the longer side of the stored images is that of the images they are read as.
COARSE = 3
# Pixels of the longest side that is advised.
MAX_SIDE = 4096


def examine_images(images: Images) -> list[Finding]:
    """Return what is wrong with training images, before a training; nothing where they are well.

    Up to 2,000 of them are examined, drawn evenly: fewer of large images, 16 MB in all, but at
    least 20. Findings: all values are the same; each image has a single colour; nearly black or
    nearly white; almost all images are identical or differ by next to nothing; fewer than 20 images
    in all; read at a third of their size or less.

    >>> for finding in examine_images(Images("blank", *np.zeros((2, 50, 4, 4, 1), "uint8"))):
    ...     print(finding.what)
    every value of the 50 images examined is 0
    """
    count = max(MIN_EXAMINED, MAX_EXAMINED_BYTES // images.train[0].size)
    sample = np.asarray(images.train[evenly_spaced(len(images.train), min(MAX_EXAMINED, count))])
    findings = [
        _find_uniform(sample) or _find_dark_or_bright(sample),
        _find_identical(sample),
        _find_few(images),
        _find_coarse(images),
    ]
    return [finding for finding in findings if finding is not None]


def _find_uniform(sample: np.ndarray) -> Finding | None:
    """Images without content: one value in all of them, or a single colour in each."""
    least = sample.min((1, 2))
    largest = sample.max((1, 2))
    if least.min() == largest.max():
        return Finding(
            f"every value of the {len(sample):,} images examined is {least.min()}",
            "the images are blank, or lie within one level of the range they were read on",
            "look at the source; for values far below white, try `range=0:MAX` with the largest",
        )

    height, width = sample.shape[1:3]
    is_uniform = (least == largest).all(1)
    if height * width == 1 or is_uniform.mean() < ALMOST_ALL:
        return None
    return Finding(
        f"{is_uniform.sum():,} of {len(sample):,} images examined have a single colour each",
        "they were drawn so, or their content was lost before",
        "look at the source, and choose a larger `size` if it was small",
    )


def _find_dark_or_bright(sample: np.ndarray) -> Finding | None:
    """Images whose values all lie near black, or all near white."""
    mean = sample.mean(dtype=np.float32) / 255
    if NEAR_END <= mean <= 1 - NEAR_END:
        return None

    spread = sample.std(dtype=np.float32) / 255
    ranges = np.ptp(sample.reshape(len(sample), -1), axis=1)
    if spread >= FAINT or np.median(ranges) >= NARROW * 255:
        return None

    least = sample.min()
    largest = sample.max()
    values = f"values from {least} to {largest} of 255, mean {mean:.2%} of white"
    if mean < NEAR_END:
        return Finding(
            f"the images are nearly black: {values}",
            "they are dark, or were read on a larger range than they fill",
            "try `range=0:MAX` with the largest value that the source holds",
        )
    return Finding(
        f"the images are nearly white: {values}",
        "they are bright, or their values fill only the end of the range they were read on",
        "try `range=MIN:MAX` with the least and the largest value that the source holds",
    )


def _find_identical(sample: np.ndarray) -> Finding | None:
    """Images that are copies of one another, or all but."""
    count = len(sample)
    if count < 2 or sample.min() == sample.max():
        return None

    copies = Counter(image.tobytes() for image in sample)
    duplicates = count - len(copies)
    if max(copies.values()) >= ALMOST_ALL * count or duplicates >= ALMOST_ALL * count:
        distinct = f"{len(copies):,} of {count:,} examined"
        what = f"almost all images are copies: only {distinct} are distinct"
        if len(copies) == 1:
            what = f"all {count:,} images examined are identical"
        return Finding(
            what,
            "the source holds the same images again and again",
            "remove the copies, or check that the source is the one you mean",
        )

    # The variance of all values is that between images, pixel by pixel, and that of the mean image.
    rows = sample.reshape(count, -1)
    mean_image = rows.mean(0, dtype=np.float32)
    differences: np.ndarray = rows - mean_image
    between = float(np.vdot(differences, differences)) / rows.size
    total = between + float(mean_image.var(dtype=np.float64))
    if between >= INDISTINCT * total:
        return None
    difference = np.sqrt(between / total)
    return Finding(
        f"almost all images are identical: they differ by {difference:.1%} of their contrast",
        "they show one scene, or a part that never changes outweighs all else",
        "crop the images to what changes, or check that the source is the one you mean",
    )


def _find_few(images: Images) -> Finding | None:
    count = sum(map(len, images.parts.values()))
    if count >= FEW:
        return None
    return Finding(
        f"there {'is' if count == 1 else 'are'} only {count} image{'' if count == 1 else 's'}",
        "errors measured on so few mean little, and the model can store each of them",
        f"add images, at least {FEW}, or vary them with `augment=shift:2+rotate:10`",
    )


def _find_coarse(images: Images) -> Finding | None:
    """Images that are read much smaller than they are stored."""
    if images.source_size is None:
        return None
    height, width, _ = images.shape
    ratio = max(images.source_size) / max(width, height)
    if ratio < COARSE or 2 * max(width, height) > MAX_SIDE:
        return None

    source = _format_size(*images.source_size)
    size = _format_size(width, height)
    twice = _format_size(2 * width, 2 * height)
    kind = "pixels are" if width == height > 1 else "is"
    return Finding(
        f"{size} {kind} coarse for pictures of {source}",
        f"a pixel stands for about {ratio:.2g} x {ratio:.2g} of the source's",
        f"if details matter, try `size={twice}`, which is 4 times the work",
    )


def _format_size(width: int, height: int) -> str:
    """A size as the setting of that name takes it."""
    return str(width) if width == height else f"{width}x{height}"
