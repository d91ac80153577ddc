"""The commands that use what was trained: reconstruct, encode, decode, denoise, sample, interpolate, map, anomalies, info."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from autoencode.cli.screen import app, decoding, prepare_process, tell_skipped
from autoencode.errors import UsageError
from autoencode.system import signals

if TYPE_CHECKING:
    import numpy as np

    from autoencode.cli.console import Screen
    from autoencode.config import DataConfig
    from autoencode.data.streaming import Stream
    from autoencode.images import Skipped
    from autoencode.inference.opening import Opened, Saved
    from autoencode.inference.outputs import Place


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a verb reads a source."""

    part: str = "all"
    """Which of its images: all, train or test, as a training parts them."""

    fit: str | None = None
    """How a picture of other proportions fills the model's size: pad, crop or stretch [default: as in training]."""

    range: str | None = None
    """Stored values that become black and white: auto, full, MIN:MAX or percentile:LOW:HIGH [default: as in training]."""

    frames: str | None = None
    """Pages and frames of a file: auto, first or all [default: as in training]."""

    include_masks: Annotated[bool, Parameter(negative="")] = False
    """Take masks of other pictures too: ground_truth/, masks/ and NAME_mask beside NAME."""

    strict: bool = False
    """Stop at a picture that cannot be read, instead of skipping it."""

    def config(self, saved: Saved) -> DataConfig:
        """Return how a source is read for the model `saved`."""
        given = {"fit": self.fit, "range": self.range, "frames": self.frames}
        return saved.data_config(
            **given, include_masks=self.include_masks or None, strict=self.strict
        )


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Where a verb writes, and what computes."""

    out: Path | None = None
    """Folder for the results, or the name of the file, whose ending chooses the format [default: VERB-MODEL/]."""

    overwrite: Annotated[bool, Parameter(negative="")] = False
    """Replace results that are there already."""

    engine: str = "auto"
    """What computes: auto, jax, tensorflow or torch."""


MAX_FOLD_SECONDS = 60  # of one training, beyond which five more are not begun unasked

Reads = Annotated[Reading | None, Parameter(name="*")]
Writes = Annotated[Writing | None, Parameter(name="*")]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Steps = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=10_000))]
Seed = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=2**32 - 1))]


@dataclass(frozen=True)
class Work:
    """A verb under way: its model, the place of its results, the screen."""

    saved: Saved
    place: Place
    console: Screen
    engine: str
    progress: Callable[[int, int], None]
    streams: list[Stream] = field(default_factory=list)

    def open(self) -> Opened:
        """Return the model, opened."""
        from autoencode.inference import opening

        opened = opening.open_model(self.saved, self.engine, alone=True)
        self._say_assumed(opened)
        return opened

    def read(
        self, source: str, reading: Reading | None, most: int | None = None
    ) -> tuple[Opened, Stream]:
        """Return the model, opened, and the images of `source`."""
        from autoencode.inference import opening

        reading = reading or Reading()
        words = {
            "part": reading.part,
            "config": reading.config(self.saved),
            "most": most,
            "progress": self.progress,
        }
        opened, stream = opening.begin(self.saved, source, self.engine, **words, alone=True)
        self._say_assumed(opened)
        self.streams.append(stream)
        self.say_notes()
        return opened, stream

    def say_notes(self) -> None:
        """Print what is to be known of the streams, once."""
        for stream in self.streams:
            while stream.notes:
                self.console.tell(stream.notes.pop(0))

    def _say_assumed(self, opened: Opened) -> None:
        for note in opened.notes:
            self.console.tell(f"note: {note}")

    def tell(self, line: str, skipped: Sequence[Skipped] = ()) -> None:
        """Print what was done, what was left out, all of it listed in a file, and where the results lie."""
        from autoencode.inference import outputs

        outputs.write_skipped(self.place.skipped, skipped)
        self.say_notes()
        self.console.tell(line)
        tell_skipped(self.console, skipped, self.place.skipped)
        *others, last = self.place.written()
        self.console.tell(f"{', '.join(others)} and {last} in {self.place.file.parent}")


@contextmanager
def working(verb: str, model: Path, writing: Writing | None) -> Iterator[Work]:
    """Find `model`, claim the place of the results, and show a bar while images are read; SIGTERM ends it in order."""
    prepare_process()
    from autoencode.cli.console import Screen
    from autoencode.inference import opening, outputs

    writing = writing or Writing()
    saved, console = opening.find(model), Screen()
    with (
        signals.ended_by_sigterm(),
        outputs.claim(verb, saved.name, writing.out, overwrite=writing.overwrite) as place,
        decoding(console) as progress,
    ):
        yield Work(saved, place, console, writing.engine, progress)


@app.command
def reconstruct(
    model: Path,
    source: str,
    *,
    refine: Steps = 0,
    examples: Count = 10,
    reading: Reads = None,
    writing: Writes = None,
) -> None:
    """Redraw every image of a source: an array of the reconstructions, their errors, a picture of the first.

    Parameters
    ----------
    model
        Folder of a run, or a .keras file.
    source
        As for train.
    refine
        Steps of gradient descent that bring each code nearer to what its image needs; 50 do most of it.
    examples
        Images in the picture.
    """
    with working("reconstruct", model, writing) as work:
        from autoencode.inference import reconstruction

        work.saved.check_refinable(refine)
        opened, stream = work.read(source, reading)
        told = reconstruction.reconstruct(
            opened, stream, work.place, refine=refine, examples=examples
        )
        work.tell(
            f"{told['images']:,} images: mean squared error {told['mse']:.5f}, PSNR {told['psnr']:.2f} dB",
            stream.skipped,
        )


@app.command
def encode(
    model: Path, source: str, *, refine: Steps = 0, reading: Reads = None, writing: Writes = None
) -> None:
    """Turn every image of a source into its code: a table with names and labels, a picture of the distribution.

    Parameters
    ----------
    model
        Folder of a run, or a .keras file.
    source
        As for train.
    refine
        Steps of gradient descent that bring each code nearer to what its image needs; 50 do most of it.
    """
    with working("encode", model, writing) as work:
        from autoencode.inference import encoding

        work.saved.check_refinable(refine)
        opened, stream = work.read(source, reading)
        told = encoding.encode(opened, stream, work.place, refine=refine)
        work.tell(
            f"{told['images']:,} images, a code of {opened.trained.code} numbers each",
            stream.skipped,
        )


@app.command
def decode(model: Path, codes: Path, *, writing: Writes = None) -> None:
    """Turn codes into images: an array and a contact sheet.

    Parameters
    ----------
    model
        Folder of a run, or a .keras file.
    codes
        An .npz, .csv or .parquet file as encode writes it, or an .npy file.
    """
    with working("decode", model, writing) as work:
        from autoencode.inference import encoding

        encoding.check_codes(codes)
        opened = work.open()
        told = encoding.decode(opened, encoding.read_codes(codes, opened.trained.code), work.place)
        work.tell(f"{told['images']:,} images")


@app.command
def denoise(
    model: Path,
    source: str,
    *,
    add: str | None = None,
    seed: Seed = 0,
    examples: Count = 10,
    reading: Reads = None,
    writing: Writes = None,
) -> None:
    """Take the noise off every image of a source, with a model that was trained with --noise.

    Parameters
    ----------
    model
        Folder of a run, or a .keras file.
    source
        As for train.
    add
        Noise that is put on the images first, as --noise of train, to see how much comes off.
    seed
        Start of the draw of that noise.
    examples
        Images in the picture.
    """
    with working("denoise", model, writing) as work:
        from autoencode.inference import reconstruction

        reconstruction.check(work.saved, add)
        opened, stream = work.read(source, reading)
        told = reconstruction.denoise(
            opened, stream, work.place, add=add, seed=seed, examples=examples
        )
        gain = (
            f": PSNR {told['psnr_before']:.2f} dB with noise, {told['psnr']:.2f} dB without"
            if add
            else ""
        )
        work.tell(f"{told['images']:,} images{gain}", stream.skipped)


@app.command
def sample(
    model: Path,
    *,
    count: Count = 64,
    seed: Seed = 0,
    source: str | None = None,
    writing: Writes = None,
) -> None:
    """Draw new images: codes from a normal distribution for a variational model, else from Gaussians fitted to the training codes.

    Parameters
    ----------
    model
        Folder of a run, or a .keras file.
    count
        How many.
    seed
        Start of the draw.
    source
        Images whose codes the Gaussians are fitted to, those for training [default: what the model was trained on]. Not for
        a variational model.
    """
    with working("sample", model, writing) as work:
        from autoencode.inference import encoding, generation, opening, trained

        saved = work.saved
        generation.check_source(saved, source)
        if saved.is_variational or (saved.codes is not None and source is None):
            opened, skipped, learnt = work.open(), (), None if saved.is_variational else saved.codes
        else:
            found = opening.own_source(saved, source)
            opened, stream = work.read(found, Reading(part="train"), most=trained.KEPT_CODES)
            learnt = encoding.codes_of(opened, stream)
            skipped = stream.skipped
        generation.sample(opened, learnt, work.place, count=count, seed=seed)
        origin = (
            "from a normal distribution"
            if learnt is None
            else f"near those of {len(learnt):,} training images"
        )
        work.tell(f"{count:,} new images, their codes drawn {origin}", skipped)


@app.command
def interpolate(
    model: Path,
    a: str,
    b: str,
    *,
    steps: Annotated[int, Parameter(validator=validators.Number(gte=2, lte=1000))] = 10,
    spherical: Annotated[bool, Parameter(negative="")] = False,
    source: str | None = None,
    part: str = "test",
    fit: str | None = None,
    frame_seconds: Annotated[
        float, Parameter(validator=validators.Number(gte=0.02, lte=600))
    ] = 0.1,
    writing: Writes = None,
) -> None:
    """Walk from one image to another in steps between their codes: a picture and a GIF.

    Parameters
    ----------
    model
        Folder of a run, or a .keras file.
    a
        A picture, or the index of an image of --source, from 0.
    b
        The other.
    steps
        Images on the way, with both ends.
    spherical
        Walk on a sphere about the mean, which suits variational models.
    source
        Where indices count [default: what the model was trained on].
    part
        Which of its images: all, train or test.
    fit
        How a picture of other proportions fills the model's size: pad, crop or stretch [default: as in training].
    frame_seconds
        Seconds of each step in the GIF; browsers show none for less than 0.02.
    """
    with working("interpolate", model, writing) as work:
        from autoencode.inference import generation, opening

        generation.check(work.saved, (a, b), spherical=spherical)
        if a.isdecimal() or b.isdecimal():
            reading = Reading(part=part, fit=fit)
            opened, stream = work.read(opening.own_source(work.saved, source), reading)
        else:
            opened, stream = work.open(), None
        ends = tuple(generation.picture(word, opened, stream, fit) for word in (a, b))
        way = {"steps": steps, "spherical": spherical, "frame_seconds": frame_seconds}
        generation.interpolate(opened, ends, work.place, **way)
        work.tell(f"{steps} images from A to B")


@app.command(name="map")
def map_codes(
    model: Path, source: str, *, method: str = "auto", reading: Reads = None, writing: Writes = None
) -> None:
    """Lay every image of a source on a plane by its code: a picture, a table, and what the plane decodes to.

    Parameters
    ----------
    model
        Folder of a run, or a .keras file.
    source
        As for train.
    method
        How: pca, umap, or auto: two numbers are a plane already; else UMAP where it is installed, else PCA.
    """
    with working("map", model, writing) as work:
        from autoencode.inference import projection

        projection.check(method)
        opened, stream = work.read(source, reading)
        told = projection.write_map(opened, stream, work.place, method=method)
        work.tell(
            f"{told['images']:,} images on a plane by {projection.METHODS[told['method']]}",
            stream.skipped,
        )


@app.command
def anomalies(
    model: Path,
    source: str,
    *,
    normal: str | None = None,
    false_alarms: float = 0.01,
    folds: bool | None = None,
    examples: Count = 10,
    reading: Reads = None,
    writing: Writes = None,
) -> None:
    """Rank the images of a source, the strangest first: a table, a picture of where they differ, a chart of the scores.

    Where a class of the source is called good, normal or ok, in any case, the AUROC of each other
    class against it is printed.

    Parameters
    ----------
    model
        Folder of a run, or a .keras file.
    source
        As for train.
    normal
        Normal images: a threshold is set on those for testing, where they are enough for the rate
        of false alarms, and for a saved estimator on all of them, of which it must have been
        trained on none. Where one of its classes is called good, normal or ok, in any
        case, only the images of that are normal [default: what the model was trained on].
    false_alarms
        Share of normal images that may be taken for anomalies.
    folds
        Where normal images for testing are too few, but all of them are enough, train five models
        by the settings of this one, each without a fifth of the images, and set the threshold on
        the scores of those left out [default: where the model's own training took a minute at most].
    examples
        Images in the picture.
    """
    with working("anomalies", model, writing) as work:
        from autoencode import data
        from autoencode.inference import opening, ranking
        from autoencode.inference.anomalies import WARNING

        ranking.check(false_alarms)
        own_images = normal is None and work.saved.run is not None
        if folds and not own_images:
            raise UsageError(
                "--folds trains on what a run was trained on, by its settings: expected a run folder and no --normal, "
                f"received {f'--normal {normal}' if normal else model}."
            )
        known = opening.own_source(work.saved, normal, "--normal")
        opened, stream = work.read(source, reading)
        reading = reading or Reading()
        config = reading.config(work.saved)
        alarm = ranking.learn(
            opened,
            data.open_dataset(known, config),
            false_alarms,
            config=config,
            progress=work.progress,
            can_fold=own_images,
            score_by_folds=_fold_scorer(work, folds) if own_images else None,
        )
        told = ranking.rank(opened, stream, alarm, work.place, examples=examples)
        if alarm.note:
            work.console.tell(alarm.note)
        work.console.tell(f"normal: {known}; {alarm.describe(false_alarms)}")
        is_same = known == source or Path(known).resolve() == Path(source).resolve()
        told_before = alarm.skipped if is_same else ()  # often one source is both
        skipped = [*alarm.skipped, *(one for one in stream.skipped if one not in told_before)]
        above = (
            f"{told['anomalies']:,} above the threshold"
            if "anomalies" in told
            else "the strangest first"
        )
        work.tell(f"{told['images']:,} images, {above}", skipped)
        for detection in told.get("detections", ()):
            work.console.tell(str(detection))
        if "detections" in told and normal is None and is_same and reading.part == "all":
            work.console.tell(
                "note: these normal images include those the model was trained on; "
                "--part test measures AUROC without them"
            )
        work.console.tell(f"note: {WARNING}")


def _fold_scorer(work: Work, given: bool | None) -> Callable[[np.ndarray], np.ndarray] | None:
    """What scores normal images by models trained on the others; None where it is not wanted, or would take long."""
    from autoencode import engines
    from autoencode.folds import FOLDS, score_by_folds
    from autoencode.runs import schema
    from autoencode.training import planning

    run = work.saved.run
    taken = sum(epoch["seconds"] for epoch in run.metrics())
    if given is False or (given is None and taken > MAX_FOLD_SECONDS):
        return None
    config = planning.complete(schema.settings(run.record))

    def score(images: np.ndarray) -> np.ndarray:
        minutes = math.ceil(FOLDS * taken / 60)
        work.console.tell(
            f"training {FOLDS} models, each without a fifth of the {len(images):,} normal images, to set a "
            f"threshold: about {minutes} min; --no-folds leaves it out"
        )

        def scored(done: int, total: int) -> None:
            work.console.tell(f"fold {done} of {total} scored")

        return score_by_folds(images, config, engines.choose(work.engine), progress=scored)

    return score


@app.command
def info(
    model: Path,
    *,
    json_object: Annotated[bool, Parameter(name="--json", negative="")] = False,
    engine: str = "auto",
) -> None:
    """Tell what a trained model is: shapes, size, source, settings, errors, what the doctor found, versions.

    Parameters
    ----------
    model
        Folder of a run, or a .keras file.
    json_object
        Print one JSON object.
    engine
        What opens a .keras file: auto, jax, tensorflow or torch. A run folder is read without.
    """
    prepare_process()
    from autoencode.inference import opening, summary

    saved = opening.find(model)
    if saved.run is not None:
        told = summary.describe(saved)
    else:
        told = summary.describe_file(saved, opening.open_model(saved, engine, alone=True).trained)
    if json_object:
        print(json.dumps(told))
        return
    for line in summary.lines(told):
        print(line)
