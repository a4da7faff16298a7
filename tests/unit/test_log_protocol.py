"""The log's protocols: backends keep them wholly, and the page names their members."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from pinflow.errors import CorruptError
from pinflow.log import EventLog, IdempotentLog, ProgressLog, TopicAdmin, offset_of, position_at
from pinflow.log.idempotency import LogWithIdempotencyStore
from pinflow.log.kafka.log import KafkaLog
from pinflow.log.kafka.topics import KafkaTopics
from pinflow.log.kinesis.log import KinesisLog
from pinflow.log.kinesis.topics import KinesisTopics
from pinflow.log.registry import BACKENDS
from pinflow.log.sqlite.log import SqliteLog
from pinflow.log.sqlite.topics import SqliteTopics

PAGE = Path(__file__).parents[2] / "docs" / "parts" / "log.md"
MEMBER = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)

LOGS: list[type] = [SqliteLog, KafkaLog, KinesisLog, LogWithIdempotencyStore]
TOPICS: list[type] = [SqliteTopics, KafkaTopics, KinesisTopics]


def members(protocol: type) -> set[str]:
    """The public members that a protocol adds to those of its bases."""
    return {name for name in vars(protocol) if not name.startswith("_")}


def abstract(cls: type) -> set[str]:
    return {name for name in dir(cls) if getattr(getattr(cls, name), "__isabstractmethod__", False)}


@pytest.mark.parametrize("protocol", [EventLog, IdempotentLog, ProgressLog, TopicAdmin])
def test_every_member_of_a_protocol_has_to_be_implemented(protocol: type) -> None:
    assert members(protocol) <= abstract(protocol)


@pytest.mark.parametrize("backend", [*LOGS, *TOPICS])
def test_a_backend_implements_every_member_of_its_protocol(backend: type) -> None:
    assert abstract(backend) == set()
    assert not inspect.isabstract(backend)


@pytest.mark.parametrize("backend", [*LOGS, *TOPICS])
def test_a_backend_without_one_of_its_members_cannot_be_made(backend: type) -> None:
    protocol = TopicAdmin if backend in TOPICS else EventLog
    for name in members(protocol):
        kept = {key: value for key, value in vars(backend).items() if key not in {name, "__dict__"}}
        lacking: type = type(backend)(backend.__name__, backend.__bases__, kept)
        assert abstract(lacking) == {name}


def test_every_backend_of_the_registry_is_among_them() -> None:
    assert {path.partition(":")[2] for path in BACKENDS.values()} <= {backend.__name__ for backend in LOGS}


@pytest.mark.parametrize("protocol", [EventLog, IdempotentLog, ProgressLog, TopicAdmin])
def test_the_page_has_a_row_for_every_member_of_a_protocol_and_no_other(protocol: type) -> None:
    text = PAGE.read_text(encoding="utf-8")
    _, heading, section = text.partition(f"\n### `{protocol.__name__}`\n")
    assert heading, f"{PAGE.name} has no section on {protocol.__name__}"
    rows = MEMBER.findall(re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0])
    assert sorted(rows) == sorted(members(protocol))


def test_an_offset_comes_back_from_the_position_made_of_it() -> None:
    assert [offset_of(position_at(offset)) for offset in (0, 7, (1 << 63) - 1)] == [0, 7, (1 << 63) - 1]


@pytest.mark.parametrize("position", ["", "-1", "12@aTopic", "3:49:1700", "١", "1 ", "9" * 20])
def test_a_position_that_says_more_than_an_offset_has_none(position: str) -> None:
    with pytest.raises(CorruptError, match="position"):
        offset_of(position)
