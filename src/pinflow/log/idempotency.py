"""Answers kept beside a log that cannot keep them with the records.

A log of others has no transaction that could hold what answers a request again. It stands in a file of the gateway's
own then, written after the records are durable and before the client is told:

1. Look: what was answered is not appended again.
2. Append.
3. Keep the answer. Only now the request is answered.

So a retry of a request that was answered, or whose answer was lost on the way, doubles nothing. What this cannot tell
is whether a request was appended whose gateway died between 2 and 3, or of which the log itself gave no word: such a
retry is appended again. Gateways that share a log do not share the file.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from pinflow import errors
from pinflow.errors import PinflowError, RepeatedError
from pinflow.log.records import AppendResult, IdempotencyKey, StoredResponse
from pinflow.log.sqlite.log import SqliteLog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pinflow.log.protocol import EventLog
    from pinflow.log.records import ProduceBatch

__all__ = ["AnswersBeside"]

logger = logging.getLogger(__name__)


class _Kept(msgspec.Struct, array_like=True):
    """An `AppendResult`. Offsets are text, as a log may number beyond 64 bits."""

    offsets: list[str]
    partitions: list[int] | None
    refused: dict[int, tuple[str, str]]


class _Note(msgspec.Struct, array_like=True):
    note: bytes
    appended: list[_Kept]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Note).decode


class AnswersBeside:
    """`IdempotentLog` made of a log without answers and a file for them; all else is the log's own."""

    def __init__(self, log: EventLog, file: Path) -> None:
        self._log = log
        self._file = SqliteLog(f"sqlite:///{file}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append_once(
        self, batches: Sequence[ProduceBatch], tokens: Sequence[IdempotencyKey]
    ) -> list[AppendResult]:
        """See `IdempotentLog.append_once`, and the module on what is not promised."""
        keys = [token.key for token in tokens]
        if len(set(keys)) < len(keys) or self._file.answered(keys):  # 1
            raise RepeatedError("a request was appended before")
        appended = self._log.append(batches)  # 2
        kept = [
            token._replace(start=0, stop=0, note=_encode(_Note(token.note, list(map(_kept, mine)))))
            for token in tokens
            if not _none_of(mine := appended[token.start : token.stop])
        ]
        try:
            self._file.append_once([], kept)  # 3
        except PinflowError as error:  # the records are there, and saying otherwise would double them
            logger.warning("what answers %d requests again could not be kept: %s", len(kept), error.what)
        return appended

    def answered(self, keys: Sequence[bytes]) -> dict[bytes, StoredResponse]:
        """See `IdempotentLog.answered`."""
        found = {}
        for key, row in self._file.answered(keys).items():
            note = _decode(row.note)
            found[key] = StoredResponse(row.fingerprint, note.note, list(map(_appended, note.appended)))
        return found

    def close(self) -> None:
        """See `EventLog.close`."""
        self._file.close()
        self._log.close()


def _none_of(appended: Sequence[AppendResult]) -> bool:
    """Whether all was refused: the retry is judged anew then."""
    return all(len(each.refused) == len(each.offsets) for each in appended)


def _kept(appended: AppendResult) -> _Kept:
    refused = {index: (_kind(error), error.what) for index, error in appended.refused.items()}
    partitions = None if appended.partitions is None else list(appended.partitions)
    return _Kept(list(map(str, appended.offsets)), partitions, refused)


def _kind(error: PinflowError) -> str:
    """The name of what it is in `pinflow.errors`; a log may have kinds of its own."""
    names = [kind.__name__ for kind in type(error).__mro__]
    return next(name for name in names if name in errors.__all__)


def _appended(kept: _Kept) -> AppendResult:
    refused: dict[int, PinflowError] = {
        index: getattr(errors, kind)(what) for index, (kind, what) in kept.refused.items()
    }
    return AppendResult(list(map(int, kept.offsets)), kept.partitions, refused)
