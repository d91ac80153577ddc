"""Numbers of NumPy, tuples and lists as settings hold them: plain numbers, and text.

A `size` of (64, 48) becomes "64x48", a `range` of (0, 4095) becomes "0:4095".
"""

from typing import Any

# Settings whose numbers are written as one word: what stands between them, and how many there are.
JOINED = {"size": ("x", (1, 2)), "bands": (",", (1, 3)), "range": (":", (2,))}


def to_plain(value: Any) -> Any:
    """Return a number of NumPy, or an array of one without an axis, as Python's; all else as is."""
    is_scalar = getattr(value, "ndim", None) == 0 and hasattr(value, "item")
    return value.item() if is_scalar else value


def join_numbers(name: str, value: Any) -> Any:
    """Return the numbers of a setting in `JOINED` as one word, and any other value as it is.

    >>> join_numbers("size", 32), join_numbers("size", (64, 48)), join_numbers("range", (0, 4095))
    ('32', '64x48', '0:4095')
    """
    sign, counts = JOINED[name]
    kinds = (int, float) if name == "range" else (int,)
    parts = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, int):
        parts = [value]
    if not isinstance(parts, (tuple, list)) or len(parts) not in counts:
        return value

    numbers = [to_plain(part) for part in parts]
    if not all(type(number) in kinds for number in numbers):
        return value
    return sign.join(map(_shortest, numbers))


def _shortest(number: float) -> str:
    """Return `number` with all its digits, and none after the point where it is whole."""
    if isinstance(number, int):
        return str(number)
    short = f"{number:g}"
    return short if float(short) == number else repr(number)
