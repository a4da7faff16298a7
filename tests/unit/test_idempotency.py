"""Answers kept beside a log that cannot keep them: a retry is appended once, and gets the first answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.gateway_client import KAFKA_JSON, gateway, log_url, values

from pinflow.errors import (
    PinflowError,
    RepeatedError,
    TerminalError,
    TooLargeError,
    UnavailableError,
    UnsupportedRecordError,
)
from pinflow.log import (
    AppendResult,
    Capabilities,
    IdempotencyKey,
    ProduceBatch,
    Records,
    idempotency,
    open_log,
)
from pinflow.log.idempotency import LogWithIdempotencyStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pinflow.log import EventLog

FAR = 1 << 45
BODY = b'{"records":[{"value":{"index":1}},{"value":{"index":2}},{"value":3}]}'


class Plain:
    """A log that keeps no answers, numbers beyond 64 bits, and refuses what it is told to."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.topics, self.capabilities, self.close = log.topics, log.capabilities, log.close
        self.read, self.ranges = log.read, log.ranges
        self.refused: dict[int, Any] = {}

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        return [
            AppendResult(
                [(1 << 90) + offset for offset in each.offsets], [7] * len(each.offsets), self.refused
            )
            for each in self._log.append(batches)
        ]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Plain]:
    log = open_log(log_url(tmp_path))
    log.topics.create("a", 1)
    yield Plain(log)
    log.close()


def token(key: bytes) -> IdempotencyKey:
    return IdempotencyKey(key, b"print", b"note", FAR, 0, 1)


def test_what_became_of_a_request_is_kept_as_it_was_even_when_opened_again(
    plain: Plain, tmp_path: Path
) -> None:
    plain.refused = {1: TooLargeError("too large")}
    log = LogWithIdempotencyStore(plain, tmp_path / "answers.db")  # type: ignore[arg-type]
    (first,) = log.append_idempotent([ProduceBatch("a", 0, Records([b"1", b"2"]))], [token(b"k")])
    log._file.close()
    again = LogWithIdempotencyStore(plain, tmp_path / "answers.db").stored_responses([b"k", b"other"])  # type: ignore[arg-type]
    assert list(again) == [b"k"]
    (kept,) = again[b"k"].appended
    assert (kept.offsets, kept.partitions) == (first.offsets, first.partitions)
    assert [(index, type(error), error.what) for index, error in kept.refused.items()] == [
        (1, TooLargeError, "too large")
    ]
    with pytest.raises(RepeatedError):
        log.append_idempotent([ProduceBatch("a", 0, Records([b"1"]))], [token(b"k")])
    log._file.close()


@pytest.mark.parametrize(
    ("stored", "expected"), [("NotCarriedError", UnsupportedRecordError), ("NoSuchError", TerminalError)]
)
def test_a_refusal_that_another_version_has_stored_under_another_name_is_answered(
    stored: str, expected: type[PinflowError]
) -> None:
    """A gateway of version 0.1 had another name for it; one that is newer may have any."""
    kept = idempotency._StoredResult(["7"], None, {0: (stored, "no value")})
    (error,) = idempotency._from_stored(kept).refused.values()
    assert (type(error), error.what) == (expected, "no value")


def test_a_refusal_of_a_kind_that_the_log_alone_knows_is_kept_as_what_it_is(
    plain: Plain, tmp_path: Path
) -> None:
    class StartingError(UnavailableError):
        pass

    plain.refused = {1: StartingError("not yet")}
    log = LogWithIdempotencyStore(plain, tmp_path / "answers.db")  # type: ignore[arg-type]
    log.append_idempotent([ProduceBatch("a", 0, Records([b"1", b"2"]))], [token(b"k")])
    (kept,) = log.stored_responses([b"k"])[b"k"].appended
    assert [(index, type(error), error.what) for index, error in kept.refused.items()] == [
        (1, UnavailableError, "not yet")
    ]
    log._file.close()


def test_a_request_of_which_nothing_was_kept_is_judged_anew(plain: Plain, tmp_path: Path) -> None:
    plain.refused = {0: UnavailableError("away")}
    log = LogWithIdempotencyStore(plain, tmp_path / "answers.db")  # type: ignore[arg-type]
    log.append_idempotent([ProduceBatch("a", 0, Records([b"1"]))], [token(b"k")])
    assert log.stored_responses([b"k"]) == {}
    log._file.close()


def test_the_same_key_twice_in_one_append_is_told_before_anything_is_appended(
    plain: Plain, tmp_path: Path
) -> None:
    log = LogWithIdempotencyStore(plain, tmp_path / "answers.db")  # type: ignore[arg-type]
    with pytest.raises(RepeatedError):
        log.append_idempotent([ProduceBatch("a", 0, Records([b"1"]))], [token(b"k"), token(b"k")])
    assert plain.ranges("a")[0].accepted == 0
    log._file.close()


def test_a_gateway_answers_a_retry_byte_for_byte_and_appends_nothing(tmp_path: Path) -> None:
    def wrap(log: EventLog) -> Any:
        return LogWithIdempotencyStore(Plain(log), tmp_path / "answers.db")  # type: ignore[arg-type]

    headers = KAFKA_JSON | {"idempotency-key": "k"}
    with gateway(tmp_path, wrap=wrap) as client:
        first = client.request("POST", "/topics/a", content=BODY, headers=headers)
        assert first.status_code == 200
        assert client.request("POST", "/topics/a", content=BODY, headers=headers).content == first.content
        other = client.request("POST", "/topics/a", content=b'{"records":[{"value":9}]}', headers=headers)
        assert other.status_code == 422
        assert len(values(client.log, "a")) == 3
        client.log._file.close()  # type: ignore[attr-defined]


def test_a_log_that_places_records_gives_a_retry_the_same_places(tmp_path: Path) -> None:
    class Placing(Plain):
        """A log that places by route, and takes what is for a partition of its own there."""

        capabilities = Capabilities(assigns_partitions=True)

        def __init__(self, log: EventLog) -> None:
            super().__init__(log)
            self.capabilities = Capabilities(assigns_partitions=True)

        def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
            real = [each._replace(partition=0, routes=None) for each in batches]
            return [
                AppendResult(
                    [(1 << 90) + offset for offset in became.offsets],
                    [4 if batch.partition is None else batch.partition] * len(became.offsets),
                )
                for batch, became in zip(batches, self._log.append(real), strict=True)
            ]

    def wrap(log: EventLog) -> Any:
        return LogWithIdempotencyStore(Placing(log), tmp_path / "answers.db")  # type: ignore[arg-type]

    body = (
        b'{"records":[{"value":{"index":1}},{"value":2,"partition":3},{"value":"' + b"x" * 200 + b'"},'
        b'{"value":3,"partition":-1},{"value":4,"partition":-2}]}'
    )
    headers = KAFKA_JSON | {"idempotency-key": "k"}
    with gateway(tmp_path, wrap=wrap, max_record_bytes=100) as client:
        first = client.request("POST", "/topics/a", content=body, headers=headers)
        entries = first.json()["offsets"]
        assert [entry["partition"] for entry in entries] == [4, 3, None, None, None]
        assert client.request("POST", "/topics/a", content=body, headers=headers).content == first.content
        assert len(values(client.log, "a")) == 2
        client.log._file.close()  # type: ignore[attr-defined]
