"""A model of the user's own out of a file, named by a word such as "mine.py:build".

Runs the file, so only a word that the user typed may come here, never one out of a run folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from autoencode.errors import AutoencodeError, UsageError, reason


def is_in_file(model: str) -> bool:
    """Return whether `model` names a function in a file.

    >>> is_in_file("mine.py:build"), is_in_file("dense")
    (True, False)
    """
    return ".py:" in model


def short_name(word: str) -> str:
    """Return a name without folders for the model that `word` names.

    >>> short_name("models/mine.py:build")
    'mine.build'
    """
    file, _, function = word.rpartition(":")
    return f"{Path(file).stem}.{function}"


def find_file(word: str, setting: str = "model") -> tuple[Path, str]:
    """Return the path of the file that `word` names, and the name of the function.

    Raises `UsageError`, which names the `setting`, where there is no such file.
    """
    file, _, function = word.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"`{setting}={word}` names a file that is not there: {path.resolve()}.")
    return path, function


def fingerprint(word: str) -> str:
    """Return the SHA-256 of the file that `word` names; what it imports is not looked at."""
    path, _ = find_file(word)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def register_file(
    word: str, engine: str, name: str | None = None, *, setting: str = "model"
) -> None:
    """Run the file of a `word` such as "mine.py:build", and make its function known as `name`.

    The function is known by the word itself where there is no `name`. The file may import Keras,
    so `engine` is chosen first. Raises `UsageError` where there is no such file or function, and
    `AutoencodeError` where the file itself fails, with the line.
    """
    from autoencode import engines, models

    path, function = find_file(word, setting)
    engines.load(engines.choose(engine), own_process=True)
    contents: dict[str, Any] = vars(_run_file(path))
    if function not in contents:
        defined = [key for key, value in contents.items() if callable(value)]
        known = ", ".join(key for key in defined if not key.startswith("_")) or "none"
        raise UsageError(
            f"`{setting}={word}` names a function that {path.name} does not define: it has {known}."
        )
    build = contents[function]
    if callable(build) and not hasattr(build, "layers"):
        build = _fail_in_one_line(build, path)
    models.register_model(name or word, build, summary=f"own model of {path.name}")


def register_file_again(word: str, engine: str, recorded: str) -> None:
    """Make the own model of a run known that is resumed, under the name that the run recorded.

    Raises `UsageError` where the run was trained with another model.
    """
    file, function = _last_parts(recorded)
    known = (file, function) if is_in_file(recorded) else (_last_parts(word)[0], recorded)
    if not is_in_file(word) or _last_parts(word) != known:
        raise UsageError(
            f"`resume` takes `model` for an own model alone, the one of the run: "
            f"expected {recorded}, received {word}."
        )
    register_file(word, engine, recorded)


def _last_parts(word: str) -> tuple[str, str]:
    file, _, function = word.rpartition(":")
    return Path(file).name, function


def _run_file(path: Path) -> ModuleType:
    """Return the module that `path` makes when it is run; files beside it can be imported."""
    # Under a name of its own: a file called math.py must not take the place of that module.
    spec = importlib.util.spec_from_file_location(f"autoencode_own_{path.stem}", path)
    # Python finds how to run any file that ends in .py, as this one does.
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    # Stays there: what the function imports when it is called is beside the file too.
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    # A script without a main guard may end the process.
    except (Exception, SystemExit) as error:
        raise _failure(error, path) from error
    return module


def _failure(error: BaseException, path: Path) -> AutoencodeError:
    return AutoencodeError(
        f"{path} failed{_line_of(error, path)}: {type(error).__name__}: {reason(error)}"
    )


def _fail_in_one_line(function: Callable[..., Any], path: Path) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except AutoencodeError:
            raise
        except (Exception, SystemExit) as error:
            raise _failure(error, path) from error

    return call


def _line_of(error: BaseException, path: Path) -> str:
    """Where in `path` an error came from: " in line 7"; nothing where it is not known."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f" in line {error.lineno}"
    lines: list[int] = []
    trace = error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve():
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f" in line {lines[-1]}" if lines else ""
