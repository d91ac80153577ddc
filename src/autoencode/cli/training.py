"""The commands that train: train, show, models and compare."""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from autoencode.cli.screen import app, bar, decoding, prepare_process, tell_skipped
from autoencode.config import Config
from autoencode.errors import UsageError

if TYPE_CHECKING:
    from autoencode.training import Epoch


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
    prepare_process()
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
    with decoding(console) as progress:
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
    with _signals() as received, bar(console) as shown, closing(pipeline.record(training, folder)) as events:
        task = shown.add_task("epoch 1", total=None)
        for event in events:
            if isinstance(event, Chunk):
                description = f"epoch {event.number}/{config.epochs}  loss {event.loss:.4f}"
                shown.update(task, description=description, completed=event.step, total=event.steps)
            elif isinstance(event, Finding):
                console.print(f"doctor: {event}", markup=False)
            else:
                console.print(_line(event, config.epochs), markup=False)
                if json_lines:
                    print(json.dumps(pipeline.describe_epoch(event)), flush=True)
            if received:
                break
    tell_skipped(console, images.skipped, folder / runs.SKIPPED)
    gc.freeze()  # the interpreter's last collection would take 0.5 s to give back what the process's end gives back
    if received:
        print(f"autoencode: stopped early; the finished epochs are in {folder}", file=sys.stderr)
        sys.exit(128 + received[0])
    console.print(f"results in {folder}: see report.html and output.gif", markup=False)


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
    prepare_process()
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
