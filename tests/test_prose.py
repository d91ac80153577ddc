"""Words: documents, help and messages use the field's terms, not a dialect of this project."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "autoencode").rglob("*.py"))
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
# What not to write, and the term to use.
TERMS = {
    r"redraw(n|s|ing)?": "reconstruct, reconstruction",
    r"numbers? of (the|a|each) code": "latent dimension, unit",
    r"dead numbers?": "dead (inactive) latent unit",
    r"(is|are) made small": "loss, objective",
    r"becomes? no number": "becomes NaN or infinite",
    r"by heart": "overfits",
    r"files? of (a )?strangers?|strangers' files?": "untrusted file",
    r"left out": "skipped",
    r"unasked": "without the option that asks for it",
    r"takes? up again|(goes|going|go) on from|(goes|go) on with --resume": "resume",
    r"start of the draw": "random seed",
    r"set by name": "named dataset",
    r"(is|are|be) told(?! (apart|how|which))": "is reported, logged, raised",
    r"\btells (?!.{0,20}apart)": "says, shows, reports",
    r"sign of life": "last active",
    r"what became of": "status",
    r"how weights step": "optimizer",
    r"what computes": "compute engine",
    r"(?<!pro)verbs?\b": "command",
    r"its checksum is another|checksum is another": "checksum mismatch",
    r"halvings?": "rollback",
}
# Links and names of files, settings and code are no prose.
CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|<!--.*?-->|https?://\S+", re.DOTALL)


def paragraphs(path: Path) -> list[str]:
    """What a reader reads in a document."""
    return CODE.sub("", path.read_text("utf-8")).split("\n\n")


def strings(path: Path) -> list[str]:
    """Docstrings, help and messages of a file: every string that holds words."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    found = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return [CODE.sub("", text) for text in found if isinstance(text, str) and " " in text]


def wrong_words(texts: list[str]) -> list[str]:
    return [
        f"{match[0]!r}: write {better} (in {' '.join(text.split())[:60]!r})"
        for text in texts
        for phrase, better in TERMS.items()
        for match in re.finditer(rf"\b(?:{phrase})", " ".join(text.split()), re.IGNORECASE)
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_use_the_terms_of_the_field(path):
    assert wrong_words(paragraphs(path)) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_messages_and_help_use_the_terms_of_the_field(path):
    assert wrong_words(strings(path)) == []


def test_words_that_people_search_for_are_in_the_readme():
    text = (ROOT / "README.md").read_text("utf-8").lower()
    for word in ("autoencoder", "latent", "vae", "bottleneck", "embedding", "overfit"):
        assert word in text, word
