"""What the commands that use a trained model share: options, and the model and files opened."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from autoencode.cli.screen import decoding, prepare_process, tell_skipped
from autoencode.system import signals

if TYPE_CHECKING:
    from autoencode.cli.console import Screen
    from autoencode.cli.output_files import OutputFiles
    from autoencode.config import DataConfig
    from autoencode.data.streaming import Stream
    from autoencode.images import Skipped
    from autoencode.inference.saved_model import Opened, Saved


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a command reads a source."""

    part: str = "all"
    """Which of its images: all, train or test, as a training splits them."""

    fit: str | None = None
    """How a picture of other proportions fills the model's size: pad, crop or stretch
    [default: as in training]."""

    range: str | None = None
    """Stored values that become black and white: auto, full, MIN:MAX or percentile:LOW:HIGH
    [default: as in training]."""

    frames: str | None = None
    """Pages and frames of a file: auto, first or all [default: as in training]."""

    include_masks: Annotated[bool, Parameter(negative="")] = False
    """Take masks of other pictures too: ground_truth/, masks/ and NAME_mask beside NAME."""

    strict: bool = False
    """Stop at a picture that cannot be read, instead of skipping it."""

    def config(self, saved: Saved) -> DataConfig:
        """Return how a source is read for the model `saved`."""
        return saved.data_config(
            fit=self.fit,
            range=self.range,
            frames=self.frames,
            include_masks=self.include_masks or None,
            strict=self.strict,
        )


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Where a command writes, and on which engine."""

    out: Path | None = None
    """Folder for the results, or the name of the file, whose ending chooses the format
    [default: COMMAND-MODEL/]."""

    overwrite: Annotated[bool, Parameter(negative="")] = False
    """Replace results that are there already."""

    engine: str = "auto"
    """Compute engine: auto, jax, tensorflow or torch."""


ModelPath = Annotated[Path, Parameter(help="Folder of a run, or a .keras file.")]
SourceName = Annotated[str, Parameter(help="As for train.")]
Reads = Annotated[Reading | None, Parameter(name="*")]
Writes = Annotated[Writing | None, Parameter(name="*")]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Steps = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=10_000))]
Seed = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=2**32 - 1))]


@dataclass(frozen=True)
class ModelCommand:
    """A command that is running: its model, the files of its results, the screen."""

    saved: Saved
    files: OutputFiles
    console: Screen
    engine: str
    progress: Callable[[int, int], None]
    streams: list[Stream] = field(default_factory=list)

    def open(self) -> Opened:
        """Return the model, opened."""
        from autoencode.inference import saved_model

        opened = saved_model.open_model(self.saved, self.engine, own_process=True)
        self._print_assumed(opened)
        return opened

    def read(
        self, source: str, reading: Reading | None, most: int | None = None
    ) -> tuple[Opened, Stream]:
        """Return the model, opened, and the images of `source`, at most `most` of them."""
        from autoencode.inference import saved_model

        reading = reading or Reading()
        opened, stream = saved_model.open_with_source(
            self.saved,
            source,
            self.engine,
            part=reading.part,
            config=reading.config(self.saved),
            most=most,
            progress=self.progress,
            own_process=True,
        )
        self._print_assumed(opened)
        self.streams.append(stream)
        self._print_notes()
        return opened, stream

    def finish(self, line: str, skipped: Sequence[Skipped] = ()) -> None:
        """Print what was done, what was skipped, and where the results lie.

        All that was skipped is listed in a file.
        """
        from autoencode.cli import file_formats

        file_formats.write_skipped(self.files.skipped, skipped)
        self._print_notes()
        self.console.tell(line)
        tell_skipped(self.console, skipped, self.files.skipped)
        *others, last = self.files.written()
        self.console.tell(f"{', '.join(others)} and {last} in {self.files.folder}")

    def _print_notes(self) -> None:
        """Print the notes of the streams, each once."""
        for stream in self.streams:
            while stream.notes:
                self.console.tell(stream.notes.pop(0))

    def _print_assumed(self, opened: Opened) -> None:
        for note in opened.notes:
            self.console.tell(f"note: {note}")


@contextmanager
def running(name: str, model: Path, writing: Writing | None) -> Generator[ModelCommand]:
    """Find `model`, claim the files of the command `name`, and show a bar while images are read.

    SIGTERM ends it in order.
    """
    prepare_process()
    from autoencode.cli.console import Screen
    from autoencode.cli.output_files import claim_files
    from autoencode.inference import saved_model

    writing = writing or Writing()
    saved = saved_model.find_model(model)
    console = Screen()
    with (
        signals.ended_by_sigterm(),
        claim_files(name, saved.name, writing.out, overwrite=writing.overwrite) as files,
        decoding(console) as progress,
    ):
        yield ModelCommand(saved, files, console, writing.engine, progress)
