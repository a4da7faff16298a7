"""The tree of errors: each is transient or terminal, is explained, and crosses a process border whole."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest

import pinflow
from pinflow import errors
from pinflow.errors import MissingExtraError, PinflowError, TerminalError, TransientError, UsageError

KINDS: list[type[PinflowError]] = [getattr(errors, name) for name in errors.__all__]

ROOTS = (PinflowError, TransientError, TerminalError)

SOURCES = sorted(Path(pinflow.__file__).parent.rglob("*.py"))


def below(kind: type[PinflowError]) -> set[type[PinflowError]]:
    """All kinds of an error, wherever they are defined in the package."""
    return {kind}.union(
        *(below(each) for each in kind.__subclasses__() if each.__module__ == errors.__name__)
    )


def test_every_error_is_public() -> None:
    assert below(PinflowError) == set(KINDS)
    assert sorted(errors.__all__) == errors.__all__


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_either_transient_or_terminal(kind: type[PinflowError]) -> None:
    either = [issubclass(kind, TransientError), issubclass(kind, TerminalError)]
    assert sum(either) == (kind is not PinflowError)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_explained_and_stands_in_the_tree(kind: type[PinflowError]) -> None:
    assert vars(kind)["__doc__"].strip().split("\n")[0].endswith(".")
    (line,) = [
        line
        for line in (errors.__doc__ or "").splitlines()
        if kind.__name__ in line.replace("─", " ").split()
    ]
    assert line.index(kind.__name__) // 4 - 1 == len(kind.__mro__) - len(PinflowError.__mro__)


@pytest.mark.parametrize("kind", KINDS)
def test_only_wrong_usage_ends_a_command_with_2(kind: type[PinflowError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not MissingExtraError])
def test_an_error_crosses_a_process_border(kind: type[PinflowError]) -> None:
    error = pickle.loads(pickle.dumps(kind("it failed", where="there", hint="mend it")))
    assert type(error) is kind
    assert str(error) == "it failed\n  where: there\n  next:  mend it"


def test_an_error_about_a_missing_extra_crosses_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(MissingExtraError("a lake on S3", "s3")))
    assert type(error) is MissingExtraError
    assert error.hint == "pip install 'pinflow[s3]'"


def test_no_error_is_made_that_is_neither_transient_nor_terminal() -> None:
    bare = [
        f"{path}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "PinflowError"
    ]
    assert bare == []
