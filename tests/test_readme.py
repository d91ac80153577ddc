"""The README against the files, the results and its translation."""

import re
from pathlib import Path

import pytest
import tables

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]


def code(text: str) -> list[str]:
    """The lines of the code blocks, without their comments."""
    lines = "\n".join(re.findall(r"```.*?\n(.*?)```", text, re.DOTALL)).splitlines()
    return [re.split(r"\s+#", line)[0] for line in lines]


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_tables_are_those_of_the_results(path):
    text = path.read_text("utf-8")
    assert tables.fill(text, tables.READMES[path.name]) == text
    assert all(f"<!-- {name} -->" in text for name in tables.TABLES)


def test_the_translation_has_the_same_commands_and_figures():
    english, chinese = (path.read_text("utf-8") for path in READMES)
    assert code(english) == code(chinese)
    assert re.findall(r"`([^`\n]+)`", english) == re.findall(r"`([^`\n]+)`", chinese)
    figures = r"(?<![\w.])\d[\d,]*\.\d+"
    assert sorted(re.findall(figures, english)) == sorted(re.findall(figures, chinese))
    assert english.count("\n## ") == chinese.count("\n## ")


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_every_file_it_names_exists(path):
    text = path.read_text("utf-8")
    named = re.findall(r"`((?:src|docs|benchmarks)/[\w./]*)`", text) + re.findall(
        r"\]\(([\w./-]+)\)", text
    )
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_source_file_and_room_is_named():
    text = READMES[0].read_text("utf-8")
    rooms = [
        path
        for path in (ROOT / "src" / "autoencode").iterdir()
        if not path.name.startswith("__") and path.name != "py.typed"
    ]
    assert [path.name for path in rooms if f"src/autoencode/{path.name}" not in text] == []
