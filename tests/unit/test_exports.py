"""`__all__` of every module: it lists all that other modules take from it, and nothing that is not there."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pinflow

ROOT = Path(pinflow.__file__).parent


def name_of(file: Path) -> str:
    words = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


FILES = {name_of(file): file for file in ROOT.rglob("*.py")}


def test_what_is_imported_from_another_module_is_in_its_list() -> None:
    unlisted = [
        f"{name} takes {node.module}.{each.name}"
        for name, file in FILES.items()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module in FILES
        for each in node.names
        if f"{node.module}.{each.name}" not in FILES
        and each.name not in getattr(import_module(node.module), "__all__", [])
    ]
    assert unlisted == []


def test_what_is_listed_is_there() -> None:
    modules = {name: import_module(name) for name in FILES.keys() - {"pinflow.__main__"}}
    missing = [
        f"{name}.{each}"
        for name, module in modules.items()
        for each in getattr(module, "__all__", [])
        if not hasattr(module, each)
    ]
    assert missing == []
