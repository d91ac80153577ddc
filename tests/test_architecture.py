"""The house itself: imports run down the ladder, and only the command prints."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "autoencode"
LADDER = [
    {"errors"},
    {"config", "images"},
    {"sources", "models", "engines", "pictures", "measures", "report"},
    {"training", "runs"},
    {"pipeline"},
    {"cli"},
    {"__init__", "__main__"},
]
FILES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    rooms = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "autoencode":
            rooms |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("autoencode."):
            rooms.add(node.module.split(".")[1])
    return rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_what_stands_above_it(path):
    own = room(path)
    level = next(index for index, rooms in enumerate(LADDER) if own in rooms)
    above = set().union(*LADDER[:level], {own})
    assert imported_rooms(ast.parse(path.read_text("utf-8"))) <= above


def test_only_the_command_prints():
    printing = {
        room(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing == {"cli"}
