# SciPy has no types of its own: whatever comes from the modules listed here is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
