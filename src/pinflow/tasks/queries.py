"""Questions and free SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import UsageError
from pinflow.tasks.defaults import chosen_settings

if TYPE_CHECKING:
    from pinflow.ask.result import QueryResult
    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side


__all__ = ["query", "query_all", "questions"]


def query(
    name: str | None = None,
    settings: Settings | None = None,
    *,
    side: Side = "batch",
    sql: str | None = None,
) -> QueryResult:
    """Answer a question of `pinflow.questions()` from the tables of a side, or run one SELECT over all tables.

    Raises:
        UsageError: No question has this name, or the SQL is not one SELECT over the tables.
        AbsentError: There are no tables yet.
    """
    from pinflow.ask.result import QueryResult

    if (name is None) == (sql is None):
        raise UsageError("a question or SQL, not both", hint="pinflow query lists the questions")
    chosen = chosen_settings(settings)
    if sql is not None:
        from pinflow.ask.sandbox import run_sandboxed

        return QueryResult(run_sandboxed(chosen, sql))
    from pinflow.ask.ask import ask
    from pinflow.jobs.runtime import Runtime
    from pinflow.queries import question

    asked = question(name or "")
    with Runtime(chosen, read_only=True) as runtime:
        return QueryResult(ask(runtime, side, [asked])[asked.name])


def query_all(settings: Settings | None = None, *, side: Side = "batch") -> dict[str, QueryResult]:
    """Answer every question from the tables of a side, by name.

    Raises:
        AbsentError: There are no tables yet.
    """
    from pinflow.ask.ask import ask
    from pinflow.ask.result import QueryResult
    from pinflow.jobs.runtime import Runtime

    with Runtime(chosen_settings(settings), read_only=True) as runtime:
        return {name: QueryResult(result) for name, result in ask(runtime, side).items()}


def questions() -> QueryResult:
    """The questions that can be asked: the name of each, and what it asks."""
    from pinflow.ask.result import QueryResult
    from pinflow.engine import Result
    from pinflow.queries import questions as listed

    return QueryResult(Result(["query", "meaning"], [(each.name, each.title) for each in listed().values()]))
