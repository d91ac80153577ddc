"""The colours of charts and pictures."""

from __future__ import annotations

INK, LOSS, VALIDATION, BASELINE = "#1f2328", "#0969da", "#cf222e", "#6e7781"
