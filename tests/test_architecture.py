"""The package: imports run down the ladder, only the command prints, the public is documented."""

import ast
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import autoencode
from autoencode import engines
from autoencode.cli import app
from autoencode.cli.options import KNOWN
from autoencode.errors import SETTING

SOURCE = Path(__file__).parents[1] / "src" / "autoencode"
LADDER = [
    {"errors"},
    {"system"},
    {"plots"},
    {"config", "images"},
    {"metrics"},
    {
        "data",
        "models",
        "objectives",
        "engines",
    },
    {"training"},
    {"runs"},
    {"inference", "pipeline"},
    {"notebook"},
    {"api", "comparison", "estimator", "folds"},
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


MAX_LINES = 300
MAX_COLUMNS = 100


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_has_one_subject_and_short_lines(path):
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= MAX_LINES
    assert [number for number, line in enumerate(lines, 1) if len(line) > MAX_COLUMNS] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_line_assigns_one_value(path):
    packed = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Tuple)
        # Two values that change places need one line.
        and {ast.unparse(name) for name in node.targets[0].elts}
        != {ast.unparse(value) for value in node.value.elts}
    ]
    assert packed == []


# What loads a name when it is first used, and the lists of names.
LAZY = {"__all__", "__getattr__", "__dir__", "_LAZY_IMPORTS", "_RENAMED"}


def test_an_init_holds_no_code_of_its_own():
    for path in FILES:
        if path.name != "__init__.py":
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            name = getattr(node, "name", None) or ast.unparse(getattr(node, "targets", [node])[0])
            is_import = isinstance(node, (ast.Import, ast.ImportFrom))
            is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            assert is_import or is_for_types or is_docstring or name in LAZY, (path, name)


def test_only_the_command_prints():
    printing = {
        room(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printing == {"cli"}


FLAG = re.compile(r"(?<![\w-])--[a-z]")
# Options of pip and tar, in what to install or unpack.
OTHERS = re.compile(r"pip install [^'\"]*|tar --zstd")


def texts(path: Path) -> list[str]:
    """The strings of a file, without its docstrings, and with f-strings as they are written."""
    tree = ast.parse(path.read_text("utf-8"))
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    loose = {id(line.value) for body in bodies for line in body if isinstance(line, ast.Expr)}
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in ast.walk(node) if part is not node}
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        if id(node) not in loose | parts
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_command_knows_its_options(path):
    if room(path) == "cli":
        return
    flags = [text for text in texts(path) if FLAG.search(OTHERS.sub("", text))]
    assert flags == []


def test_messages_name_settings_that_the_command_has():
    commands = [app[name] for name in app if not name.startswith("-")]
    options = {
        name.removeprefix("--").replace("-", "_")
        for command in commands
        for argument in command.assemble_argument_collection()
        for name in argument.names
    }
    named = {
        setting[1] for path in FILES for text in texts(path) for setting in SETTING.finditer(text)
    }
    assert named - options == set()
    assert named <= KNOWN


def undocumented(node: ast.AST, inherited: set[str]) -> list[str]:
    names = (
        []
        if ast.get_docstring(node) or getattr(node, "name", "") in inherited
        else [getattr(node, "name", "file")]
    )
    for child in ast.iter_child_nodes(node):
        public = isinstance(child, (ast.FunctionDef, ast.ClassDef)) and not child.name.startswith(
            "_"
        )
        if public and not isinstance(node, ast.FunctionDef):
            names += undocumented(child, inherited)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_whatever_is_public_has_a_docstring(path):
    # Told once, for every engine.
    contract = {name for name in vars(engines.Engine) if not name.startswith("_")}
    inherited = {"engines": contract, "objectives": {"call"}}  # a Keras layer's
    assert undocumented(ast.parse(path.read_text("utf-8")), inherited.get(room(path), set())) == []


def test_public_names_are_those_that_load():
    assert sorted(autoencode.__all__) == sorted(autoencode._LAZY_IMPORTS)
    assert all(getattr(autoencode, name).__doc__ for name in autoencode.__all__)


def test_help_shows_every_setting_with_its_text(tmp_path):
    words = [sys.executable, "-m", "autoencode", "train", "--help"]
    done = subprocess.run(
        words, check=True, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"}
    )
    shown = " ".join(done.stdout.split())
    tree = ast.parse((SOURCE / "config" / "settings.py").read_text("utf-8"))
    fields = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    for field, text in itertools.pairwise(fields):
        if isinstance(field, ast.AnnAssign):
            assert f"--{field.target.id.replace('_', '-')}" in shown
            assert text.value.value.split(".")[0].split(",")[0] in shown
