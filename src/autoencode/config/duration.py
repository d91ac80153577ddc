"""Training time as it is written in settings: 90s, 5m, 1h."""

import re

from autoencode.config.checks import format_value
from autoencode.errors import UsageError

# 1,000 hours.
MAX_SECONDS = 3.6e6
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def parse_duration(time: str) -> float | None:
    """Return the seconds of a `time` such as "90s", "5m" or "1h"; None for "auto".

    Raises `UsageError` for anything else.

    >>> parse_duration("1.5m")
    90.0
    """
    if time == "auto":
        return None

    seconds = 0.0
    if isinstance(time, str):
        match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(s|m|min|h)?", time)
        if match is not None:
            seconds = float(match[1]) * UNITS[match[2] or "s"]
    if 1 <= seconds <= MAX_SECONDS:
        return seconds
    raise UsageError(
        "`time` must be auto or from 1s to 1000h, such as 90s, 5m or 1h, "
        f"received {format_value(time)}."
    )
