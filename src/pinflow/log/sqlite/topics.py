"""The topics of a SQLite log."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from pinflow.errors import TopicExistsError
from pinflow.log.protocol import TopicAdmin
from pinflow.log.sqlite.rows import topic_row

if TYPE_CHECKING:
    import builtins

    from pinflow.log.sqlite.log import SqliteLog

__all__ = ["SqliteTopics"]

_READABLE = """
SELECT name FROM topic
WHERE live OR EXISTS (SELECT 1 FROM batch WHERE batch.topic = topic.id)
ORDER BY name
"""


@final
class SqliteTopics(TopicAdmin):
    """The topics of the SQLite log."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log

    def list(self) -> dict[str, int]:
        """See `TopicAdmin.list`."""
        with self._log.reading() as db:
            return dict(db.execute("SELECT name, partitions FROM topic WHERE live ORDER BY name").fetchall())

    def readable(self) -> builtins.list[str]:
        """See `TopicAdmin.readable`."""
        with self._log.reading() as db:
            return [name for (name,) in db.execute(_READABLE)]

    def configs(self, topic: str) -> dict[str, str]:  # noqa: ARG002 - all are alike
        """See `TopicAdmin.configs`. Nothing is dropped by age or size alone, so both limits are off."""
        return {
            "cleanup.policy": "delete",
            "message.timestamp.type": "LogAppendTime",
            "retention.bytes": "-1",
            "retention.ms": "-1",
        }

    def create(self, topic: str, partitions: int) -> None:
        """See `TopicAdmin.create`."""
        with self._log.transaction() as db:
            row = db.execute("SELECT id, live FROM topic WHERE name = ?", (topic,)).fetchone()
            if row is not None and row[1]:
                raise TopicExistsError(f"topic {topic!r} is there already", where=topic)
            db.execute(
                "INSERT INTO topic (name, partitions, live) VALUES (?, ?, 1)"
                " ON CONFLICT (name) DO UPDATE SET partitions = excluded.partitions, live = 1",
                (topic, partitions),
            )
            (ident,) = db.execute("SELECT id FROM topic WHERE name = ?", (topic,)).fetchone()
            db.executemany(
                "INSERT OR IGNORE INTO tail (topic, partition, next) VALUES (?, ?, 0)",
                [(ident, partition) for partition in range(partitions)],
            )

    def delete(self, topic: str) -> None:
        """See `TopicAdmin.delete`."""
        with self._log.transaction() as db:
            row = topic_row(db, topic)
            db.execute("UPDATE topic SET live = 0 WHERE id = ?", (row.id,))
