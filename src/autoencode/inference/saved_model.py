"""A trained model in a run folder or a .keras file, found and opened.

`find_model` says what is known of it before a framework is loaded, and `open_with_source` opens it
while another thread opens the source.
"""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoencode import data, engines, runs
from autoencode.config import DataConfig
from autoencode.data import Progress, preprocessing, streaming
from autoencode.data.scaling import EIGHT_BITS, Scale
from autoencode.data.streaming import Stream
from autoencode.errors import AutoencodeError, UsageError
from autoencode.inference.keras_file import read_model, read_notes
from autoencode.inference.trained import Trained
from autoencode.runs import MODEL, RECORD, Run


@dataclass(frozen=True)
class Saved:
    """A trained model in a file, and what is known of it without a framework.

    `run` is its run folder, if it lies in one. `settings` are those of its training, by the names
    of `Config`; empty where the file holds none. `codes`, float32 (N, K), are those that a saved
    estimator keeps of its training images.
    """

    name: str
    file: Path
    run: Run | None
    settings: dict[str, Any]
    codes: np.ndarray | None

    def data_config(self, **given: Any) -> DataConfig:
        """Return how a source is read for this model: as in its training.

        But for what is `given` and not None.
        """
        names = {field.name for field in dataclasses.fields(DataConfig)} - {"strict", "range"}
        options = {name: value for name, value in self.settings.items() if name in names}
        options |= {name: value for name, value in given.items() if value is not None}
        return DataConfig(**options)

    @property
    def scale(self) -> Scale | None:
        """The stored values that were black and white in its training; None where that is unknown.

        Runs from before these were recorded took the full range of every type.
        """
        if self.run is None:
            return None
        return Scale.from_record(self.run.record.get("ranges") or {"uint8": EIGHT_BITS})

    @property
    def is_variational(self) -> bool:
        """Whether its codes were trained towards a standard normal distribution."""
        return self.settings.get("variational") is not None

    @property
    def bits(self) -> int | None:
        """Those of each latent dimension of a quantized code; None for any other.

        Raises `AutoencodeError` where the settings of an untrusted file hold something else.
        """
        bits = self.settings.get("quantize")
        if bits is not None and (type(bits) is not int or not 1 <= bits <= 16):
            raise AutoencodeError(
                f"{self.file}: expected quantize among its settings to be 1 to 16 bits, "
                f"received {bits!r}."
            )
        return bits

    def check_refinable(self, refine: int) -> None:
        """Raise `UsageError` where the codes of a quantized model are to be refined."""
        if refine and self.bits is not None:
            raise UsageError(
                f"`refine` needs continuous codes, but {self.name} was trained with "
                f"`quantize={self.bits}`: its codes have {2**self.bits:,} values a number. "
                "Remove `refine`."
            )


@dataclass(frozen=True)
class Opened:
    """A model that is ready to be used, and what was known of it before."""

    saved: Saved
    trained: Trained

    @property
    def notes(self) -> list[str]:
        """What was assumed of the model, a line each; nothing of one that autoencode trained."""
        return [f"{self.saved.name}: {note}" for note in self.trained.notes]

    def encode(self, images: np.ndarray, refine: int = 0) -> np.ndarray:
        """Return codes as `Trained.encode` does.

        Raises `AutoencodeError` where they are not finite.
        """
        return self._checked(self.trained.encode(images, refine))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return images as `Trained.decode` does.

        Raises `AutoencodeError` where they are not finite.
        """
        return self._checked(self.trained.decode(codes))

    def _checked(self, numbers: np.ndarray) -> np.ndarray:
        if not np.isfinite(numbers).all():
            raise AutoencodeError(
                f"{self.saved.name} gives NaN or infinite numbers: its training failed, "
                "train it again at a lower `learning_rate`."
            )
        return numbers


def find_model(model: str | os.PathLike[str]) -> Saved:
    """Return what is known of `model`, a run folder or a .keras file, without loading a framework.

    A file in a run folder is that run's. Raises `UsageError` where there is nothing,
    `AutoencodeError` where there is no whole model.
    """
    path = Path(model)
    if not path.exists():
        raise UsageError(f"there is nothing at {path}: expected a run folder or a .keras file.")
    folder = path if path.is_dir() else path.parent
    is_of_run = path.name == MODEL and (folder / RECORD).is_file()
    run = Run.open(folder) if path.is_dir() or is_of_run else None
    file = folder / MODEL if run else path
    if not file.exists():
        raise AutoencodeError(f"{path} holds no {MODEL} yet: it is written when the training ends.")

    notes = read_notes(file)
    settings = run.record["settings"] if run else notes.get("parameters", {})
    codes = np.array(notes["codes"], np.float32) if "codes" in notes else None
    name = folder.resolve().name if run else path.stem
    return Saved(name, file, run, settings, codes)


def open_model(saved: Saved, engine: str = "auto", *, own_process: bool = False) -> Opened:
    """Load the framework and return the model, ready to be used.

    `own_process` is that of `engines.load`. Raises `AutoencodeError` where the model is damaged,
    would run code, or has no layers `encoder` and `decoder`, see `models.halves`.
    """
    engines.load(engines.choose(engine), own_process=own_process)
    model, _ = read_model(saved.file)
    try:
        return Opened(saved, Trained(model))
    except AutoencodeError as error:
        raise AutoencodeError(f"{saved.file}: {error}") from error


def open_with_source(
    saved: Saved,
    source: data.Source,
    engine: str = "auto",
    *,
    part: str = "all",
    config: DataConfig | None = None,
    most: int | None = None,
    progress: Progress | None = None,
    own_process: bool = False,
) -> tuple[Opened, Stream]:
    """Return the model, opened, and the images of `source` as it expects them, not yet read.

    Another thread opens the source while the framework is imported. `part`, `most` and `progress`
    are those of `streaming.stream`; `config` is by default that of the training. Raises as
    `open_model`, `data.open_dataset` and `streaming.stream` do.
    """
    config = config or saved.data_config()
    streaming.check_part(part)
    preprocessing.check_options(config)
    data.find(source)
    # A source may come through Keras, which must then find the same engine.
    engines.announce(engines.choose(engine))
    with ThreadPoolExecutor(1) as executor:
        pending = executor.submit(data.open_dataset, source, config)
        opened = open_model(saved, engine, own_process=own_process)
        dataset = pending.result()
    stream = streaming.stream(
        dataset,
        opened.trained.shape,
        config,
        part=part,
        scale=saved.scale,
        most=most,
        progress=progress,
    )
    return opened, stream


def find_source(
    saved: Saved, source: data.Source | None, parameter: str = "`source`"
) -> data.Source:
    """Return `source`, or where it is None what the model was trained on.

    Raises `UsageError`, which names the `parameter`, where that is unknown or gone.
    """
    if source is not None:
        return data.find(source) if isinstance(source, str) else source
    if saved.run is None:
        raise UsageError(
            f"{saved.file} does not say what it was trained on: name a source with {parameter}."
        )
    trained_on = runs.source(saved.run.record)
    try:
        return data.find(trained_on)
    except UsageError as error:
        raise UsageError(
            f"{saved.name} was trained on {trained_on!r}, which is not here: "
            f"name a source with {parameter}."
        ) from error
