"""Reading shards: iterators that are kept from read to read, and the search for records that are gone.

A position names the last record before it. Kinesis itself says nothing when records after it were dropped by its
retention: it goes on at the oldest that is left. So where a position is taken up, the record that it names is read
again: while that one is there nothing after it is gone. When it is not, records may be gone or there may have been
none: the two cannot be distinguished. It is a `GapError`, unless `gaps=skip` has it ignored with a warning. A reader
that has been at the end of the shard within `TRUST_S` knows that nothing is gone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from pinflow.errors import GapError, UnavailableError
from pinflow.log.kinesis.errors import INVALID, Failure
from pinflow.log.kinesis.positions import ShardPosition, shard_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinflow.log.kinesis.client import Client

__all__ = ["Cursor", "Cursors", "ShardRef", "gap_error"]

PAGE_RECORDS = 10_000
"""Records of one `GetRecords`, Kinesis' own limit."""

EMPTY_PAGES = 50
"""Pages without a record that one read goes through before the end of a shard, 25 s at two a second."""

TRUST_S = 23 * 3600.0
"""Kinesis keeps every record for 24 hours at least."""

EXPIRED = "ExpiredIteratorException"
"""An iterator that was not used for five minutes."""

_log = logging.getLogger(__name__)


class ShardRef(NamedTuple):
    """A shard of a stream, by its topic and by the stream's own name."""

    topic: str
    stream: str
    shard: int

    def __str__(self) -> str:
        return f"{self.topic} partition {self.shard}"


class Cursor:
    """Reads one shard on from a position. Not safe to share.

    Attributes:
        position: Where the next record that it gives stands.
    """

    def __init__(
        self, client: Client, shard: ShardRef, position: ShardPosition, *, checked: bool, skip: bool
    ) -> None:
        self.position = position
        self._client = client
        self._shard = shard
        self._skip = skip
        self._pages: deque[dict[str, Any]] = deque()
        self._fetched = position.sequence
        self._missing = position.sequence if checked else ""
        self._iterator: str | None = None
        self._started = self._ended = False
        self._at_end: float | None = None

    def read(self, max_records: int, max_bytes: int, pace: Callable[[], None]) -> list[dict[str, Any]]:
        """Records as Kinesis gives them: until the end of the shard, or `max_records`, or about `max_bytes`.

        Raises:
            GapError: Some may be gone.
            UnavailableError: Kinesis cannot be reached now, or gives empty pages without end.
        """
        taken: list[dict[str, Any]] = []
        size = empty = 0
        at_end = self._ended
        while True:
            while self._pages and len(taken) < max_records:
                size += len(self._pages[0]["Data"])
                if taken and size > max_bytes:
                    return self._give(taken)
                taken.append(self._pages.popleft())
            if len(taken) >= max_records or size >= max_bytes or at_end:
                return self._give(taken)
            try:
                at_end = self._fetch(min(PAGE_RECORDS, max_records - len(taken)), pace)
            except UnavailableError:
                if not taken:
                    raise
                return self._give(taken)  # what is here is good, and the next read raises it again
            except BaseException:
                self._pages.extendleft(reversed(taken))  # the position has not moved: they come again
                raise
            empty = 0 if self._pages or at_end else empty + 1
            if empty > EMPTY_PAGES:
                if taken:
                    return self._give(taken)
                raise UnavailableError(
                    f"Kinesis gave {empty} pages without a record and without an end", where=str(self._shard)
                )

    def was_at_end(self, since: float) -> bool:
        """Whether all was read that was there at some moment after `since` (seconds since 1970)."""
        return self._at_end is not None and self._at_end >= since and not self._pages

    def _give(self, taken: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if taken:
            self.position = self.position._replace(
                before=self.position.before + len(taken), sequence=taken[-1]["SequenceNumber"]
            )
        return taken

    def _fetch(self, limit: int, pace: Callable[[], None]) -> bool:
        """Get a page; True if it reaches the end of what is there now."""
        limit = min(PAGE_RECORDS, limit + bool(self._missing))
        page = self._page(limit, pace)
        self._iterator = page.get("NextShardIterator")
        self._ended = self._iterator is None
        records: list[dict[str, Any]] = page["Records"]
        at_end = self._ended or (not page.get("MillisBehindLatest") and len(records) < limit)
        if at_end:
            self._at_end = time.time()  # goes on while the machine sleeps
        if records or at_end:
            records = self._without_last_read(records)
        if records:
            self._fetched = records[-1]["SequenceNumber"]
            self._pages.extend(records)
        return at_end

    def _page(self, limit: int, pace: Callable[[], None]) -> dict[str, Any]:
        while True:
            if self._iterator is None:
                self._iterator = self._new_iterator()
            pace()
            try:
                return self._client.read("get_records", ShardIterator=self._iterator, Limit=limit)
            except Failure as failure:
                if failure.code != EXPIRED:
                    raise failure.translate("give records", self._shard.topic, str(self._shard)) from failure
                self._iterator = None

    def _new_iterator(self) -> str:
        """An iterator at the last record fetched, or after it if nothing can be gone since."""
        kind: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if self._fetched:
            trusted = self._at_end is not None and time.time() - self._at_end < TRUST_S
            if self._started and not trusted:
                self._missing = self._fetched
            after = "AT_SEQUENCE_NUMBER" if self._missing else "AFTER_SEQUENCE_NUMBER"
            kind = {"ShardIteratorType": after, "StartingSequenceNumber": self._fetched}
        self._started = True
        try:
            answer = self._client.read(
                "get_shard_iterator",
                StreamName=self._shard.stream,
                ShardId=shard_id(self._shard.shard),
                **kind,
            )
        except Failure as failure:
            if failure.code in INVALID:
                raise gap_error(self._shard, f"the stream has no record {self._fetched}") from failure
            raise failure.translate("give records", self._shard.topic, str(self._shard)) from failure
        return str(answer["ShardIterator"])

    def _without_last_read(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The records without the one that the position names, which has to be the first of them."""
        missing, self._missing = self._missing, ""
        if not missing:
            return records
        if records and records[0]["SequenceNumber"] == missing:
            return records[1:]
        what = "the last record that was read has left the stream, and others after it may have left unread"
        if not self._skip:
            self._missing, self._iterator, self._ended = missing, None, False
            raise gap_error(self._shard, what)
        _log.warning("%s: %s: going on with the oldest that is there", self._shard, what)
        return records


def gap_error(shard: ShardRef, what: str) -> GapError:
    """The error for records of a shard that may be gone unread."""
    return GapError(
        what,
        where=str(shard),
        hint="if nothing was posted while no job ran, or to go on without them: gaps=skip in log.url",
    )


class Cursors:
    """The cursors of reads that ended, one for each shard. Safe to use from several threads."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], Cursor] = {}
        self._lock = threading.Lock()

    def take(self, shard: ShardRef, position: ShardPosition) -> Cursor | None:
        """The cursor that stands at a position, if there is one; it is the caller's until it is put back."""
        with self._lock:
            held = self._held.pop((shard.topic, shard.shard), None)
            return held if held is not None and held.position == position else None

    def put(self, shard: ShardRef, cursor: Cursor) -> None:
        """Keep a cursor for the next read."""
        with self._lock:
            self._held[shard.topic, shard.shard] = cursor

    def forget(self, topic: str) -> None:
        """Drop the cursors of a topic."""
        with self._lock:
            self._held = {key: cursor for key, cursor in self._held.items() if key[0] != topic}
