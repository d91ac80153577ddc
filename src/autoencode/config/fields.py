"""The text under each field of a dataclass, listed in its docstring, where `help` shows it."""

import ast
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any


def list_fields(file: str, *classes: Any) -> None:
    """Add an "Attributes" section to the docstrings of dataclasses that the source `file` defines.

    A subclass lists the fields that it inherits too. Without the source, docstrings stay as they
    are.
    """
    with suppress(OSError, SyntaxError, UnicodeDecodeError):
        tree = ast.parse(Path(file).read_text("utf-8"))
        nodes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        texts = {node.name: _field_texts(node) for node in nodes}
        for kind in classes:
            lines = ["", "Attributes", "----------"]
            for base in reversed(kind.__mro__):
                for name, text in texts.get(base.__name__, {}).items():
                    lines += [name, "    " + " ".join(text.split())]
            before = (kind.__doc__ or "").rstrip()
            kind.__doc__ = "\n".join([before, *(f"    {line}".rstrip() for line in lines), "    "])


def _field_texts(node: ast.ClassDef) -> dict[str, str]:
    """Return the string that stands under each annotated name in the body of a class."""
    texts = {}
    for field, text in pairwise(node.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(words))):
                texts[name] = words
    return texts
