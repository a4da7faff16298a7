"""Faults of Kinesis for the fault injector: what it does now and then, and a stand-in never."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from tests.servers.faults import Answer, Dropped, Fault, Forward, Request

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "body_of",
    "changed",
    "describing",
    "drop_after",
    "failed",
    "failing",
    "on",
    "operation_of",
    "refusing_at_random",
    "refusing_some",
    "trimming",
    "without_shard",
]

JSON = "application/x-amz-json-1.1"


def operation_of(request: Request) -> str:
    """`PutRecords` and such."""
    named = {name.lower(): value for name, value in request.headers.items()}
    return named.get("x-amz-target", "").rpartition(".")[2]


def body_of(message: Request | Answer) -> dict[str, Any]:
    """The JSON of a request or an answer."""
    found: dict[str, Any] = json.loads(message.body)
    return found


def changed(answer: Answer, **fields: Any) -> Answer:
    """An answer with other fields; without those that are None."""
    fields = {name: value for name, value in (body_of(answer) | fields).items() if value is not None}
    return answer._replace(body=json.dumps(fields).encode())


def describing(**told: Any) -> Fault:
    """Streams are described otherwise than they are."""

    def describe(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if answer.status != 200:
            return answer
        return changed(answer, StreamDescriptionSummary=body_of(answer)["StreamDescriptionSummary"] | told)

    return on("DescribeStreamSummary", describe)


def failed(code: str, message: str = "told so", status: int = 400) -> Answer:
    """An error of Kinesis."""
    return Answer(status, {"Content-Type": JSON}, json.dumps({"__type": code, "message": message}).encode())


def on(operation: str, fault: Fault) -> Fault:
    """A fault of one operation alone."""

    def only(request: Request, forward: Forward) -> Answer:
        return fault(request, forward) if operation_of(request) == operation else forward(request)

    return only


def failing(
    operation: str, code: str, *, times: int = 1 << 30, message: str = "told so", status: int = 400
) -> Fault:
    """An operation fails as a whole, so many times."""
    left = [times]

    def fail(request: Request, forward: Forward) -> Answer:
        left[0] -= 1
        return failed(code, message, status) if left[0] >= 0 else forward(request)

    return on(operation, fail)


def drop_after(operation: str, times: int = 1 << 30) -> Fault:
    """The answer is lost when the server has done what it was asked, so many times."""
    left = [times]

    def drop(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        left[0] -= 1
        if left[0] >= 0:
            raise Dropped
        return answer

    return on(operation, drop)


def refusing_some(refused: Callable[[dict[str, Any]], str | None]) -> Fault:
    """Some records of a `PutRecords` are refused with a code, the others taken."""

    def put(request: Request, forward: Forward) -> Answer:
        body = body_of(request)
        codes = [refused(record) for record in body["Records"]]
        taken = [record for record, code in zip(body["Records"], codes, strict=True) if code is None]
        if len(taken) == len(codes):
            return forward(request)
        answers = iter(())
        if taken:
            answer = forward(request._replace(body=json.dumps(body | {"Records": taken}).encode()))
            assert answer.status == 200, answer.body
            answers = iter(body_of(answer)["Records"])
        told = [
            next(answers) if code is None else {"ErrorCode": code, "ErrorMessage": "slow down"}
            for code in codes
        ]
        failures = len(codes) - len(taken)
        content = {"FailedRecordCount": failures, "Records": told}
        return Answer(200, {"Content-Type": JSON}, json.dumps(content).encode())

    return on("PutRecords", put)


def refusing_at_random(share: float, seed: int) -> Fault:
    """Each record is throttled with a probability."""
    chance = random.Random(seed)
    return refusing_some(
        lambda _: "ProvisionedThroughputExceededException" if chance.random() < share else None
    )


def without_shard(number: int) -> Fault:
    """A shard has left the stream: its retention has passed since it was closed."""
    gone = f"shardId-{number:012d}"

    def without(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if answer.status != 200:
            return answer
        return changed(answer, Shards=[each for each in body_of(answer)["Shards"] if each["ShardId"] != gone])

    return on("ListShards", without)


def trimming(before: int) -> Fault:
    """Records up to a sequence number are gone, as after their retention."""

    def get(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if answer.status != 200:
            return answer
        records = [record for record in body_of(answer)["Records"] if int(record["SequenceNumber"]) > before]
        return changed(answer, Records=records)

    return on("GetRecords", get)
