"""Pictures as a dataset, decoded on all cores, wherever their files lie."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from autoencode.data import formats
from autoencode.data.dataset import SAMPLED_IMAGES, SPLITS, Chunk, Dataset, Labels
from autoencode.data.decode import Plan, Probe
from autoencode.data.extents import Extent, add_extent, fills
from autoencode.data.parallel import (
    CHUNK,
    File,
    decode_files,
    file_size,
    group_files,
    job_size,
    on_all_cores,
    probe_file,
    read_file_extent,
    sample_file,
)
from autoencode.errors import AutoencodeError
from autoencode.images import UNLABELLED, Skipped, evenly_spaced


@dataclass(frozen=True, slots=True)
class Entry:
    """One image: its name for people, the split and the class that folders or columns show, the
    file and frame it is in.

    `is_uint8` says that its values have 8 bits for sure.
    """

    name: str
    split: str | None = None
    label: str | None = None
    file: int = 0
    frame: int = 0
    is_uint8: bool = False


class PictureDataset(Dataset):
    """Images in picture files, decoded on all cores. `entries` know where each is.

    `depth_by_probes` says that a look at some images decides whether all have 8 bits, since all
    would have to be read to know: a table has them inside.
    """

    depth_by_probes = False

    def __init__(self, name: str, entries: Sequence[Entry] = ()) -> None:
        super().__init__(name)
        self.entries = list(entries)

    @abstractmethod
    def read_files(self, numbers: Sequence[int]) -> Iterator[Any]:
        """Give the contents of the files at ascending `numbers`: bytes, a path, an image, an array,
        or `Unreadable`.
        """

    def __len__(self) -> int:
        return len(self.entries)

    def names(self, indices: np.ndarray) -> list[str]:
        """Return their paths within the source."""
        return [self.entries[index].name for index in indices.tolist()]

    def splits(self) -> dict[str, np.ndarray]:
        """Return the splits that the names of folders or files show."""
        splits = np.array([entry.split or "" for entry in self.entries])
        found = {split: np.flatnonzero(splits == split) for split in SPLITS}
        return {split: indices for split, indices in found.items() if len(indices)}

    def labels(self, kept: Mapping[str, np.ndarray]) -> Labels:
        """Number the classes in the order of their names."""
        names = {self.entries[index].label for indices in kept.values() for index in indices} - {
            None
        }
        if len(names) < 2:
            return {}, ()
        ordered = sorted(names, key=int if all(name.isdecimal() for name in names) else None)
        numbers: dict[str | None, int] = {name: number for number, name in enumerate(ordered)}
        numbers[None] = UNLABELLED
        labels = {
            f"{part}_labels": np.array(
                [numbers[self.entries[index].label] for index in indices], np.int32
            )
            for part, indices in kept.items()
        }
        return labels, tuple(ordered)

    def sample(self, indices: Sequence[int], plan: Plan) -> list[Probe]:
        """Look at some, without those that cannot be read."""
        found = on_all_cores(
            lambda file: probe_file(file, plan), self._files(np.asarray(indices)), file_size
        )
        return [probe for probes in found for probe in probes]

    def chunks(self, indices: np.ndarray, plan: Plan) -> Iterator[Chunk]:
        """Decode, several chunks at a time."""
        jobs = group_files(self._files(indices))
        for decoded in on_all_cores(lambda job: decode_files(job, plan), jobs, job_size):
            self.tally.join(decoded.tally)
            asked = decoded.asked
            bad = asked[list(decoded.reasons)]
            skipped = list(map(Skipped, self.names(bad), decoded.reasons.values()))
            yield Chunk(decoded.pixels, asked[decoded.kept], skipped)

    def extents(self, plan: Plan, probes: Sequence[Probe]) -> dict[str, Extent]:
        """Look at all that may hold other than well-filled 8-bit values, as far as the probes do
        not decide.
        """
        found: dict[str, Extent] = {}
        for probe in probes:
            add_extent(found, probe.kind, probe.extent)

        is_decided = fills("uint8", found.get("uint8", Extent()))
        if is_decided and self.depth_by_probes and found.keys() <= {"uint8", "bool"}:
            return found
        left = [
            index for index, entry in enumerate(self.entries) if not (is_decided and entry.is_uint8)
        ]
        files = self._files(np.array(left, int))
        look = partial(read_file_extent, plan=plan, skips_uint8=is_decided)
        for extents in on_all_cores(look, files, file_size):
            for kind, extent in extents.items():
                add_extent(found, kind, extent)
        return found

    def sample_values(self, plan: Plan) -> dict[str, np.ndarray]:
        """Draw from evenly spaced images."""
        drawn: dict[str, list[np.ndarray]] = {}
        files = self._files(np.array(evenly_spaced(len(self), SAMPLED_IMAGES)))
        for values in on_all_cores(lambda file: sample_file(file, plan), files, file_size):
            for kind, some in values.items():
                drawn.setdefault(kind, []).append(some)
        return {kind: np.concatenate(values) for kind, values in drawn.items()}

    def identity(self) -> Any:
        """Names of the images, sizes and times of the files."""
        return self.name, [entry.name for entry in self.entries], self.stamp()

    @abstractmethod
    def stamp(self) -> list:
        """What changes when a file does, as JSON."""

    def _files(self, indices: np.ndarray) -> Iterator[File]:
        """The files that hold the images at ascending `indices`, each read once for up to `CHUNK`
        neighbours.
        """
        entries = self.entries
        wanted = indices.tolist()
        contents = self.read_files(list(dict.fromkeys(entries[index].file for index in wanted)))
        for _, neighbours in groupby(wanted, key=lambda index: entries[index].file):
            content = next(contents)
            held = list(neighbours)
            # The parts share the content.
            for first in range(0, len(held), CHUNK):
                part = held[first : first + CHUNK]
                yield File(part, content, [entries[index].frame for index in part])


def describe_nothing(dataset: Dataset, plan: Plan) -> AutoencodeError:
    """Return the error for a source in which no image can be read as `plan` says."""
    expected = f"expected pictures ({', '.join(ending[1:] for ending in formats.COMMON)} and more)"
    skipped = list(dataset.skipped)
    if len(dataset):
        small = replace(plan, height=8, width=8, channels=1)
        for chunk in dataset.chunks(np.arange(min(len(dataset), CHUNK)), small):
            skipped += chunk.skipped
    if skipped:
        return AutoencodeError(
            f"{dataset.name} holds no picture that can be read: {expected}; {skipped[0].name}: "
            f"{skipped[0].reason}."
        )
    unused = f"; unused: {'; '.join(map(str, dataset.unused))}" if dataset.unused else ""
    return AutoencodeError(f"{dataset.name} holds no picture: {expected}{unused}.")
