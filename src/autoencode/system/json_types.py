"""The types of what JSON holds, for readers of files that are not trusted."""

from __future__ import annotations

from typing import Any, TypeGuard


def is_record(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether `value` is an object of JSON, whose keys are strings."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether `value` is an array of JSON."""
    return isinstance(value, list)
