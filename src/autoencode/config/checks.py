"""What settings take, checked: the error names the setting, and what to write instead."""

import math
from typing import Any, Literal, get_args, get_origin

from autoencode.errors import UsageError, unknown

# Of each setting, a value of the right type, for the error that refuses one of another.
EXAMPLES = {
    "size": (64, 48),
    "fit": "pad",
    "colour": "grey",
    "range": "0:4095",
    "bands": "0,1,2",
    "frames": "all",
    "transpose": True,
    "include_masks": True,
    "validation": "join",
    "max_pixels": 2**28,
    "split_seed": 0,
    "strict": True,
    "model": "dense",
    "code": 16,
    "width": 2.0,
    "quantize": 8,
    "variational": 1.0,
    "warm_up": 2.0,
    "free_bits": 0.5,
    "sparsity": 0.01,
    "noise": "gaussian:0.3",
    "augment": "shift:2",
    "dropout": 0.1,
    "holdout": 0.1,
    "time": "60s",
    "loss": "mse",
    "engine": "jax",
    "epochs": 10,
    "batch_size": 256,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "schedule": "cosine",
    "weight_decay": 0.01,
    "precision": "float32",
    "seed": 0,
    "examples": 10,
    "frame_seconds": 1.0,
}
SUMS = ("noise", "augment", "loss")
SHOWN_LETTERS = 80


def is_closed_set(kind: Any) -> bool:
    """Return whether a setting of the type `kind` takes one of a few words.

    >>> is_closed_set(Literal["pad", "crop"]), is_closed_set(int | Literal["auto"])
    (True, False)
    """
    return get_origin(kind) is Literal


def check_field(config: Any, name: str) -> None:
    """Check a setting that is text, a word of a closed set, or True or False.

    Raises `UsageError`, with the nearest words for one that is unknown.
    """
    kind = _kind(config, name)
    if is_closed_set(kind):
        _check_type(config, name, str)
        value = getattr(config, name)
        if value not in get_args(kind):
            raise unknown(name, value, get_args(kind))
    elif kind is str or kind is bool:
        _check_type(config, name, kind)


def check_whole(config: Any, name: str, least: int, most: int) -> None:
    """Raise `UsageError` unless a setting is a whole number from `least` to `most`."""
    value = getattr(config, name)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and least <= value <= most:
        return
    advice = "" if is_whole else f": {_spelling(config, name)}"
    raise UsageError(
        f"`{name}` must be a whole number from {least} to {most}, "
        f"received {format_value(value)}{advice}."
    )


def check_positive(config: Any, name: str, most: float = math.inf, *, zero: bool = False) -> None:
    """Raise `UsageError` unless a setting is a number above 0, and at most `most`.

    With `zero`, 0 is taken too.
    """
    value = getattr(config, name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and (0 < value <= most or (zero and value == 0)):
        return
    limit = "" if most == math.inf else f" and at most {most:g}"
    least = "0 or a number above it" if zero else "a number above 0"
    advice = "" if is_number else f": {_spelling(config, name)}"
    raise UsageError(f"`{name}` must be {least}{limit}, received {format_value(value)}{advice}.")


def format_value(value: object) -> str:
    """Return `value` as Python writes it, on one line and not too long.

    >>> format_value([1, 2])
    '[1, 2]'
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN_LETTERS else f"{text[: SHOWN_LETTERS - 1]}…"


def _kind(config: Any, name: str) -> Any:
    return type(config).__dataclass_fields__[name].type


def _check_type(config: Any, name: str, kind: type) -> None:
    value = getattr(config, name)
    if isinstance(value, kind):
        return
    expected = "text" if kind is str else "True or False"
    if name == "size":
        expected = "text, a number of pixels, or (width, height)"
    advice = _spelling(config, name)
    raise UsageError(f"`{name}` must be {expected}, received {format_value(value)}: {advice}.")


def _spelling(config: Any, name: str) -> str:
    """Return what to write in place of a value that is of another type than its setting."""
    value = getattr(config, name)
    if value is None:
        return f"leave it out for {getattr(type(config), name)!r}"
    nearest = _nearest(_kind(config, name), name, value)
    if nearest is None:
        return f"write {name}={EXAMPLES[name]!r}, for example"
    return f"write {name}={nearest!r}"


def _nearest(kind: Any, name: str, value: Any) -> Any:
    """Return what a value of a wrong type means as one of `kind`; None where that is not plain."""
    is_text = kind is str or is_closed_set(kind)
    if isinstance(value, (tuple, list)) and value and all(isinstance(part, str) for part in value):
        if name in SUMS:
            return "+".join(value)
        return value[0] if is_text and len(value) == 1 else None
    if isinstance(value, bool) or not isinstance(value, (str, float)):
        return None
    if name == "size" and isinstance(value, float) and value.is_integer():
        return int(value)
    if is_text or kind is bool:
        return None

    try:
        number = float(value)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if kind in (int, int | None, int | Literal["auto"]):
        return int(number) if number.is_integer() else None
    return number
