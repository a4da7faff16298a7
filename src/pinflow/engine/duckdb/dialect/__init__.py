"""Spark SQL translated to DuckDB's: the one text of every rule and question runs on both and gives the same.

Only what is listed is supported, functions in `functions` and constructs in `constructs`; for everything else an error
names line and column. What is listed but differs is adapted by the rules of `rules`. Where a difference shows only in
the data (text to cast in a form that DuckDB cannot be made to read), the query stops with an error and never gives
another answer. `what_may_raise` names such parts before there is any data.

DuckDB must run with `TimeZone` UTC and its default order of NULLs. Columns have no types here, so two things are not
noticed: a column of text compared with a column of numbers, and a text literal compared with a column of another type.
Each engine casts those by its own rules.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from sqlglot import TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ParseError, TokenError
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.parsers.spark import SparkParser

from pinflow.engine.duckdb.dialect.constructs import check
from pinflow.engine.duckdb.dialect.kinds import note_kinds
from pinflow.engine.duckdb.dialect.nodes import UnsupportedError, render
from pinflow.engine.duckdb.dialect.raising import Raises, raising
from pinflow.engine.duckdb.dialect.rules import RULES
from pinflow.engine.duckdb.dialect.strings import read_strings
from pinflow.errors import DialectError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Columns", "to_duckdb", "what_may_raise"]

BEGINNINGS = {TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN}


class _Parser(SparkParser):
    """Reads Spark SQL, but knows no function: each comes out under its own name, for the list to decide."""

    STRICT_CAST = True
    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: SparkParser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST")
    }
    NO_PAREN_FUNCTIONS: ClassVar[dict[TokenType, Any]] = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        "CASE": SparkParser.NO_PAREN_FUNCTION_PARSERS["CASE"]
    }


def _template_sql(generator: DuckDBGenerator, node: exp.Anonymous) -> str:
    return render(node.this, [generator.sql(part) for part in node.expressions])


class _Generator(DuckDBGenerator):
    """Writes DuckDB's SQL, templates as they stand."""

    TRANSFORMS: ClassVar[dict[type[exp.Expr], Any]] = {
        **DuckDBGenerator.TRANSFORMS,
        exp.Anonymous: _template_sql,
    }


Columns = tuple[tuple[str, str], ...]
"""Name and kind (`text`, `int`, `double`, `decimal`, `bool`, `time`) of columns."""


@lru_cache(maxsize=256)
def to_duckdb(sql: str, *, where: str, columns: Columns = (), total: bool = False) -> str:
    """Translate one SELECT of Spark SQL to DuckDB's. Pure, and remembered.

    Args:
        sql: The query as Spark 4 reads it, ANSI mode on.
        where: The name of its file, for errors.
        columns: What is known of the columns of the tables that it reads; it makes the result shorter.
        total: Do not support what may raise an error for some value in the data.

    Raises:
        DialectError: It does not parse, is not one SELECT, or uses what is not supported. Names line and column.
    """
    with _locate_errors(sql, where):
        tree = _read(sql, columns)
        if total:
            for part in raising(tree):
                raise _error_of(part, sql, where)
        return _Generator(dialect=DuckDB, identify=True, comments=False).generate(_translate(tree))


def what_may_raise(sql: str, *, where: str, columns: Columns = ()) -> list[DialectError]:
    """Every part of a SELECT that may raise an error for some value in the data, in the order of the text.

    Raises:
        DialectError: It does not parse, is not one SELECT, or uses something unsupported.
    """
    with _locate_errors(sql, where):
        return [_error_of(part, sql, where) for part in raising(_read(sql, columns))]


def _read(sql: str, columns: Columns) -> exp.Expr:
    tree = _parse(sql)
    _mark(tree)
    check(tree)
    note_kinds(tree, dict(columns))
    return tree


def _error_of(part: Raises, sql: str, where: str) -> DialectError:
    return DialectError(part.what, where=_place(where, sql, part.node.meta.get("at", 0)), hint=part.hint)


@contextmanager
def _locate_errors(sql: str, where: str) -> Iterator[None]:
    """Raise why a query is unsupported, with line and column."""
    try:
        yield
    except UnsupportedError as error:
        at = error.node.meta.get("at", 0)
        raise DialectError(error.what, where=_place(where, sql, at), hint=error.hint) from None
    except _SyntaxError as error:
        raise DialectError(error.what, where=_place(where, sql, error.at), hint="write one SELECT") from None
    except RecursionError:
        raise DialectError("this SQL is nested too deeply", where=where, hint="write it flatter") from None


class _SyntaxError(Exception):
    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.what = what
        self.at = at


def _parse(sql: str) -> exp.Expr:
    try:
        tokens = read_strings(Spark().tokenize(sql), sql)
        if not tokens or tokens[0].token_type not in BEGINNINGS:
            raise _SyntaxError("this is not a SELECT", tokens[0].start if tokens else 0)
        statements = [tree for tree in _Parser(dialect=Spark).parse(tokens, sql) if tree is not None]
    except TokenError as error:
        raise _SyntaxError(f"this SQL cannot be read: {error}", _token_start(error)) from None
    except ParseError as error:
        raise _SyntaxError(*_explain(error, sql)) from None
    if len(statements) != 1:
        second = next(token for token in tokens if token.token_type is TokenType.SEMICOLON)
        raise _SyntaxError("there is more than one statement", second.start)
    if not isinstance(statements[0], exp.Query):
        raise _SyntaxError("this is not a SELECT", tokens[0].start)
    return statements[0]


def _token_start(error: TokenError) -> int:
    start = getattr(error, "start", 0)
    return start if isinstance(start, int) else 0


def _explain(error: ParseError, sql: str) -> tuple[str, int]:
    """What a parser's error says, in one sentence, and where."""
    first = error.errors[0] if error.errors else {}
    lines = sql.splitlines(keepends=True)
    line, col = int(first.get("line") or 1), int(first.get("col") or 1)
    word = str(first.get("highlight") or "")
    at = sum(map(len, lines[: line - 1])) + max(col - len(word), 0)
    said = str(first.get("description") or error).partition(" but got <Token")[0].rstrip(".")
    return f"this SQL cannot be read: {said} near {word!r}", at


def _mark(tree: exp.Expr) -> None:
    """Note on every node where it begins: its own place, or the first of its parts, or that of what holds it."""
    nodes = list(tree.walk())
    for node in reversed(nodes):
        places = [part.meta["at"] for part in node.iter_expressions() if "at" in part.meta]
        own = node.meta.get("start")
        places += [own] if own is not None else []
        if places:
            node.meta["at"] = min(places)
    for node in nodes:
        if "at" not in node.meta:
            node.meta["at"] = node.parent.meta["at"] if node.parent else 0


def _place(where: str, sql: str, at: int) -> str:
    line = sql.count("\n", 0, at) + 1
    return f"{where}:{line}:{at - sql.rfind(chr(10), 0, at)}"


def _translate(tree: exp.Expr) -> exp.Expr:
    """Try every rule on every node, children first."""
    for node in reversed(list(tree.walk())):
        made = node
        for rule in RULES:
            made = rule(made)
            if made is not node:
                made.meta["at"] = node.meta["at"]
                if node is tree:
                    return made
                node.replace(made)
                break
    return tree
