# scikit-learn has no types of its own: a `dtype` that is inferred as text may be one of NumPy's.
from typing import Any

check_array: Any

def __getattr__(name: str) -> Any: ...
