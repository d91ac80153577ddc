# umap-learn has no types of its own: whatever comes from it is Any here.
from typing import Any

def __getattr__(name: str) -> Any: ...
