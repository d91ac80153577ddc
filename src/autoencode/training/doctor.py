"""A doctor: what is wrong with images, or with a training that has ended, why, and what to try.

Knows settings, images and numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoencode.config import Config
from autoencode.images import Images, evenly

DEAD = 1e-6  # spread of a number of the code over all test images, below which it says nothing
# Variance below which a number of a variational code is unused (Burda, Grosse and Salakhutdinov, arXiv:1509.00519, 4.2).
COLLAPSED = 0.01
RISEN = 1.02  # times the least so far
NOISES = 3.0  # standard errors, by which a loss that wavers must have risen as well
WAVERING = 10  # epochs, from which on the wavering of a loss is known
GAP = 1.15  # error on test images, as a multiple of that on training images
SMALL_GAP = 1.05  # the same, where the error on test images has risen
NOTHING = 1e-6  # error of PCA that leaves nothing to redraw: images that are all alike, a code as large as they are
LEAST = 20  # test images, below which neither a dead number of the code nor a val_loss that rises is told
OUTSIDE = 0.01  # beyond [0, 1]
NAMED = 8  # numbers of the code that are listed
# Of a training that is worse than PCA: from which share of the mean image's error on nothing else
# is learned; how little a loss has fallen that stands still; steps that are few for any set, as the
# defaults take 600 at least; and the epoch after which it is told.
AS_MEAN, STILL, FEW_STEPS, EARLY_EPOCH = 0.95, 0.01, 300, 2

# Of images before a training. How many are examined, how many bytes of them at most, and how many
# whatever their size.
EXAMINED, EXAMINED_BYTES, EXAMINED_LARGE = 2000, 2**24, 20
FEW = 20
# Shares of the range 0 to 255: a mean nearer to an end is nearly black or white, where the standard
# deviation is below FAINT, and half of the images reach less than NARROW from least to largest.
NEAR_END, FAINT, NARROW = 0.02, 0.02, 0.1
ALMOST_ALL = 0.95
# A share of the variance of all values: where that between images is less, they are one image.
# It is the square of 2 % of the contrast.
INDISTINCT = 0.02**2
# Times that the longer side of the stored images is that of the images they are read as.
COARSE = 3
MAX_SIDE = 4096  # pixels


@dataclass(frozen=True)
class Finding:
    """What is wrong, the cause, and what to try; one line each."""

    what: str
    cause: str
    advice: str

    def __str__(self) -> str:
        return f"{self.what}; {self.cause}: {self.advice}"


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
    count = max(EXAMINED_LARGE, EXAMINED_BYTES // images.train[0].size)
    sample = np.asarray(images.train[evenly(len(images.train), min(EXAMINED, count))])
    findings = [
        _uniform(sample) or _near_an_end(sample),
        _identical(sample),
        _few(images),
        _coarse(images),
    ]
    return [finding for finding in findings if finding is not None]


def _uniform(sample: np.ndarray) -> Finding | None:
    """Images without content: one value in all of them, or a single colour in each."""
    least, largest = sample.min((1, 2)), sample.max((1, 2))
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


def _near_an_end(sample: np.ndarray) -> Finding | None:
    """Images whose values all lie near black, or all near white."""
    mean = sample.mean(dtype=np.float32) / 255
    if NEAR_END <= mean <= 1 - NEAR_END:
        return None

    spread = sample.std(dtype=np.float32) / 255
    ranges = np.ptp(sample.reshape(len(sample), -1), axis=1)
    if spread >= FAINT or np.median(ranges) >= NARROW * 255:
        return None

    least, largest = sample.min(), sample.max()
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


def _identical(sample: np.ndarray) -> Finding | None:
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
    differences = rows - mean_image
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


def _few(images: Images) -> Finding | None:
    count = sum(map(len, images.parts.values()))
    if count >= FEW:
        return None
    return Finding(
        f"there {'is' if count == 1 else 'are'} only {count} image{'' if count == 1 else 's'}",
        "errors measured on so few mean little, and the model can store each of them",
        f"add images, at least {FEW}, or vary them with `augment=shift:2+rotate:10`",
    )


def _coarse(images: Images) -> Finding | None:
    """Images that are read much smaller than they are stored."""
    if images.source_size is None:
        return None
    height, width, _ = images.shape
    ratio = max(images.source_size) / max(width, height)
    if ratio < COARSE or 2 * max(width, height) > MAX_SIDE:
        return None

    source = _size(*images.source_size)
    size = _size(width, height)
    kind = "pixels are" if width == height > 1 else "is"
    return Finding(
        f"{size} {kind} coarse for pictures of {source}",
        f"a pixel stands for about {ratio:.2g} x {ratio:.2g} of the source's",
        f"if details matter, try `size={_size(2 * width, 2 * height)}`, which is 4 times the work",
    )


def _size(width: int, height: int) -> str:
    """A size as the setting of that name takes it."""
    return str(width) if width == height else f"{width}x{height}"


@dataclass(frozen=True)
class Patient:
    """What the doctor looks at: the settings, the losses by epoch, PCA's error, and the last evaluation.

    `config` has every "auto" filled in. `train_error` is the mean squared error of training images once the model is
    trained, which can be compared with `val_losses` whatever `losses` measure. `codes` are float32 (N, code), of the test
    images; `least` and `largest` the extremes of the outputs. `setbacks` are what made the learning rate be halved,
    `warming_up` the epochs over which the loss grows by design, `traded` the options that give up some of the error for
    something else. `mean` is the error of the mean training image, `steps` how many optimizer steps were made; both are
    ignored where they are None.
    """

    config: Config
    losses: Sequence[float]
    val_losses: Sequence[float]
    train_error: float
    pca: float
    codes: np.ndarray
    least: float
    largest: float
    setbacks: Sequence[str] = ()
    warming_up: int = 0
    traded: Sequence[str] = ()
    mean: float | None = None
    steps: int | None = None

    @property
    def judged(self) -> bool:
        """Whether there are test images enough, and in them anything to redraw."""
        return len(self.codes) >= LEAST and self.pca >= NOTHING

    @property
    def unused(self) -> np.ndarray:
        """Which numbers of the code say nothing, booleans (code,)."""
        if self.config.variational is not None:
            return self.codes.var(0) < COLLAPSED
        return np.ptp(self.codes, axis=0) < DEAD

    @property
    def is_worse_than_pca(self) -> bool:
        """Whether PCA with as many components redraws the test images better."""
        return self.pca >= NOTHING and self.val_losses[-1] > self.pca


def diagnose(patient: Patient) -> list[Finding]:
    """Return what is wrong with a training; nothing where it is well.

    >>> well = Patient(Config(), [0.05, 0.03], [0.04, 0.03], 0.03, 0.05, np.eye(4), 0.0, 1.0)
    >>> diagnose(well)
    []
    """
    checks = (_setbacks, _codes, _worse_than_pca, _loss_rises, _overfitting, _outside)
    return [finding for check in checks if (finding := check(patient)) is not None]


def _setbacks(patient: Patient) -> Finding | None:
    if not patient.setbacks:
        return None
    return Finding(
        "; ".join(patient.setbacks),
        "the steps were too large",
        f"the learning rate is now {0.5 ** len(patient.setbacks):g} times what was asked for; try to begin with that",
    )


def _codes(patient: Patient) -> Finding | None:
    unused, config = patient.unused, patient.config
    if not unused.any() or not patient.judged:
        return None
    numbers = np.flatnonzero(unused)
    named = ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")
    share = f"{len(numbers)} of {len(unused)} numbers of the code"
    if config.variational is not None:
        free = " or `free_bits=0.1`" if config.free_bits < 0.1 else ""
        return Finding(
            f"{share} have collapsed ({named})",
            "the variational term outweighs what they would add",
            f"try a lower `variational`{',' if free else ' or'} a longer `warm_up`{free}",
        )
    same, advice = (
        f"{share} are the same for every test image ({named})",
        "try a lower `learning_rate`, another `seed`",
    )
    if config.sparsity:
        return Finding(
            same,
            "the sparsity term outweighs what they would add",
            f"try a lower `sparsity` than {config.sparsity:g}",
        )
    if config.model == "article" and config.quantize is None:
        cause = "their units are dead, as those of a ReLU that never opens"
        return Finding(same, cause, f"{advice}, or `model=dense`, whose code has no ReLU")
    return Finding(same, "their units are dead", f"{advice}, or a smaller `code`")


def warn(patient: Patient) -> list[Finding]:
    """Return what is wrong with a training that has only begun: why it learns too little to reach PCA.

    Nothing where it is better than PCA, or where its loss still grows by design.
    """
    finding = None if patient.warming_up >= len(patient.losses) else _learns_too_little(patient)
    return [] if finding is None else [finding]


def _learns_too_little(patient: Patient) -> Finding | None:
    """The plainest sign of a training that is worse than PCA, and the cure for it."""
    if not patient.is_worse_than_pca or patient.unused.all():
        return None
    error, mean, first, last = (
        patient.val_losses[-1],
        patient.mean,
        patient.losses[0],
        patient.losses[-1],
    )
    beside = f"val_loss {error:.4f}, PCA {patient.pca:.4f}"
    few = patient.steps is not None and patient.steps < FEW_STEPS
    steps = f"only {patient.steps} optimizer steps were made" if few else ""
    if mean is not None and error >= AS_MEAN * mean:
        is_worse = error > mean / AS_MEAN
        told = (
            "it is worse than the mean image"
            if is_worse
            else "it reconstructs the mean image for everything"
        )
        what = f"{told} ({beside}, the mean image {mean:.4f})"
        return Finding(
            what, steps or "the model has not learned what tells images apart", _cure(patient)
        )
    if few:
        return Finding(
            f"{steps} ({beside})", "that is too few for any model to learn", _cure(patient)
        )
    if len(patient.losses) > 1 and abs(first - last) <= STILL * first:
        what = f"the loss stands still: {first:.4f} in the first epoch, {last:.4f} in the last ({beside})"
        return Finding(what, "the optimizer finds no way down", _cure(patient))
    return None


def _cure(patient: Patient) -> str:
    """What to try where a training is worse than PCA: to start as PCA, or to leave the settings to the defaults."""
    if patient.config.model == "residual":
        return "try it without `learning_rate`, `batch_size` and `epochs`, which are then chosen for the images"
    if patient.traded or patient.config.loss != "mse":
        return "try it without `batch_size`, and with more `epochs`"
    return "try `model=residual` without `batch_size` and `epochs`: it starts as PCA"


def _worse_than_pca(patient: Patient) -> Finding | None:
    if not patient.is_worse_than_pca or _overfitting(
        patient
    ):  # which tells it, and whose advice is another
        return None
    if (finding := _learns_too_little(patient)) is not None:
        return finding
    what = f"val_loss {patient.val_losses[-1]:.4f} is worse than PCA with as many components ({patient.pca:.4f})"
    cause = "the training is too short or the model too small"
    if patient.traded:
        options = ", ".join(f"`{name}`" for name in patient.traded)
        return Finding(
            what,
            f"{cause}, or {options} costs too much of the error",
            f"try more `epochs`, or less of {options}",
        )
    return Finding(what, cause, _cure(patient))


def _loss_rises(patient: Patient) -> Finding | None:
    losses = np.array(patient.losses[patient.warming_up :])
    if not len(losses):
        return None
    window = max(1, len(losses) // 5)
    means = np.convolve(losses, np.full(window, 1 / window), "valid")
    least, last = means.min(), means[-1]
    if last <= RISEN * least or last - least <= NOISES * _wavering(losses) / window**0.5:
        return None
    advice = "try a lower `learning_rate`" + (
        " or `schedule=cosine`" if patient.config.schedule == "constant" else ""
    )
    return Finding(
        f"the loss has risen from {least:.4f} to {last:.4f}", "the steps are too large", advice
    )


def _wavering(losses: np.ndarray) -> float:
    """The standard deviation of late losses about their trend, by the median of their second differences; 0 for a few.

    (Of independent noise, second differences have 6 times the variance; the median deviation is 0.6745 of a normal one's.)
    """
    if len(losses) < WAVERING:
        return 0.0
    return float(np.median(np.abs(np.diff(losses[len(losses) // 2 :], 2))) / (0.6745 * 6**0.5))


def _overfitting(patient: Patient) -> Finding | None:
    last, best = patient.val_losses[-1], min(patient.val_losses)
    if (
        not patient.judged or patient.unused.all()
    ):  # without a code, nothing is learned of a single image
        return None
    if patient.train_error >= patient.pca:  # nor where the training images are still redrawn badly
        return None
    risen = last > RISEN * best
    if not patient.is_worse_than_pca:
        if patient.config.holdout:  # held-out images have chosen the best epoch there is
            return None
        if patient.config.model == "residual" and not risen:
            return None
    if last <= (SMALL_GAP if risen else GAP) * patient.train_error:
        return None
    what = f"val_loss {last:.4f} stands against {patient.train_error:.4f} on training images"
    what += f" and {best:.4f} in a better epoch" if risen else ""
    if patient.is_worse_than_pca:
        what += f", and is worse than PCA with as many components ({patient.pca:.4f})"
    augment = (
        "try `augment=shift:2+rotate:10`"
        if patient.config.augment == "none"
        else "try a stronger `augment`"
    )
    smaller = "`code`" if patient.config.model == "article" else "`width`"
    return Finding(
        what,
        "the model learns single training images by heart",
        f"{augment}, more images, or a smaller {smaller}",
    )


def _outside(patient: Patient) -> Finding | None:
    if -OUTSIDE <= patient.least and patient.largest <= 1 + OUTSIDE:
        return None
    return Finding(
        f"the model draws values from {patient.least:.2f} to {patient.largest:.2f}, outside [0, 1]",
        "its last layer does not bound them",
        "end the decoder with a sigmoid",
    )
