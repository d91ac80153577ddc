# Keras has no types of its own, and what a checker infers from its code is wrong: layers "return
# None", learning rates "are float". Whatever comes from Keras is Any here.
from typing import Any

def __getattr__(name: str) -> Any: ...
