"""What a query comes to, as a program takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.engine import Result

__all__ = ["QueryResult"]


class QueryResult(list[dict[str, object]]):
    """The rows of an answer, each a dict by column, as `--format json` prints them.

    `pandas.DataFrame(result)` takes it as it is. `columns` names the columns, also where there are no rows.
    """

    def __init__(self, result: Result) -> None:
        super().__init__(dict(zip(result.columns, row, strict=True)) for row in result.rows)
        self.columns = result.columns

    def tuples(self) -> Iterator[tuple[object, ...]]:
        """The rows as tuples, in the order of the columns."""
        return (tuple(row.values()) for row in self)
