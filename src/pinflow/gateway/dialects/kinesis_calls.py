"""The operations that AWS' SDKs call besides posting: streams are listed, described, created and deleted."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pinflow.gateway.dialects.kinesis_answers import describe_shards
from pinflow.gateway.dialects.kinesis_rest import Create
from pinflow.gateway.dialects.kinesis_target import PUTS, TargetRequest, decode_request, json_answer
from pinflow.gateway.refusal import Refusal, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pinflow.gateway.answer import Answer
    from pinflow.gateway.auth.key_file import ApiKey
    from pinflow.gateway.topics import Topics

__all__ = ["Calls"]

LISTED = 100
"""Streams of one `ListStreams`, and shards of one `DescribeStream`, where the request does not say."""

SHARDS = 1_000
"""The same of `ListShards`."""

Limit = Annotated[int, Meta(ge=1, le=10_000)]


class _Filter(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["AFTER_SHARD_ID", "AT_LATEST", "FROM_TRIM_HORIZON"] = msgspec.field(name="Type")
    shard: str | None = msgspec.field(name="ShardId", default=None)


class _ListShards(TargetRequest, forbid_unknown_fields=True, kw_only=True):
    token: str | None = msgspec.field(name="NextToken", default=None)
    after: str | None = msgspec.field(name="ExclusiveStartShardId", default=None)
    limit: Limit | None = msgspec.field(name="MaxResults", default=None)
    filter: _Filter | None = msgspec.field(name="ShardFilter", default=None)


class _Token(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Where a list of shards goes on."""

    stream: str
    after: str
    only_open: bool


class _Describe(TargetRequest, forbid_unknown_fields=True, kw_only=True):
    after: str | None = msgspec.field(name="ExclusiveStartShardId", default=None)
    limit: Limit | None = msgspec.field(name="Limit", default=None)


class _ListStreams(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit | None = msgspec.field(name="Limit", default=None)
    after: str | None = msgspec.field(name="ExclusiveStartStreamName", default=None)
    token: str | None = msgspec.field(name="NextToken", default=None)


class _Delete(TargetRequest, forbid_unknown_fields=True, kw_only=True):
    """A stream here has no registered consumers, so that it is the same either way."""

    consumers: bool | None = msgspec.field(name="EnforceConsumerDeletion", default=None)


class Calls:
    """Serves every operation but those that post.

    Args:
        topics: The topics of the log, which are the streams.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._operations: dict[str, tuple[type, Callable[[Any, ApiKey | None], Awaitable[object]]]] = {
            "CreateStream": (Create, self._create),
            "DeleteStream": (_Delete, self._delete),
            "DescribeStream": (_Describe, self._describe),
            "DescribeStreamSummary": (TargetRequest, self._summary),
            "ListShards": (_ListShards, self._shards),
            "ListStreams": (_ListStreams, self._streams),
        }

    async def __call__(
        self, operation: str, content_type: bytes, body: bytes, caller: ApiKey | None
    ) -> Answer:
        """Do what is wanted.

        Raises:
            Refusal: There is no such operation here, or the request is not a valid one.
            UnknownTopicError, TopicExistsError, UnavailableError: As `Topics`.
        """
        found = self._operations.get(operation)
        if found is None:
            served = ", ".join(sorted([*PUTS, *self._operations]))
            raise Refusal(
                RefusalReason.ROUTE, f"the gateway does not serve this operation; it serves {served}"
            )
        shape, serve = found
        request = decode_request(lambda text: msgspec.json.decode(text, type=shape), content_type, body)
        return json_answer(await serve(request, caller))

    async def _create(self, request: Create, caller: ApiKey | None) -> object:
        if request.stream is None:
            raise Refusal(RefusalReason.INVALID, "the request names no stream: give StreamName")
        _check(request.stream, caller)
        await self._topics.create_stream(request.stream, request.count, on_demand=request.on_demand())
        return {}

    async def _delete(self, request: _Delete, caller: ApiKey | None) -> object:
        await self._topics.delete(_stream(request, caller))
        return {}

    async def _describe(self, request: _Describe, caller: ApiKey | None) -> object:
        stream = _stream(request, caller)
        partitions = await self._topics.partitions(stream)
        shards = _after(describe_shards(partitions, by_log=self._topics.by_log), request.after)
        limit = request.limit or LISTED
        described = _describe_shared(stream, active=bool(partitions)) | {
            "Shards": shards[:limit],
            "HasMoreShards": len(shards) > limit,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        }
        return {"StreamDescription": described}

    async def _summary(self, request: TargetRequest, caller: ApiKey | None) -> object:
        stream = _stream(request, caller)
        partitions = await self._topics.partitions(stream)
        summary = _describe_shared(stream, active=bool(partitions)) | {
            "OpenShardCount": sum(not each.closed for each in partitions),
            "ConsumerCount": 0,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        }
        return {"StreamDescriptionSummary": summary}

    async def _shards(self, request: _ListShards, caller: ApiKey | None) -> object:
        wanted = _read_selection(request)
        _check(wanted.stream, caller)
        partitions = await self._topics.partitions(wanted.stream)
        shards = describe_shards(partitions, by_log=self._topics.by_log)
        if wanted.only_open:
            shards = [shard for shard, each in zip(shards, partitions, strict=True) if not each.closed]
        shards = _after(shards, wanted.after)
        limit = request.limit or SHARDS
        answer: dict[str, object] = {"Shards": shards[:limit]}
        if len(shards) > limit:
            token = _Token(wanted.stream, str(shards[limit - 1]["ShardId"]), wanted.only_open)
            answer["NextToken"] = urlsafe_b64encode(msgspec.json.encode(token)).decode()
        return answer

    async def _streams(self, request: _ListStreams, caller: ApiKey | None) -> object:
        after = request.token if request.token is not None else request.after or ""
        names = [
            name
            for name in sorted(await self._topics.all())
            if name > after and (caller is None or caller.allows(name))
        ]
        limit = request.limit or LISTED
        shown = names[:limit]
        answer: dict[str, object] = {
            "StreamNames": shown,
            "StreamSummaries": [_describe_shared(name, active=True) for name in shown],
            "HasMoreStreams": len(names) > limit,
        }
        return answer | ({"NextToken": shown[-1]} if len(names) > limit else {})


def _describe_shared(stream: str, *, active: bool) -> dict[str, object]:
    """What every description of a stream begins with. The account and the region of its ARN are the gateway's own."""
    return {
        "StreamName": stream,
        "StreamARN": f"arn:aws:kinesis:local:000000000000:stream/{stream}",
        "StreamStatus": "ACTIVE" if active else "CREATING",
    }


def _stream(request: TargetRequest, caller: ApiKey | None) -> str:
    stream = request.stream_name()
    _check(stream, caller)
    return stream


def _check(stream: str, caller: ApiKey | None) -> None:
    if caller is not None and not caller.allows(stream):
        raise Refusal(RefusalReason.FORBIDDEN, "this API key is not for this stream")


def _read_selection(request: _ListShards) -> _Token:
    """Which shards are asked for: those after a token, which names the stream, or else those described.

    The paginators of SDKs repeat the first request beside the token.
    """
    if request.token is not None:
        try:
            token = msgspec.json.decode(urlsafe_b64decode(request.token), type=_Token)
        except (NoBase64, ValueError):
            raise Refusal(RefusalReason.INVALID, "the NextToken is not one of this gateway") from None
        if (request.stream or request.arn) and request.stream_name() != token.stream:
            raise Refusal(RefusalReason.INVALID, "the NextToken is one of another stream")
        return token
    kind = request.filter.kind if request.filter is not None else ""
    after = request.after or (request.filter.shard if request.filter is not None else None) or ""
    return _Token(request.stream_name(), after, kind == "AT_LATEST")


def _after(shards: list[dict[str, object]], shard: str | None) -> list[dict[str, object]]:
    return [each for each in shards if str(each["ShardId"]) > (shard or "")]
