"""The URL of a Kinesis log, whose account it is in, what doctor finds, and that no credential is shown."""

from __future__ import annotations

import subprocess
import sys
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from tests.servers.faults import Answer, Fault, Faults, Forward, Request, faulty
from tests.servers.kinesis import boto, url_of
from tests.servers.kinesis_faults import describing, failing, on
from tests.servers.moto import CREDENTIALS

from pinflow.errors import ConfigError, PinflowError, UnavailableError, UnknownTopicError
from pinflow.log import ProduceBatch, Records, open_log
from pinflow.log.kinesis.positions import ShardPosition
from pinflow.log.kinesis.url import KinesisSettings, parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.findings import Finding
    from pinflow.log import EventLog


pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.fixture(scope="module")
def faults(moto: str) -> Iterator[Faults]:
    with faulty(moto) as faults:
        yield faults


@pytest.fixture
def log(faults: Faults, prefix: str) -> Iterator[EventLog]:
    log = open_log(url_of(faults.url, prefix))
    yield log
    faults.fault = None
    log.close()


def found(log: EventLog) -> list[Finding]:
    return log.check()


def test_a_url_says_region_prefix_and_options() -> None:
    assert parse_url("kinesis://eu-west-1") == KinesisSettings(
        region="eu-west-1",
        prefix="",
        endpoint="",
        profile="",
        account="",
        streams="*",
        by_key=True,
        pace=True,
        puts=8,
        timeout=1.0,
        reads=2.0,
        gaps="stop",
        on_demand=False,
        record_mib=1,
    )
    assert parse_url("kinesis://eu-west-1/") == parse_url("kinesis://eu-west-1")
    assert parse_url(
        "kinesis://us-east-1/prod-?endpoint=http://127.0.0.1:4567&profile=me&account=123456789012"
        "&streams=*-pin&order=request&pace=off&puts=2&reads=4&timeout=3&gaps=skip&mode=on-demand&record_mib=10"
    ) == KinesisSettings(
        region="us-east-1",
        prefix="prod-",
        endpoint="http://127.0.0.1:4567",
        profile="me",
        account="123456789012",
        streams="*-pin",
        by_key=False,
        pace=False,
        puts=2,
        timeout=3.0,
        reads=4.0,
        gaps="skip",
        on_demand=True,
        record_mib=10,
    )


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("kinesis://", "needs a region"),
        ("kinesis:///prefix", "needs a region"),
        ("kinesis://eu_west", "needs a region"),
        ("kinesis://eu-west-1/a b", "a prefix has"),
        ("kinesis://eu-west-1/a/b", "a prefix has"),
        ("kinesis://[x", "log.url cannot be read"),
        ("kinesis://eu-west-1?endpoint=ftp://x", "http://host:port"),
        ("kinesis://eu-west-1?endpoint=http://h:99999", "http://host:port"),
        ("kinesis://eu-west-1?endpoint=http://[h", "http://host:port"),
        ("kinesis://eu-west-1?pace=maybe", "use one of: on, off"),
        ("kinesis://eu-west-1?reads=6", "use a number from 0.1 to 5"),
        ("kinesis://eu-west-1?reads=nan", "use a number from 0.1 to 5"),
        ("kinesis://eu-west-1?timeout=long", "use a number from 0.1 to 60"),
        ("kinesis://eu-west-1?puts=1.9", "use a whole number from 1 to 32"),
        ("kinesis://eu-west-1?record_mib=11", "use a whole number from 1 to 10"),
        ("kinesis://eu-west-1?shards=4", "use one of: endpoint"),
        ("kinesis://eu-west-1?steams=a*", "did you mean streams?"),
    ],
)
def test_a_url_that_does_not_fit_is_told(url: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_log(url)
    assert what in f"{caught.value.what}; {caught.value.hint}"


@pytest.mark.parametrize(
    "url",
    [
        "kinesis://AKIAKEY:hunter2@eu-west-1",
        "kinesis://eu-west-1?aws_secret_access_key=hunter2",
        "kinesis://eu-west-1?endpoint=http://AKIAKEY:hunter2@127.0.0.1",
    ],
)
def test_credentials_in_a_url_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_log(url)
    assert "hunter2" not in str(caught.value)


def test_topics_are_streams_with_the_prefix_that_fit_the_pattern(faults: Faults, prefix: str) -> None:
    stock = boto(faults.url)
    for name in ("a-pin", "b-pin", "other"):
        stock.create_stream(StreamName=prefix + name, ShardCount=1)
    log = open_log(url_of(faults.url, prefix, streams="*-pin"))
    assert log.topics.readable() == ["a-pin", "b-pin"]
    for name in ("other", "x" * 128, "a b"):
        with pytest.raises(UnknownTopicError):
            log.topics.create(name, 1)
    log.close()


def test_streams_are_created_in_the_mode_and_for_the_records_that_the_url_says(
    faults: Faults, prefix: str
) -> None:
    seen: list[bytes] = []

    def watch(request: Request, forward: Forward) -> Answer:
        seen.append(request.body)
        return forward(request)

    faults.fault = on("CreateStream", watch)
    log = open_log(url_of(faults.url, prefix, mode="on-demand", record_mib=4))
    log.topics.create("t", 2)
    faults.fault = None
    log.close()
    (body,) = seen
    assert b'"MaxRecordSizeInKiB": 4096' in body
    assert b"ShardCount" not in body
    told = boto(faults.url).describe_stream_summary(StreamName=f"{prefix}t")["StreamDescriptionSummary"]
    assert told["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}


def test_the_identity_is_account_region_and_prefix_with_streams_or_without(
    log: EventLog, faults: Faults, prefix: str
) -> None:
    identity = f"kinesis:123456789012:eu-west-1:{prefix}"
    assert log.identity == identity
    log.topics.create("t", 1)
    again = open_log(url_of(faults.url, prefix))
    assert again.identity == identity
    faults.fault = failing(
        "DescribeStreamSummary",
        "AccessDeniedException",
        message="User: arn:aws:iam::999999999999:user/me is not authorized to perform: kinesis:DescribeStreamSummary"
        " on resource: arn:aws:kinesis:eu-west-1:123456789012:stream/x because no policy allows it",
    )
    denied = open_log(url_of(faults.url, prefix))
    assert denied.identity == identity
    faults.fault = failing("DescribeStreamSummary", "ResourceNotFoundException", message="no such stream")
    unsaid = open_log(url_of(faults.url, prefix))
    with pytest.raises(UnavailableError, match="account="):
        _ = unsaid.identity
    named = open_log(url_of(faults.url, prefix, account="123456789012"))
    assert named.identity == identity
    for each in (again, denied, unsaid, named):
        each.close()


def test_a_profile_that_is_not_there_is_told(aws_credentials: None) -> None:
    with pytest.raises(ConfigError, match="no AWS profile 'nobody'"):
        open_log("kinesis://eu-west-1?profile=nobody")


def test_without_credentials_the_next_step_is_told(
    log: EventLog, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    bare = open_log(url_of(faults.url))
    with pytest.raises(UnavailableError, match="NoCredentialsError") as caught:
        bare.topics.list()
    assert "aws sts" in caught.value.hint
    bare.close()


def test_half_of_the_credentials_are_told_before_anything_is_asked(
    aws_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match="Partial credentials") as caught:
        open_log("kinesis://eu-west-1")
    assert "aws configure list" in caught.value.hint


def test_no_credential_is_in_an_error_even_where_kinesis_repeats_the_request(
    log: EventLog, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    told = (
        "The request signature we calculated does not match the signature you provided.\n\n"
        "The Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:hunter2\n"
    )
    faults.fault = lambda _request, _forward: Answer(
        400, {}, b'{"__type":"InvalidSignatureException","message":"%b"}' % told.replace("\n", "\\n").encode()
    )
    for call in (
        log.topics.list,
        lambda: log.identity,
        lambda: log.append([ProduceBatch("t", None, Records([b"a"]), [b"1"])]),
        lambda: found(log),
    ):
        with pytest.raises(PinflowError) as caught:
            call()
        shown = f"{caught.value} {caught.value!r}"
        assert "InvalidSignature" in shown
        for secret in ("hunter2", "Signature=", CREDENTIALS["AWS_SECRET_ACCESS_KEY"]):
            assert secret not in shown
            assert secret not in caplog.text


def test_doctor_is_told_what_will_hurt(log: EventLog, faults: Faults) -> None:
    assert found(log) == []
    log.topics.create("t", 1)
    retention, *others = found(log)
    assert "after 24 hours" in retention.what
    assert (retention.broken, others) == (False, [])
    assert [extent.accepted for extent in log.ranges("t")] == [0], "looking leaves nothing behind"
    boto(faults.url).increase_stream_retention_period(
        StreamName=log.identity.rpartition(":")[2] + "t", RetentionPeriodHours=168
    )
    for fault, told, broken in (
        (failing("PutRecords", "AccessDeniedException"), "may not put records", True),
        (failing("GetRecords", "AccessDeniedException"), "may not read records", True),
        (failing("GetShardIterator", "ResourceNotFoundException"), "cannot be read now", True),
        (failing("ListShards", "AccessDeniedException"), "AccessDeniedException", True),
        (failing("PutRecords", "LimitExceededException"), "is being throttled", False),
        (describing(StreamStatus="CREATING"), "is CREATING", False),
        (describing(RecordDistributionStrategy="AUTO"), "distribution AUTO", True),
        (_dated(time.time() - 200), "s off that of Kinesis", False),
    ):
        faults.fault = fault
        fresh = open_log(url_of(faults.url, log.identity.rpartition(":")[2]))
        (finding,) = found(fresh)
        assert told in finding.what
        assert finding.broken is broken
        assert finding.hint
        fresh.close()


def _dated(at: float) -> Fault:
    def dated(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        headers = {name: value for name, value in answer.headers.items() if name.lower() != "date"}
        return answer._replace(headers=headers | {"Date": formatdate(at, usegmt=True)})

    return dated


def test_without_boto3_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['boto3'] = None\n"
        "from pinflow.errors import MissingExtraError\n"
        "from pinflow.log import open_log\n"
        "try:\n    open_log('kinesis://eu-west-1')\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'pinflow[kinesis]'" in done.stdout


def test_boto3_is_not_imported_for_another_log() -> None:
    script = (
        "import sys, pinflow.log, pinflow.gateway, pinflow.jobs.land.land\n"
        "assert not {'boto3', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_position_is_read_back_as_it_was() -> None:
    place = ShardPosition(7, "49590338271490256608559692538361571095921575989136588898", 1_700_000_000_123)
    assert ShardPosition.of(str(place)) == place
    assert ShardPosition.of(str(ShardPosition(0, "", 1))) == ShardPosition(0, "", 1)
