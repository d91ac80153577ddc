# SciPy has no types of its own, and those inferred from its code are half unknown.
from typing import Any

def __getattr__(name: str) -> Any: ...
