"""The colours of charts and pictures."""

from __future__ import annotations

INK = "#1f2328"
LOSS = "#0969da"
VALIDATION = "#cf222e"
BASELINE = "#6e7781"
