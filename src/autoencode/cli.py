"""The command: words to a `Config`, events to lines on the screen, errors to one line. The only place that prints."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Parameter

from autoencode.config import Config, cache_folder
from autoencode.errors import AutoencodeError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from autoencode.images import Skipped
    from autoencode.training import Epoch

SKIPPED_SHOWN = 5  # on the screen


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The settings of a training that look and pack share."""

    size: str = Config.size
    """Size of the images: auto, a number for squares, or WIDTHxHEIGHT in pixels."""

    fit: str = Config.fit
    """How a picture of other proportions fills that size: pad, crop or stretch."""

    colour: str = Config.colour
    """Colour of the images: auto, grey or rgb."""

    seed: int = Config.seed
    """Start of the draw of test images."""

    strict: bool = False
    """Stop at a picture that cannot be read, where it would be left out."""

    def config(self) -> Config:
        """Return these settings as those of a training."""
        return Config(**dataclasses.asdict(self))


app = App(
    name="autoencode",
    help="Train an autoencoder on images and watch it learn to redraw them.",
    suppress_keyboard_interrupt=False,  # `main` tells it
)


@app.command
def train(
    source: str = "mnist",
    *,
    run: Path | None = None,
    config: Annotated[Config | None, Parameter(name="*")] = None,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    json_lines: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Train an autoencoder, with a picture after every epoch and a GIF at the end.

    Parameters
    ----------
    source
        Images to train on: mnist, fashion_mnist, cifar10, cifar100, hf:OWNER/NAME, or a path: a folder of pictures, a
        .zip, .tar, .parquet, .npz, .npy, IDX file, a picture or a packed store.
    run
        New or empty folder for the results [default: runs/SOURCE-1, -2, ...].
    quiet
        Print nothing but errors.
    json_lines
        Print one JSON object an epoch on stdout, all else on stderr.
    """
    _prepare_process()
    gc.disable()  # until everything is imported: 0.1 s, and imports leave no garbage
    from autoencode import pipeline, runs

    config = config or Config()
    name, _ = pipeline.check(source, config)
    with runs.claim(run, name) as folder:
        _train(source, config, folder, quiet=quiet, json_lines=json_lines)


def _train(source: str, config: Config, folder: Path, *, quiet: bool, json_lines: bool) -> None:
    from rich.console import Console

    from autoencode import pipeline, runs
    from autoencode.doctor import Finding
    from autoencode.training import Chunk

    console = Console(stderr=json_lines, quiet=quiet, highlight=False, soft_wrap=True)
    with _decoding(console) as progress:
        training = pipeline.prepare(source, config, alone=True, progress=progress)
    gc.freeze()
    gc.enable()
    engine, images = training.engine, training.images
    for note in images.notes:
        console.print(note, markup=False)
    console.print(
        f"{source}: {len(images.train):,} images to train, {len(images.test):,} to test; model {config.model}, "
        f"{engine.model.count_params():,} parameters; engine {engine.name} on {engine.device}",
        markup=False,
    )
    with _signals() as received, _bar(console) as bar, closing(pipeline.record(training, folder)) as events:
        task = bar.add_task("epoch 1", total=None)
        for event in events:
            if isinstance(event, Chunk):
                description = f"epoch {event.number}/{config.epochs}  loss {event.loss:.4f}"
                bar.update(task, description=description, completed=event.step, total=event.steps)
            elif isinstance(event, Finding):
                console.print(f"doctor: {event}", markup=False)
            else:
                console.print(_line(event, config.epochs), markup=False)
                if json_lines:
                    print(json.dumps(pipeline.describe_epoch(event)), flush=True)
            if received:
                break
    _tell_skipped(console, images.skipped, folder / runs.SKIPPED)
    gc.freeze()  # the interpreter's last collection would take 0.5 s to give back what the process's end gives back
    if received:
        print(f"autoencode: stopped early; the finished epochs are in {folder}", file=sys.stderr)
        sys.exit(128 + received[0])
    console.print(f"results in {folder}: see report.html and output.gif", markup=False)


@app.command
def look(
    source: str,
    *,
    sheet: Path | None = None,
    shape: Annotated[Shape | None, Parameter(name="*")] = None,
) -> None:
    """Look at a source: how many pictures, their sizes and colours, duplicates, what cannot be read, a contact sheet.

    Parameters
    ----------
    source
        As for train.
    sheet
        PNG file for the contact sheet [default: NAME-look.png].
    """
    from rich.console import Console

    from autoencode import inspection

    console = Console(highlight=False, soft_wrap=True)
    with _decoding(console) as progress:
        seen = inspection.look(source, (shape or Shape()).config(), progress)
    for line in seen.lines():
        console.print(line, markup=False)
    path = sheet or Path(f"{seen.name}-look.png")
    inspection.write_sheet(seen, path)
    console.print(f"contact sheet in {path}", markup=False)
    _tell_skipped(console, seen.skipped, None)


@app.command
def pack(source: str, file: Path, *, shape: Annotated[Shape | None, Parameter(name="*")] = None) -> None:
    """Decode a source once, on all cores, into one file that training reads without filling memory.

    The same command continues a packing that was cut off.

    Parameters
    ----------
    source
        As for train.
    file
        The packed store to write; train, look and pack take it as a source.
    """
    from rich.console import Console

    from autoencode import sources

    console = Console(highlight=False, soft_wrap=True)
    with _decoding(console) as progress:
        images = sources.pack(source, file, (shape or Shape()).config(), progress)
    for note in images.notes:
        console.print(note, markup=False)
    count, (height, width, channels) = len(images.train) + len(images.test), images.shape
    console.print(
        f"{count:,} images of {width}x{height}, {'grey' if channels == 1 else 'rgb'}, in {file} "
        f"({file.stat().st_size / 1e6:,.1f} MB)",
        markup=False,
    )
    _tell_skipped(console, images.skipped, None)


@app.command
def show(run: Path) -> None:
    """Make pictures, GIF, curve and report of a run again from its folder.

    Parameters
    ----------
    run
        Folder of a run.
    """
    from autoencode import runs

    runs.Run.open(run).show()
    print(f"drawn again in {run}: see report.html and output.gif")


@app.command
def models() -> None:
    """List the models, with their parameters and measured errors on MNIST at a code of 16 numbers."""
    from autoencode.models import ARCHITECTURES, measured

    print(f"{'model':9} {'parameters':>12} {'test MSE':>10}")
    for name, architecture in ARCHITECTURES.items():
        found = measured(name)
        error = "not yet" if found["mse"] is None else f"{found['mse']:.5f}"
        print(f"{name:9} {found['parameters']:12,} {error:>10}  {architecture.summary}; {found['recipe']}")


@app.command
def compare(
    source: str = "mnist",
    *,
    models: Annotated[str, Parameter(name="--models")] = "article,dense,feedback",
    codes: str = "16",
    seeds: int = 3,
    folder: Path | None = None,
    config: Annotated[Config | None, Parameter(name="*")] = None,
) -> None:
    """Train several models with several sizes of the code, and write a leaderboard, a chart and a picture of them.

    The same command continues a comparison that was stopped. Other options are those of train, for all of them.

    Parameters
    ----------
    source
        As for train.
    models
        Names of models, with commas between; PCA is always the first row.
    codes
        Sizes of the code, with commas between.
    seeds
        Trainings of each, from --seed on.
    folder
        Where everything is kept [default: comparison-SOURCE].
    """
    _prepare_process()
    from rich.console import Console

    from autoencode import comparison

    config = config or Config()
    console = Console(highlight=False, soft_wrap=True)
    entries = comparison.plan(source, config, models.split(","), _whole_numbers("--codes", codes), seeds)
    folder = folder or Path(f"comparison-{Path(source).name}")
    comparison.claim(folder, source, config)
    results = []
    for entry, found, before in comparison.run(folder, source, config, entries):
        results.append((entry, found))
        console.print(f"{entry.folder}: test MSE {found['mse']:.5f}" + (" (was there)" if before else ""), markup=False)
    for line in comparison.write(folder, results):
        print(line)
    console.print(f"leaderboard.md, leaderboard.csv, error.png and reconstructions.png in {folder}", markup=False)


def _whole_numbers(option: str, words: str) -> list[int]:
    try:
        return [int(word) for word in words.split(",")]
    except ValueError:
        raise UsageError(f"{option} takes whole numbers with commas between, received {words!r}.") from None


def _line(epoch: Epoch, epochs: int) -> str:
    return (
        f"epoch {epoch.number}/{epochs}  {epoch.steps} steps  {epoch.seconds:.2f} s  "
        f"{epoch.step_seconds * 1000:.2f} ms/step  {epoch.images_per_second:,.0f} images/s  "
        f"loss {epoch.loss:.4f}  val_loss {epoch.val_loss:.4f}"
    )


def _bar(console: Console):
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = console.is_terminal and not console.quiet
    return Progress(*columns, console=console, transient=True, disable=not shown)


@contextmanager
def _decoding(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar for the decoding of pictures that appears with the first of them."""
    with _bar(console) as bar:
        tasks = []

        def progress(done: int, total: int) -> None:
            if not tasks:
                tasks.append(bar.add_task("pictures", total=total))
            bar.update(tasks[0], completed=done)

        yield progress


def _tell_skipped(console: Console, skipped: Sequence[Skipped], file: Path | None) -> None:
    if not skipped:
        return
    console.print(f"{len(skipped):,} pictures left out" + (f", all of them in {file}:" if file else ":"), markup=False)
    for one in skipped[:SKIPPED_SHOWN]:
        console.print(f"  {one.name}: {one.reason}", markup=False)
    if len(skipped) > SKIPPED_SHOWN:
        console.print(f"  and {len(skipped) - SKIPPED_SHOWN:,} more", markup=False)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals to stop that came so far: the first lets the chunk end and the folder be finished, a second kills.

    An exception out of the handler, as Python's own for Ctrl-C, can be lost in a callback of a framework.
    """
    received = []

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prepare_process() -> None:
    """Set what only a process of the command's own may set, before the first import of NumPy; the user's words go first."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "jax"))
    # Programs of this size compile in less than JAX's own limits, a second and more.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    # PCA on every core would take them from the first epochs, and end no sooner for all: 0.5 s of the article's job.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> None:
    """Run the command and exit: 0, 1 for a problem to mend, 2 for a call that is off, 130 for Ctrl-C."""
    try:
        app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(UsageError(f"{' '.join(str(error).split())} See: autoencode --help"))
    except AutoencodeError as error:
        _fail(error)
    except KeyboardInterrupt:
        print("autoencode: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever read our lines has gone, as `head` does; what follows must not be written either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _fail(error: AutoencodeError) -> None:
    print(f"autoencode: {error}", file=sys.stderr)
    sys.exit(error.exit_status)
