"""Names of topics that the lake cannot hold: refused by the gateway, and set aside where they are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.gateway_client import JSON, KAFKA_JSON, gateway
from tests.pipeline import drain, post

from pinflow.errors import TerminalError
from pinflow.gateway.topics import room_problem
from pinflow.jobs.reports.status import status
from pinflow.lake.landing.layout import LONGEST_TOPIC, PathLimits, path_limits
from pinflow.steps.ledger import plan_path, put_plan
from pinflow.steps.plan import Plan
from pinflow.steps.slices import LogSlice

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.config import Settings
    from pinflow.jobs.runtime import Runtime

RECORD = b'{"records":[{"value":{"index":1}}]}'


@pytest.fixture
def longest(settings: Settings) -> int:
    """What a topic of four partitions may have in a folder."""
    return path_limits(settings.config.lake.url).longest_topic(4)


def test_the_longest_name_really_lands_and_one_letter_more_does_not(runtime: Runtime, longest: int) -> None:
    for letters in (longest, longest + 1):
        post(runtime, "x" * letters, [b"1"], partition=3, partitions=4)
    with pytest.raises(TerminalError, match="too long for the lake"):
        drain(runtime, "land")
    assert {len(each.topic): each.landed for each in status(runtime)} == {longest: 1, longest + 1: 0}


def test_the_file_system_itself_has_this_bound(runtime: Runtime, longest: int) -> None:
    """Where a check of ours lets more through than the disk takes, the error is a terminal one all the same."""
    runtime.store.put(f"topics/{'x' * (longest + 23)}", b"")
    with pytest.raises(TerminalError, match="the name is too long"):
        runtime.store.put(f"topics/{'x' * (longest + 24)}", b"")


def test_more_partitions_leave_less_room() -> None:
    room = path_limits("/lake")
    assert [room.longest_topic(count) for count in (1, 10, 11, 1024)] == [230, 230, 229, 227]


def test_a_key_in_a_bucket_has_room_for_every_name_unless_the_prefix_is_long() -> None:
    assert path_limits("s3://bucket/prefix?region=eu-west-1").longest_topic(1024) == LONGEST_TOPIC
    room = path_limits(f"s3://bucket/{'p' * 600}")
    letters = room.longest_topic(4)
    assert 0 < letters < LONGEST_TOPIC
    key = f"{'p' * 600}/adopted/{'x' * letters}/partition=3/{'x' * letters}+3+0000000000.json.meta"
    assert len(key) in {1023, 1024}


@pytest.mark.parametrize("more", [1, 2, 19])
def test_the_door_refuses_a_name_that_the_lake_cannot_hold_and_says_the_limit(
    tmp_path: Path, longest: int, more: int
) -> None:
    name = "x" * (longest + more)
    with gateway(tmp_path) as client:
        kafka = client.request("POST", f"/topics/{name}", content=RECORD, headers=KAFKA_JSON)
        put = client.request("PUT", f"/streams/{name}/record", content=b'{"Data":{"index":1}}', headers=JSON)
        made = client.request("POST", f"/streams/{name}", content=b'{"ShardCount":4}', headers=JSON)
        assert kafka.status_code == 422
        assert {put.status_code, made.status_code} == {400}
        for answer in (kafka, put, made):
            assert f"the lake has room for {longest}" in answer.json()["message"]
        assert client.get("/topics").json() == []
        fits = client.request("POST", f"/topics/{name[more:]}", content=RECORD, headers=KAFKA_JSON)
        assert fits.status_code == 200


def test_the_door_refuses_records_for_a_topic_of_such_a_name_that_is_there_already(
    tmp_path: Path, longest: int
) -> None:
    name = "x" * (longest + 1)
    with gateway(tmp_path) as client:
        client.log.topics.create(name, 4)
        for _ in range(2):  # the second time it is known
            answer = client.request("POST", f"/topics/{name}", content=RECORD, headers=KAFKA_JSON)
            assert answer.status_code == 422
            assert "the lake has room for" in answer.json()["message"]
        assert client.get("/topics").json() == [name]


def test_topics_of_such_names_hold_up_no_other_and_are_reported(runtime: Runtime) -> None:
    long = "a" * LONGEST_TOPIC
    post(runtime, long, [b"1"])
    post(runtime, "b", [b"1"])
    with pytest.raises(TerminalError, match="too long for the lake"):
        drain(runtime, "land")
    by_topic = {each.topic: each for each in status(runtime)}
    assert by_topic["b"].landed == 1
    (failing,) = by_topic[long].failing
    assert (failing.state, failing.job) == ("set aside", f"land/{long}")
    assert "shorter name" in failing.next
    assert not runtime.store.holds_any(f"plans/land/{long}")  # nothing is begun that cannot be done


@pytest.mark.parametrize("name", ["..", "."])
def test_a_name_that_is_none_in_a_path_holds_up_no_other(runtime: Runtime, name: str) -> None:
    post(runtime, name, [b"1"])
    post(runtime, "b", [b"1"])
    with pytest.raises(TerminalError, match="cannot store an object of this name"):
        drain(runtime, "land")
    assert runtime.landing.objects("b")


def test_a_step_that_an_earlier_version_planned_for_such_a_topic_holds_up_no_other(runtime: Runtime) -> None:
    long = "a" * LONGEST_TOPIC
    post(runtime, long, [b"1"])
    post(runtime, "b", [b"1"])
    put_plan(
        runtime.store, Plan("land", f"land/{long}", 1, [LogSlice(0, "0", "1", 1)], {0: "1"}, "another:1", 1)
    )
    with pytest.raises(TerminalError, match="too long for the lake"):
        drain(runtime, "land")
    assert {each.topic: each.landed for each in status(runtime)} == {long: 0, "b": 1}


def test_on_a_disk_that_does_not_tell_case_the_second_of_two_names_is_refused() -> None:
    folding = PathLimits(253, 4000, folds_case=True)
    assert room_problem("Posts", 1, folding, ["posts", "others"]) is not None
    assert room_problem("posts", 1, folding, ["posts", "others"]) is None
    assert room_problem("Posts", 1, PathLimits(253, 4000), ["posts"]) is None


def test_on_such_a_disk_a_job_does_not_take_the_plan_of_another_for_its_own(runtime: Runtime) -> None:
    for name in ("Posts", "posts", "zebras"):
        post(runtime, name, [b"1"])
    put_plan(
        runtime.store, Plan("land", "land/Posts", 1, [LogSlice(0, "0", "1", 1)], {0: "1"}, "another:1", 1)
    )
    plan = runtime.store.get(plan_path("land/Posts", 1))
    assert plan is not None
    runtime.store.put(plan_path("land/posts", 1), plan)  # what such a disk shows
    with pytest.raises(TerminalError, match="cannot distinguish the jobs 'land/posts' and 'land/Posts'"):
        drain(runtime, "land")
    assert runtime.landing.objects("zebras")
    assert not runtime.landing.objects("posts")
