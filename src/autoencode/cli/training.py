"""The command that trains, and what it prints of a training."""

from __future__ import annotations

import gc
import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from autoencode.cli.screen import app, bar, decoding, prepare_process, tell_skipped
from autoencode.config import Config
from autoencode.errors import UsageError
from autoencode.system import signals

if TYPE_CHECKING:
    from rich.progress import Progress

    from autoencode.cli.console import Screen
    from autoencode.runs.recorder import Training
    from autoencode.training import Epoch, Position


@app.command
def train(
    source: str = "mnist",
    *,
    run: Path | None = None,
    resume: Path | None = None,
    config: Annotated[Config | None, Parameter(name="*")] = None,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    json_lines: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Train an autoencoder, with a picture after every epoch and a GIF at the end.

    Parameters
    ----------
    source
        Images to train on: mnist, fashion_mnist, cifar10, cifar100, hf:OWNER/NAME, or a path: a
        folder of pictures, a .zip, .tar, .parquet, .npz, .npy or IDX file, a picture or a store.
    run
        New or empty folder for the results [default: runs/SOURCE-1, -2, ...].
    resume
        Folder of a run that stopped: continue it, as if it never had stopped. Takes no other option
        but --epochs, for more of them, and --model FILE.py:FUNCTION where it trained an own model.
    quiet
        Print nothing but errors.
    json_lines
        Print one JSON object an epoch on stdout, all else on stderr.
    """
    prepare_process()
    gc.disable()  # until everything is imported: 0.1 s, and imports leave no garbage
    from autoencode import pipeline, runs
    from autoencode.runs import schema
    from autoencode.training import own_files, own_parts

    prepare = partial(pipeline.prepare, own_process=True)
    with signals.ended_by_sigterm():
        if resume is None:
            config = config or Config()
            if own_files.is_in_file(config.model):
                own_files.register_file(config.model, config.engine)
            job = pipeline.check_job(source, config)
            with runs.claim(run, job.source.name) as folder:
                _train(partial(prepare, job), folder, quiet=quiet, json_lines=json_lines)
            return
        _check_resumed_alone()
        with runs.reclaim(resume) as opened:
            if config and not config.is_auto("model"):
                recorded = opened.record["settings"]["model"]
                own_files.register_file_again(config.model, opened.record["engine"], recorded)
            own_parts.check_own_parts(schema.settings(opened.record), resume)
            plan, resumed = pipeline.plan_resume(opened, _asked_epochs(config))
            job = pipeline.check_job(pipeline.source_of(opened), plan)
            prepare = partial(prepare, job, resumed=resumed)
            _train(prepare, resume, quiet=quiet, json_lines=json_lines)


def _asked_epochs(config: Config | None) -> int | None:
    """Return the epochs that the words of the command ask for."""
    if config is None or config.epochs == "auto":
        return None
    return config.epochs


def _check_resumed_alone() -> None:
    """Raise `UsageError` where the words of the command ask for what the run decides."""
    words = iter(sys.argv[2:])
    for word in words:
        option, _, value = word.partition("=")
        if option not in ("--resume", "--epochs", "--model", "--quiet", "--json"):
            raise UsageError(
                "--resume continues with the settings of the run, and takes --epochs, --quiet and "
                f"--json alone, and --model for an own model, received {word}."
            )
        if option in ("--resume", "--epochs", "--model") and not value:
            next(words, None)


def _train(
    prepare: Callable[..., Training], folder: Path, *, quiet: bool, json_lines: bool
) -> None:
    from autoencode import pipeline, runs
    from autoencode.cli.console import Screen

    console = Screen(stderr=json_lines, quiet=quiet)
    with decoding(console) as progress:
        training = prepare(progress=progress)
    gc.freeze()
    gc.enable()
    _tell_beginning(console, training)
    again = shlex.join(["autoencode", "train", "--resume", str(folder)])
    with ExitStack() as around:
        received = around.enter_context(
            signals.noted(f"autoencode: ended at once; go on with: {again}")
        )
        shown = around.enter_context(bar(console))
        events = around.enter_context(
            closing(pipeline.record(training, folder, lambda: bool(received)))
        )
        tell_stop = partial(_tell_stop, again=again, received=received, shown=shown)
        stopped = _tell_events(events, training, console, shown, tell_stop, json_lines=json_lines)
    tell_skipped(console, training.images.skipped, folder / runs.SKIPPED)
    # The interpreter's last collection would take 0.5 s to free what the process's end frees.
    gc.freeze()
    if stopped:
        sys.exit(128 + received[0])
    console.tell(f"results in {folder}: see report.html and output.gif")


def _tell_beginning(console: Screen, training: Training) -> None:
    engine = training.engine
    images = training.images
    resumed = training.resumed
    for note in (*images.unused_notes(), *images.notes, *(resumed.notes if resumed else ())):
        console.tell(note)
    console.tell(
        f"{training.source}: {images.account()}; "
        f"model {training.config.model}, {engine.model.count_params():,} parameters; "
        f"engine {engine.name} on {engine.device}"
    )
    for finding in training.examined.result() if training.examined else ():
        console.tell(f"doctor: {finding}")
    if resumed and resumed.position.number <= training.config.epochs:
        console.tell(f"going on {_place(resumed.position)}")


def _tell_events(
    events: Iterator,
    training: Training,
    console: Screen,
    shown: Progress,
    tell_stop: Callable[[Position], None],
    *,
    json_lines: bool,
) -> bool:
    """Show the events of a training, and return whether it was stopped.

    `tell_stop` is called with the position, before the folder is finished.
    """
    from autoencode import pipeline
    from autoencode.training import Chunk, Epoch

    task = shown.add_task("epoch", total=None)
    epochs = training.config.epochs
    stopped = False
    for event in events:
        if isinstance(event, Chunk):
            description = f"epoch {event.number}/{epochs}  loss {event.loss:.4f}"
            shown.update(task, description=description, completed=event.step, total=event.steps)
        elif isinstance(event, Epoch):
            console.tell(_line(event, epochs))
            if json_lines:
                print(json.dumps(pipeline.describe_epoch(event)), flush=True)
        elif isinstance(event, pipeline.Stopped):
            stopped = True
            tell_stop(event.position)
        else:
            kind = "doctor: " if isinstance(event, pipeline.Finding) else ""
            console.tell(f"{kind}{event}")
    return stopped


def _tell_stop(position: Position, *, again: str, received: list[int], shown: Progress) -> None:
    """Say how to resume, now that all is saved: a second signal ends the process at once."""
    shown.stop()
    print(
        f"autoencode: stopped early, {_place(position)}; go on with: {again}",
        file=sys.stderr,
        flush=True,
    )
    signals.let_kill()
    if len(received) > 1:
        signal.raise_signal(received[-1])


def _place(position: Position) -> str:
    number = position.number
    step = position.step
    return f"after step {step} of epoch {number}" if step else f"after epoch {number - 1}"


def _line(epoch: Epoch, epochs: int) -> str:
    return (
        f"epoch {epoch.number}/{epochs}  {epoch.steps} steps  {epoch.seconds:.2f} s  "
        f"{epoch.step_seconds * 1000:.2f} ms/step  {epoch.images_per_second:,.0f} images/s  "
        f"loss {epoch.loss:.4f}  val_loss {epoch.val_loss:.4f}"
    )
