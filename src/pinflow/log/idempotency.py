"""Stored responses for a log that cannot store them with the records.

A log that others run has no transaction that could hold what answers a request again. The gateway then stores it in a
file of its own, after the records are durable and before the client gets its answer:

1. Look up: a request that was answered is not appended again.
2. Append.
3. Store the response. Only now the request is answered.

So a retry of a request that was answered, or whose answer was lost on the way, doubles nothing. A retry is appended
again where the gateway died between 2 and 3, or where the log itself did not say what became of the request. Gateways
that share a log do not share the file.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, final

import msgspec

from pinflow import errors
from pinflow.errors import PinflowError, RepeatedError, TerminalError, UnsupportedRecordError
from pinflow.log.protocol import IdempotentLog
from pinflow.log.records import AppendResult, IdempotencyKey, StoredResponse
from pinflow.log.sqlite.log import SqliteLog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pinflow.findings import Finding
    from pinflow.log.partition import Partition
    from pinflow.log.protocol import EventLog, TopicAdmin
    from pinflow.log.records import Capabilities, Chunk, PartitionRange, ProduceBatch

__all__ = ["LogWithIdempotencyStore"]

logger = logging.getLogger(__name__)


class _StoredResult(msgspec.Struct, array_like=True):
    """An `AppendResult`. Offsets are text, as a log may number beyond 64 bits."""

    offsets: list[str]
    partitions: list[int] | None
    refused: dict[int, tuple[str, str]]


class _StoredEntry(msgspec.Struct, array_like=True):
    note: bytes
    appended: list[_StoredResult]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StoredEntry).decode


@final
class LogWithIdempotencyStore(IdempotentLog):
    """A log that stores no responses, with a file for them; all else is the log's own."""

    def __init__(self, log: EventLog, file: Path) -> None:
        self._log = log
        self._file = SqliteLog(f"sqlite:///{file}")

    def append_idempotent(
        self, batches: Sequence[ProduceBatch], keys: Sequence[IdempotencyKey]
    ) -> list[AppendResult]:
        """See `IdempotentLog.append_idempotent`; the docstring of the module says what is not promised."""
        names = [key.key for key in keys]
        if len(set(names)) < len(names) or self._file.stored_responses(names):  # 1
            raise RepeatedError("a request was appended before")
        appended = self._log.append(batches)  # 2
        stored = [
            key._replace(start=0, stop=0, note=_encode(_StoredEntry(key.note, list(map(_to_stored, mine)))))
            for key in keys
            if not _all_refused(mine := appended[key.start : key.stop])
        ]
        try:
            self._file.append_idempotent([], stored)  # 3
        except PinflowError as error:  # the records are there, and an error would have them sent again
            logger.warning("the responses of %d requests could not be stored: %s", len(stored), error.what)
        return appended

    def stored_responses(self, keys: Sequence[bytes]) -> dict[bytes, StoredResponse]:
        """See `IdempotentLog.stored_responses`."""
        found = {}
        for key, row in self._file.stored_responses(keys).items():
            entry = _decode(row.note)
            found[key] = StoredResponse(row.fingerprint, entry.note, list(map(_from_stored, entry.appended)))
        return found

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """See `EventLog.append`."""
        return self._log.append(batches)

    def read(
        self, topic: str, partition: int, position: str | None, *, max_records: int, max_bytes: int
    ) -> Chunk:
        """See `EventLog.read`."""
        return self._log.read(topic, partition, position, max_records=max_records, max_bytes=max_bytes)

    def describe(self, topic: str) -> list[Partition]:
        """See `EventLog.describe`."""
        return self._log.describe(topic)

    def ranges(self, topic: str, known: Mapping[int, str] | None = None) -> list[PartitionRange]:
        """See `EventLog.ranges`."""
        return self._log.ranges(topic, known)

    def trim(
        self,
        topic: str,
        partition: int,
        committed: Sequence[str],
        *,
        older_than_ms: int | None,
        keep_bytes: int | None,
    ) -> int:
        """See `EventLog.trim`."""
        return self._log.trim(topic, partition, committed, older_than_ms=older_than_ms, keep_bytes=keep_bytes)

    def check(self) -> list[Finding]:
        """See `EventLog.check`: of the log, then of the file."""
        return self._log.check() + self._file.check()

    def close(self) -> None:
        """See `EventLog.close`."""
        self._file.close()
        self._log.close()

    @property
    def capabilities(self) -> Capabilities:
        """See `EventLog.capabilities`: those of the log, and idempotent."""
        return self._log.capabilities._replace(idempotent=True, shows_progress=False)

    @property
    def identity(self) -> str:
        """See `EventLog.identity`."""
        return self._log.identity

    @property
    def exact_from(self) -> int | None:
        """See `EventLog.exact_from`."""
        return self._log.exact_from

    @property
    def topics(self) -> TopicAdmin:
        """See `EventLog.topics`."""
        return self._log.topics


def _all_refused(appended: Sequence[AppendResult]) -> bool:
    """Whether every record was refused. The retry is judged anew then."""
    return all(len(each.refused) == len(each.offsets) for each in appended)


def _to_stored(appended: AppendResult) -> _StoredResult:
    refused = {index: (_kind(error), error.what) for index, error in appended.refused.items()}
    partitions = None if appended.partitions is None else list(appended.partitions)
    return _StoredResult(list(map(str, appended.offsets)), partitions, refused)


def _kind(error: PinflowError) -> str:
    """The name of its class in `pinflow.errors`, or of the nearest base there: a log may have kinds of its own."""
    names = [kind.__name__ for kind in type(error).__mro__]
    return next(name for name in names if name in errors.__all__)


RENAMED_ERRORS: dict[str, type[PinflowError]] = {"NotCarriedError": UnsupportedRecordError}
"""What version 0.1 has stored under another name."""


def _error_of(kind: str) -> type[PinflowError]:
    """The error type of a stored name; one that this version does not know cannot be helped by a retry."""
    known: type[PinflowError] = (
        getattr(errors, kind, TerminalError) if kind in errors.__all__ else TerminalError
    )
    return RENAMED_ERRORS.get(kind, known)


def _from_stored(stored: _StoredResult) -> AppendResult:
    refused = {index: _error_of(kind)(what) for index, (kind, what) in stored.refused.items()}
    return AppendResult(list(map(int, stored.offsets)), stored.partitions, refused)
