"""Names of functions and objects that a user hands over, under which a run records them."""

import re


def name_of(value: object) -> str:
    """Return the name of an own model, loss or optimizer: its name, else that of its class.

    >>> def shallow(shape, code, width): ...
    >>> name_of(shallow), name_of(lambda shape, code, width: None)
    ('shallow', 'own')
    """
    given = getattr(value, "name", None) or getattr(value, "__name__", None)
    name = given if isinstance(given, str) else type(value).__name__
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else "own"
