"""The project's words: struck ones stay out of code, messages and docs, and a class name means one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SOURCES = sorted((ROOT / "src" / "pinflow").rglob("*.py"))

TEXTS = [
    *(path for path in SOURCES if path.parent.name != "synthetic"),  # made-up posts may say anything
    *sorted((ROOT / "src" / "pinflow").rglob("*.sql")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*")),
    ROOT / "README.md",
]

STRUCK = {
    r"\b[Tt]old\b|\b[Tt]ells?\b": "reported, raised, returned",
    r"(?<!here )\b(?:is|are) none\b(?! of)": "is not a valid …",
    r"(?<!here )\b(?:is|are) no (?!longer\b|more\b|less\b|earlier\b|later\b|larger\b)[a-z]": "is not a …",
    r"\bso (?:many|long)\b(?! as)": "this many, this long",
    r"\bhad better\b|\blast words\b|\btalks?\b(?! to)": "plain English",
    r"\b[Rr]oads?\b": "pipeline",
    r"\b[Ss]urvey": "fetch_next",
    r"\b[Ee]xamin(?:e|ed|ation)\b": "check",
    r"\bcarried\b": "supported, translated",
    r"\bfenced_sql\b": "sandbox",
    r"\b[Dd]oors?\b": "endpoint",
    r"\b(?:Parts|Road|Abilities|Produce|Appended|Extent|MarkedTopic|Answered|Settles)\(": "the glossary's",
}
"""Pattern → what stands in its place. The lines that need one of these words all the same are in `ALLOWED`."""

ALLOWED = (
    "def tell(self)",  # the name that a file object has to have
)


def lines_with(pattern: str) -> list[str]:
    found = []
    for path in TEXTS:
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(pattern, line) and not any(allowed in line for allowed in ALLOWED):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    return found


@pytest.mark.parametrize("pattern", STRUCK)
def test_a_struck_word_stands_nowhere(pattern: str) -> None:
    found = lines_with(pattern)
    assert not found, f"write {STRUCK[pattern]!r} in:\n" + "\n".join(found)


def test_a_class_name_stands_for_one_thing() -> None:
    places = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
