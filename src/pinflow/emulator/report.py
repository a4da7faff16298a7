"""What an emulation did."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["EmulatorReport", "TopicReport"]


class TopicReport(Struct, frozen=True):
    """Records of one topic or stream: sent (each counts once, however often), and what became of them."""

    sent: int
    acknowledged: int
    refused: int


class EmulatorReport(Struct, frozen=True, kw_only=True):
    """What an emulation did.

    Attributes:
        posts: Posts sent, to every endpoint each.
        skipped: Drawn numbers that the source does not hold; another was drawn for each.
        sent: Records sent, all topics.
        acknowledged: Records that an answer says are kept.
        refused: Records that an answer says will never be kept.
        unsettled: Records in flight at a stop: kept or not, nobody knows.
        topics: The same for each topic and stream, by name.
        messages: The first few reasons of refusals.
        retries: Requests that were sent again, whole or in part.
        seconds: Time taken.
        records_per_second: Acknowledged records a second.
        stopped: Whether it was asked to stop before it had sent everything.
    """

    posts: int
    skipped: int
    sent: int
    acknowledged: int
    refused: int
    unsettled: int
    topics: dict[str, TopicReport]
    messages: list[str]
    retries: int
    seconds: float
    records_per_second: float
    stopped: bool
