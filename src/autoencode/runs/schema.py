"""The records of a run folder as JSON: each carries a checksum, and is checked as untrusted.

Knows the settings of a training; no picture and no engine.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autoencode import errors
from autoencode.config import Config
from autoencode.errors import AutoencodeError, UsageError, newer, reason
from autoencode.system.json_types import is_list, is_record

# The version of the folder's format; a reader refuses a newer one.
FORMAT = 1
# The key that holds a record's own checksum.
CHECKSUM = "crc32"
# Bytes of a record.
MAX_BYTES = 2**20
# Bytes of a line of metrics.
MAX_LINE_BYTES = 2**12
# Types of stored values that have a range each.
MAX_RANGES = 16
METRICS = (
    "epoch",
    "steps",
    "seconds",
    "step_seconds",
    "images_per_second",
    "loss",
    "val_loss",
    "reconstructions",
)
STATES = ("training", "stopped", "finished", "failed")


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return `record` with its checksum.

    >>> unseal(seal({"code": 16}))
    {'code': 16}
    """
    return {**record, CHECKSUM: _checksum(record)}


def unseal(record: Any) -> dict[str, Any]:
    """Return `record` without its checksum; raise `ValueError` unless that matches."""
    if is_record(record):
        plain = {key: value for key, value in record.items() if key != CHECKSUM}
        if record.get(CHECKSUM) == _checksum(plain):
            return plain
    raise ValueError("checksum mismatch: the file was modified or damaged")


def _checksum(record: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(record, sort_keys=True).encode())


def read(path: Path, check: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return the record at `path`, once `check` has passed it, which raises `ValueError`.

    Raises `AutoencodeError` where it is damaged.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it holds more than {MAX_BYTES:,} bytes")
        record = json.loads(content)
        if is_record(record) and type(record.get("format")) is int and record["format"] > FORMAT:
            raise newer(
                path.parent, "written", f"folder format {record['format']}, known here: {FORMAT}"
            )
        check(record)
        return unseal(record)
    except (OSError, ValueError, UsageError, RecursionError) as error:
        raise damaged(path, reason(error)) from error


def check_run(record: Any) -> None:
    """Raise `ValueError` or `UsageError` unless `record` is that of a run, config.json."""
    for key, kind in RUN.items():
        if not is_record(record) or key not in record:
            raise ValueError(f"it lacks {key}")
        if not kind(record[key]):
            raise ValueError(f"its {key} is invalid")
    # Runs from before ranges were recorded have none.
    if not _ranges(record.get("ranges", {})):
        raise ValueError("its ranges are invalid")
    settings(record)


def settings(record: Mapping[str, Any]) -> Config:
    """Return the settings in the record of a run.

    Raises `ValueError` or `UsageError` where they are invalid.
    """
    try:
        return Config(**record["settings"])
    except (
        TypeError,
        OverflowError,
    ) as error:
        # A key that is no setting, a number that no float holds.
        raise ValueError(f"its settings are invalid: {reason(error)}") from error


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _texts(value: Any) -> bool:
    return is_list(value) and all(map(_text, value))


def _text_by_name(value: Any) -> bool:
    return is_record(value) and all(map(_text, value.values()))


def _images(value: Any) -> bool:
    if not is_record(value) or not all(
        _count(value.get(key)) for key in ("train", "test", "fingerprint")
    ):
        return False
    shape = value.get("shape")
    return is_list(shape) and len(shape) == 3 and all(map(_count, shape))


def _ranges(value: Any) -> bool:
    if not is_record(value) or len(value) > MAX_RANGES:
        return False
    limits = value.values()
    return all(
        is_list(one) and len(one) == 2 and all(map(_number, one)) and one[0] < one[1]
        for one in limits
    )


RUN: dict[str, Callable[[Any], bool]] = {
    "format": _count,
    "source": _text,
    "location": lambda value: value is None or _text(value),
    "settings": is_record,
    "command": _text,
    "engine": _text,
    "device": _text,
    "versions": _text_by_name,
    "images": _images,
    "notes": _texts,
    "parameters": _count,
    "comparable": lambda value: isinstance(value, bool),
    "originals": _count,
    "started": _text,
}


def check_epoch(line: Any, number: int) -> None:
    """Raise `ValueError` unless `line` is that of epoch `number` in metrics.jsonl."""
    if not is_record(line) or line.get("epoch") != number:
        raise ValueError(f"line {number} is not the record of epoch {number}")
    for key in METRICS:
        if not _number(line.get(key)):
            raise ValueError(f"line {number} has no {key}")


def check_baseline(record: Any) -> None:
    """Raise `ValueError` unless `record` is PCA's error and components, baseline.json."""
    if (
        not is_record(record)
        or not _number(record.get("pca"))
        or not _count(record.get("components"))
    ):
        raise ValueError("it is not the error of PCA")
    kept = record.get("kept", {"epoch": 0, "val_loss": 0.0})
    if not is_record(kept) or not _count(kept.get("epoch")) or not _number(kept.get("val_loss")):
        raise ValueError("it does not say which epoch is kept")


def check_findings(record: Any) -> None:
    """Raise `ValueError` unless `record` is what the doctor found, doctor.json."""
    found = record.get("findings") if is_record(record) else None
    keys = {"what", "cause", "advice"}
    if not is_list(found) or not all(_text_by_name(one) and one.keys() == keys for one in found):
        raise ValueError("it is not a list of findings")


def check_state(record: Any) -> None:
    """Raise `ValueError` unless `record` is the state of a run, state.json."""
    known = is_record(record) and record.get("state") in STATES
    if not known or not _text(record.get("why")) or not _count(record.get("epochs")):
        raise ValueError("it is not the state of a run")


def _number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < 1e300
        and math.isfinite(value)
    )


def damaged(path: Path, why: str) -> AutoencodeError:
    """Return the error for a file of a run folder that was modified or damaged."""
    return AutoencodeError(
        f"{path} is damaged ({why}): bring it back from a copy, or train into a new folder."
    )


def not_written(
    path: str | os.PathLike[str], error: OSError, *, action: str = "write"
) -> AutoencodeError:
    """Return the error for a file of a run folder that could not be written."""
    kept = "what was written before is intact, and a training that had begun goes on with `resume`"
    return errors.not_written(path, error, "`run` folder", kept, action=action)
