"""The topics of the log as the gateway sees them: counted once, created on first use."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from pinflow.errors import TopicExistsError, UnavailableError, UnknownTopicError
from pinflow.gateway.refusal import Refusal, RefusalReason
from pinflow.lake.landing.layout import LONGEST_TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pinflow.gateway.metrics import Metrics
    from pinflow.lake.landing.layout import PathLimits
    from pinflow.log import EventLog, Partition

__all__ = ["Topics", "check_name", "name_problem", "room_problem"]

LEGAL_NAME = re.compile(rf"[a-zA-Z0-9._-]{{1,{LONGEST_TOPIC}}}", re.ASCII)
"""Kafka's rule for topic names; `.` and `..` are not allowed either."""

BLOCKING_TIMEOUT_S = 1.5
"""How long a call of the log may take: twice its own wait for a lock. A client has its 503 within two seconds."""

LOOKS = 3
"""A topic that exists is listed a moment later, or is not to be seen."""

PROBE_TIMEOUT_S = 0.5
"""How long `/healthz` waits for the log."""

_T = TypeVar("_T")


class Topics:
    """Topic names and their numbers of partitions.

    The counts are kept in memory. A topic deleted elsewhere is noticed when an append to it fails (`forget`),
    one created elsewhere when its name is first used.

    Args:
        log: Asked from one thread of its own, for it may block.
        metrics: Counts the topics created.
        room: What the lake can hold: a topic that cannot land is not created.
        partitions: How many partitions a topic gets if the request does not say.
        create: Whether a topic is created on first use.
    """

    def __init__(
        self, log: EventLog, metrics: Metrics, room: PathLimits, *, partitions: int, create: bool
    ) -> None:
        self._log = log
        self._metrics = metrics
        self._room = room
        self._partitions = partitions
        self._create = create
        self._counts: dict[str, int] = {}
        self._finding: dict[str, asyncio.Task[int]] = {}
        self._probe: asyncio.Future[dict[str, int]] | None = None

    def start(self) -> None:
        """Start the thread."""
        self._pool = ThreadPoolExecutor(1, "pinflow-topics")

    def stop(self) -> None:
        """Leave the thread to end by itself: what it waits for is bounded by the log."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def by_log(self) -> bool:
        """Whether the log chooses the partition of a record itself."""
        return self._log.capabilities.assigns_partitions

    @property
    def drops_headers(self) -> bool:
        """Whether the log can keep neither headers nor a sender's time."""
        return self._log.capabilities.text_keys_only

    def known(self, topic: str) -> int | None:
        """The number of partitions, if the topic was used before."""
        return self._counts.get(topic)

    def forget(self, topic: str) -> None:
        """Ask the log again at the next use."""
        self._counts.pop(topic, None)

    async def find(self, topic: str, *, within: float = BLOCKING_TIMEOUT_S) -> int:
        """The number of partitions of a topic, which is created if it is not there and may be.

        Waits at most `within` seconds for the log. The call under way then goes on and serves the next request.

        Raises:
            Refusal: The name is not legal, or the lake cannot hold it.
            UnknownTopicError: The topic is not there, and not to be created.
            UnavailableError: The log cannot be asked now.
        """
        check_name(topic)
        task = self._finding.get(topic)
        if task is None:
            task = self._finding[topic] = asyncio.create_task(self._find(topic))
            task.add_done_callback(lambda _: self._finding.pop(topic))
        try:
            return await asyncio.wait_for(asyncio.shield(task), within)
        except TimeoutError:
            raise UnavailableError("the log does not answer; nothing was appended") from None

    async def all(self) -> dict[str, int]:
        """Topic name → number of partitions, from the log itself.

        Raises:
            UnavailableError: The log cannot be asked now.
        """
        counts = await self._blocking(self._log.topics.list)
        self._counts = {
            topic: count for topic, count in counts.items() if self._room.fits_topic(topic, count)
        }
        return counts

    async def get(self, topic: str) -> int:
        """The number of partitions of a topic that is there, from the log itself.

        Raises:
            UnknownTopicError: There is no such topic.
            UnavailableError: The log cannot be asked now.
        """
        count = (await self.all()).get(topic)
        if count is None:
            raise UnknownTopicError("there is no such topic")
        return count

    async def partitions(self, topic: str) -> list[Partition]:
        """The partitions of a topic; raises as `get`."""

        def look() -> list[Partition]:
            count = self._log.topics.list().get(topic)
            if count is None:  # the log still shows a deleted topic to the jobs that read it
                raise UnknownTopicError("there is no such topic")
            # A topic made again with fewer partitions still holds what the others took.
            return [each for each in self._log.describe(topic) if self.by_log or each.number < count]

        return await self._blocking(look)

    async def create(self, topic: str, partitions: int) -> None:
        """Create a topic.

        Raises:
            Refusal: The name is not legal, or the lake cannot hold it.
            TopicExistsError: It is there already.
            UnavailableError: The log cannot be written now.
        """
        check_name(topic)
        others = await self.all() if self._room.folds_case else ()
        self._require_room(topic, partitions, others)
        await self._blocking(lambda: self._log.topics.create(topic, partitions))
        self._counts[topic] = partitions
        self._metrics.topic_created()

    async def create_stream(self, stream: str, shards: int | None, *, on_demand: bool) -> None:
        """Create a topic as Kinesis creates a stream: without a number of shards it gets as many as any topic does.

        Raises:
            Refusal: It is to be on demand, and the log's own URL says what streams are like.
            PinflowError: All that `create` raises.
        """
        if on_demand and self.by_log:
            raise Refusal(
                RefusalReason.INVALID,
                "whether streams are on demand is said by the log's URL: mode=on-demand",
            )
        await self.create(stream, self._partitions if shards is None else shards)

    async def configs(self, topic: str) -> dict[str, str]:
        """The settings of a topic as Kafka names them, as far as the log has them; raises as `get`."""
        return await self._blocking(lambda: self._log.topics.configs(topic))

    async def delete(self, topic: str) -> None:
        """Delete a topic; what it took stays in the log to be read. Raises as `get`."""
        self.forget(topic)
        await self._blocking(lambda: self._log.topics.delete(topic))
        self.forget(topic)

    async def reachable(self) -> bool:
        """Whether the log answers a question at once. Never more than one question is under way."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.get_running_loop().run_in_executor(self._pool, self._log.topics.list)
        try:
            await asyncio.wait_for(asyncio.shield(self._probe), PROBE_TIMEOUT_S)
        except Exception:  # noqa: BLE001 - a backend may raise anything
            return False
        return True

    async def _find(self, topic: str) -> int:
        for _ in range(LOOKS):
            counts = await self.all()
            if topic in counts:
                self._require_room(topic, counts[topic])
                return counts[topic]
            if not self._create:
                raise UnknownTopicError("there is no such topic")
            try:
                await self.create(topic, self._partitions)
            except TopicExistsError:  # another process was faster, perhaps with another number of partitions
                continue
            return self._partitions
        raise UnavailableError(
            "the log has the topic and does not show it; pinflow doctor looks at permissions"
        )

    def _require_room(self, topic: str, partitions: int, others: Iterable[str] = ()) -> None:
        problem = room_problem(topic, partitions, self._room, others)
        if problem is not None:
            raise Refusal(RefusalReason.INVALID, problem)

    async def _blocking(self, call: Callable[[], _T]) -> _T:
        future = asyncio.get_running_loop().run_in_executor(self._pool, call)
        try:
            return await asyncio.wait_for(future, BLOCKING_TIMEOUT_S)
        except TimeoutError:
            raise UnavailableError("the log does not answer") from None


def check_name(topic: str) -> None:
    """Refuse a name that no topic can have.

    Raises:
        Refusal: The name is not legal.
    """
    problem = name_problem(topic)
    if problem is not None:
        raise Refusal(RefusalReason.INVALID, problem)


def name_problem(topic: str) -> str | None:
    """Why no topic can have this name; None where it can."""
    if LEGAL_NAME.fullmatch(topic) and topic not in {".", ".."}:
        return None
    return f"a name has 1 to {LONGEST_TOPIC} letters, digits, '.', '_' or '-', and is not '.' or '..'"


def room_problem(topic: str, partitions: int, room: PathLimits, others: Iterable[str] = ()) -> str | None:
    """Why the lake cannot hold a topic of a legal name beside others; None where it can."""
    if not room.fits_topic(topic, partitions):
        return (
            f"the name has {len(topic)} letters, and the lake has room for {room.longest_topic(partitions)}: "
            "its objects are named <topic>+<partition>+<offset>.json.meta"
        )
    if room.folds_case:
        for other in others:
            if other != topic and other.lower() == topic.lower():
                return f"the lake's disk is not case-sensitive, and the topic {other!r} exists already"
    return None
