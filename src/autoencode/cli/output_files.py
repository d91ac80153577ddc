"""Which files a command writes. Knows no model, no source and no format.

One rule for all commands. `--out` names a folder, or a file in one by its ending; without it the
folder is COMMAND-MODEL in the current one. The figures lie beside the file and share its name. What
is there already stays, unless `--overwrite` is given. Folders that are made here are marked as the
program's own, see `marks`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from autoencode.errors import UsageError, not_written
from autoencode.system import marks

ARRAYS = (".npz", ".npy")
TABLES = (".npz", ".csv", ".parquet")


@dataclass(frozen=True)
class Kind:
    """What a command writes: a file called `stem`, and figures beside it.

    It has one of `suffixes`, the first by default.
    """

    stem: str
    suffixes: tuple[str, ...]
    figures: tuple[str, ...] = (".png",)


KINDS = {
    "reconstruct": Kind("reconstructions", ARRAYS),
    "encode": Kind("codes", TABLES),
    "decode": Kind("images", ARRAYS),
    "denoise": Kind("denoised", ARRAYS),
    "sample": Kind("samples", ARRAYS),
    "interpolate": Kind("interpolation", (".gif",)),
    "map": Kind("map", (".csv",), (".png", "-grid.png")),
    "anomalies": Kind("anomalies", (".csv", ".parquet"), (".png", "-scores.png")),
    "look": Kind("contact-sheet", (".png",), ()),
}


@dataclass(frozen=True)
class OutputFiles:
    """The files that a command writes: `file`, and `figures` that share its name.

    The figures are given by their own endings.
    """

    file: Path
    figures: tuple[str, ...] = (".png",)

    @property
    def format(self) -> str:
        """The ending of `file`, in lower case."""
        return self.file.suffix.lower()

    @property
    def folder(self) -> Path:
        """The folder that all of them lie in."""
        return self.file.parent

    @property
    def paths(self) -> list[Path]:
        """All of them, whether they are there or not."""
        return [self.file, *map(self.beside, self.figures)]

    @property
    def skipped(self) -> Path:
        """The list of pictures that were skipped, where any were."""
        return self.beside("-skipped.txt")

    def beside(self, ending: str = ".png") -> Path:
        """Return the path of a figure.

        >>> OutputFiles(Path("out/map.csv")).beside("-grid.png").name
        'map-grid.png'
        """
        return self.file.with_name(self.file.stem + ending)

    def written(self) -> list[str]:
        """Return the names of those that are there by now."""
        return [path.name for path in self.paths if path.exists()]

    def present(self) -> list[Path]:
        """Return those that are there by now, the list of skipped pictures too."""
        return [path for path in (*self.paths, self.skipped) if path.exists()]


@contextmanager
def claim_files(
    command: str, model: str, out: Path | None = None, *, overwrite: bool = False
) -> Generator[OutputFiles]:
    """Give the files that `command` writes for the model called `model`, by the rule above.

    If it fails, half a set, which would stand in the way of the next call, is removed again, and so
    are folders that were made here and hold nothing but a marker at the end. Raises `UsageError`
    where a file is there already, `AutoencodeError` where the folder cannot be made.
    """
    files = find_files(command, model, out, overwrite=overwrite)
    before = files.present()
    missing = [path for path in (files.folder, *files.folder.parents) if not path.exists()]
    try:
        _make_folder(files.folder, is_new=files.folder in missing)
        yield files
    except BaseException:
        # A whole set stays: then only the lines about it failed.
        if len(files.written()) < len(files.paths):
            remove_files(path for path in files.paths if path not in before)
        raise
    finally:
        # One that holds something stays.
        for path in missing:
            marks.remove_empty(path)


def find_files(
    command: str, model: str, out: Path | None = None, *, overwrite: bool = False
) -> OutputFiles:
    """Return the files that `claim_files` gives, without making their folder.

    Raises `UsageError` as that does.

    >>> find_files("map", "digits-1").file.as_posix()
    'map-digits-1/map.csv'
    """
    kind = KINDS[command]
    if out is None:
        file = Path(f"{command}-{model}", f"{kind.stem}{kind.suffixes[0]}")
    else:
        file = _name_file(kind, out)
    files = OutputFiles(file, kind.figures)
    before = files.present()
    if before and not overwrite:
        raise UsageError(
            f"{before[0]} is there already: choose another `out`, or replace it with `overwrite`."
        )
    if files.folder.exists() and not files.folder.is_dir():
        raise UsageError(f"{files.folder} is a file, expected a folder: choose another `out`.")
    return files


def remove_files(paths: Iterable[Path]) -> None:
    """Remove those of `paths` that are there and can be removed."""
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _make_folder(folder: Path, *, is_new: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_new:
            marks.write_marker(folder)
    except OSError as error:
        raise not_written(folder, error, "`out`") from error


def _name_file(kind: Kind, out: Path) -> Path:
    # A suffix that begins with a digit, as in v1.2, is that of a folder.
    if out.is_dir() or not out.suffix[1:2].isalpha():
        return out / f"{kind.stem}{kind.suffixes[0]}"
    if out.suffix.lower() not in kind.suffixes:
        raise UsageError(
            f"`out` takes a folder or a file that ends in {' or '.join(kind.suffixes)}, "
            f"received {out}."
        )
    return out
