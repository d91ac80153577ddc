"""What the doctor finds, in images or in a training: what is wrong, why, and what to try."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What is wrong, the cause, and what to try; one line each.

    >>> print(Finding("there is only 1 image", "it means little", "add images"))
    there is only 1 image; it means little: add images
    """

    what: str
    cause: str
    advice: str

    def __str__(self) -> str:
        return f"{self.what}; {self.cause}: {self.advice}"
