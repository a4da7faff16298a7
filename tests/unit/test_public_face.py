"""`import pinflow`: quick, complete and described."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pinflow
from pinflow import errors, tasks

if TYPE_CHECKING:
    from collections.abc import Callable

loosely: Any = pinflow
"""The package as code sees it that no type checker reads."""

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def in_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_the_import_loads_no_part_and_no_library() -> None:
    code = "import sys; before = set(sys.modules); import pinflow; print(sorted(set(sys.modules) - before))"
    assert ast.literal_eval(in_python(code)) == ["pinflow"]


def test_settings_and_verbs_load_no_engine_and_no_table_library() -> None:
    code = "import sys, pinflow; pinflow.settings(); pinflow.batch; print([*sys.modules])"
    assert not {"duckdb", "deltalake", "sqlalchemy", "starlette", "click"} & {
        name.partition(".")[0] for name in ast.literal_eval(in_python(code))
    }


def test_every_name_is_there_and_described() -> None:
    for name in pinflow.__all__:
        value = getattr(pinflow, name)
        assert name == "__version__" or inspect.getdoc(value), name


def test_every_verb_and_every_error_is_public() -> None:
    assert {*tasks.__all__, *errors.__all__} <= {*pinflow.__all__}


def test_type_checkers_see_every_public_name() -> None:
    tree = ast.parse(Path(pinflow.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {each.name for node in block.body if isinstance(node, ast.ImportFrom) for each in node.names}
    assert imported == {*pinflow.__all__} - {"__version__"}


def test_no_public_name_is_that_of_a_package_that_would_take_its_place() -> None:
    assert not {module.name for module in pkgutil.iter_modules(pinflow.__path__)} & {*pinflow.__all__}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(pinflow, "querry")


def test_help_begins_with_how_it_is_used_and_lists_every_verb() -> None:
    text = in_python("import pydoc, pinflow; print(pydoc.render_doc(pinflow, renderer=pydoc.plaintext))")
    assert text.index("pinflow.demo(posts=1000)") < text.index("CLASSES")
    functions = text[text.index("\nFUNCTIONS\n") :]
    assert all(f"    {name}(" in functions for name in tasks.__all__ if name[0].islower())


def test_every_function_takes_settings_and_is_in_the_table_of_its_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in pinflow.__all__:
        value = getattr(pinflow, name)
        if inspect.isfunction(value):
            parameters = inspect.signature(value).parameters
            assert "settings" in parameters or name in {"settings", "questions"}, name
            row = next(line for line in page.splitlines() if line.startswith(f"| `{name}("))
            named = {word.strip().rstrip("=") for word in row.split("(")[1].split(")")[0].split(",")} - {""}
            assert named <= parameters.keys(), row


def test_the_types_are_there_for_others_to_check_against() -> None:
    assert (Path(pinflow.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda here: loosely.query("top_category_by_country", here, side="bacth"), "no side 'bacth'"),
        (lambda here: loosely.query_all(here, side=""), "no side ''"),
        (lambda here: loosely.replay("bacth", settings=here), "no side 'bacth'"),
        (lambda here: loosely.replay("batch", "pins", here), "no dataset 'pins'"),
        (lambda here: loosely.replay("batch", "pin", here, origin="lake"), "read from 'lake'"),
        (lambda here: loosely.abandon_replay("streem", settings=here), "no side 'streem'"),
        (lambda here: loosely.retry_quarantine("batch", "map", here), "no dataset 'map'"),
    ],
)
def test_a_word_that_is_mistyped_in_a_call_is_an_error_that_names_the_right_ones(
    tmp_path: Path, call: Callable[[Any], object], named: str
) -> None:
    here = pinflow.settings(tmp_path / "home")
    pinflow.create_topic("posts", here)
    with pytest.raises(pinflow.UsageError, match=named) as caught:
        call(here)
    assert "use " in caught.value.hint
