"""A lake on S3: what its URL may say, what is made of its errors, and answers that are lost on the way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from tests.servers.buckets import moved
from tests.servers.faults import Answer, Cut, Dropped, Faults, Request, faulty

from pinflow.errors import (
    AbsentError,
    ConfigError,
    MissingExtraError,
    PinflowError,
    TerminalError,
    UnavailableError,
)
from pinflow.lake import Store, open_store
from pinflow.lake.store.check import require_conditions
from pinflow.lake.store.refusals import translate_error
from pinflow.lake.store.s3_url import S3Settings, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.faults import Fault, Forward

SECRET = "wJalrXUtnFEMI-K7MDENG"


@pytest.fixture
def faults(moto: str) -> Iterator[Faults]:
    with faulty(moto) as faults:
        yield faults


@pytest.fixture
def store(bucket: str, faults: Faults) -> Store:
    return open_store(moved(bucket, faults.url))


def told(call: Callable[[], object]) -> PinflowError:
    with pytest.raises(PinflowError) as caught:
        call()
    return caught.value


def once(matches: Callable[[Request], bool], fault: Fault) -> Fault:
    """A fault for the first request that matches; the others go through."""
    left = [fault]

    def at(request: Request, forward: Forward) -> Answer:
        return left.pop()(request, forward) if left and matches(request) else forward(request)

    return at


def refusing(status: int, code: str, more: str = "") -> Fault:
    body = f"<Error><Code>{code}</Code><Message>words of the store</Message>{more}</Error>".encode()
    return lambda *_: Answer(status, {"Content-Type": "application/xml"}, body)


def drop_after(request: Request, forward: Forward) -> Answer:
    forward(request)
    raise Dropped


def drop_before(_request: Request, _forward: Forward) -> Answer:
    raise Dropped


def fail_after(request: Request, forward: Forward) -> Answer:
    forward(request)
    return Answer(500, {}, b"<Error><Code>InternalError</Code></Error>")


def test_a_url_says_where_the_bucket_is_and_how_to_talk_to_it() -> None:
    there = "region=eu-west-1&endpoint=http://127.0.0.1:9000&path_style=false&timeout=2.5"
    assert parse_url(f"s3://posts/a/b/?{there}") == S3Settings(
        bucket="posts",
        prefix="a/b",
        region="eu-west-1",
        endpoint="http://127.0.0.1:9000",
        path_style=False,
        timeout=2.5,
    )
    assert parse_url("s3://posts").url == "s3://posts"
    assert parse_url("s3://posts/lake?profile=me").url == "s3://posts/lake"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"s3://AKIA:{SECRET}@posts/lake", "credentials do not belong"),
        (f"s3://posts/lake?aws_secret_access_key={SECRET}", "credentials do not belong"),
        (f"s3://posts/lake?session_token={SECRET}", "credentials do not belong"),
        ("s3://posts/lake?regoin=x", "did you mean region"),
        ("s3://posts/lake?colour=red", "use one of: region"),
        ("s3://Posts/lake", "not a name of a bucket"),
        ("s3:///lake", "not a name of a bucket"),
        ("s3://[x", "lake.url cannot be read"),
        ("s3://posts/lake?endpoint=http://host:99999", "use https://host, or http://host:port"),
        ("s3://posts/lake?endpoint=http://host/path", "use https://host, or http://host:port"),
        ("s3://posts/la ke", "characters that need escaping"),
        ("s3://posts/lake?path_style=maybe", "use true or false"),
        ("s3://posts/lake?timeout=soon", "use a number of seconds above 0"),
        ("s3://posts/lake?endpoint=minio:9000", "use https://host, or http://host:port"),
        (f"s3://posts/lake?endpoint=http://me:{SECRET}@host", "use https://host, or http://host:port"),
        ("gs://posts/lake", "no lake is called 'gs'"),
    ],
)
def test_a_url_that_does_not_fit_is_refused_and_no_secret_is_shown(url: str, words: str) -> None:
    error = told(lambda: open_store(url))
    assert isinstance(error, ConfigError)
    assert words in str(error)
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("s3://posts/lake", "", False),
        ("s3://posts.with.dots/lake", "", True),
        ("s3://posts/lake?endpoint=https://minio.example.com/", "https://minio.example.com", True),
        ("s3://posts/lake?endpoint=https://example.com&path_style=false", "https://posts.example.com", False),
    ],
)
def test_the_bucket_stands_in_the_path_except_on_aws_itself(url: str, host: str, path: bool) -> None:
    from pinflow.lake.store.credentials import AwsCredentials
    from pinflow.lake.store.s3 import S3Access

    access = S3Access(parse_url(url), AwsCredentials(None))
    assert (access._endpoint, access._path_style) == (host, path)


def test_without_botocore_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    error = told(lambda: open_store("s3://posts/lake"))
    assert isinstance(error, MissingExtraError)
    assert "pip install 'pinflow[s3]'" in str(error)


def test_a_bucket_that_is_not_there_is_told_by_every_call(make_bucket: Callable[[], str], moto: str) -> None:
    make_bucket()
    store = open_store(f"s3://pinflow-nowhere/lake?endpoint={moto}")
    for call in (
        lambda: store.get("x"),
        lambda: store.put("x", b""),
        lambda: store.put_if_absent("x", b""),
        lambda: list(store.list("x")),
        lambda: store.delete("x"),
    ):
        error = told(call)
        assert isinstance(error, AbsentError)
        assert "there is no such bucket" in str(error)


REFUSALS = [
    (403, "InvalidAccessKeyId", TerminalError, "does not know these credentials"),
    (403, "SignatureDoesNotMatch", TerminalError, "does not know these credentials"),
    (400, "ExpiredToken", UnavailableError, "credentials have expired"),
    (403, "RequestTimeTooSkewed", TerminalError, "clock of this machine"),
    (400, "AuthorizationHeaderMalformed", TerminalError, "another region"),
    (301, "PermanentRedirect", TerminalError, "another region"),
    (501, "NotImplemented", TerminalError, "conditional put"),
    (503, "SlowDown", UnavailableError, "slow down"),
    (500, "InternalError", UnavailableError, "busy or not well"),
    (429, "TooManyRequests", UnavailableError, "busy or not well"),
    (400, "KeyTooLongError", TerminalError, "words of the store"),
]


@pytest.mark.parametrize(("status", "code", "kind", "words"), REFUSALS)
def test_a_refusal_is_told_in_words_and_tried_again_only_where_that_helps(
    store: Store, faults: Faults, status: int, code: str, kind: type[PinflowError], words: str
) -> None:
    faults.fault = refusing(status, code, "<Region>eu-north-1</Region><AWSAccessKeyId>AKIAX</AWSAccessKeyId>")
    error = told(lambda: store.put_if_absent("x", b""))
    assert isinstance(error, kind)
    assert words in str(error)
    assert "AKIAX" not in str(error)
    assert (code in error.what) or code == "PermanentRedirect"


def test_a_wrong_region_is_told_with_the_right_one_where_the_store_says_it(
    store: Store, faults: Faults
) -> None:
    faults.fault = refusing(400, "AuthorizationHeaderMalformed", "<Region>eu-north-1</Region>")
    assert "?region=eu-north-1" in told(lambda: store.get("x")).hint


@pytest.mark.parametrize(
    ("call", "action"),
    [
        (lambda store: store.put("x", b""), "s3:PutObject"),
        (lambda store: store.put("x", bytes(6 << 20)), "s3:PutObject"),
        (lambda store: store.put_if_absent("x", b""), "s3:PutObject"),
        (lambda store: store.get("x"), "s3:GetObject and s3:ListBucket"),
        (lambda store: store.size("x"), "s3:GetObject"),
        (lambda store: list(store.list("x")), "s3:ListBucket"),
        (lambda store: store.delete("x"), "s3:DeleteObject"),
    ],
)
def test_a_permission_that_is_missing_is_named(
    store: Store, faults: Faults, call: Callable[[Store], object], action: str
) -> None:
    faults.fault = refusing(403, "AccessDenied")
    error = told(lambda: call(store))
    assert type(error) is TerminalError
    assert "access is denied" in error.what
    assert error.hint == f"allow {action} to these credentials"


def test_an_action_that_the_store_names_itself_is_taken() -> None:
    text = (
        "Server returned non-2xx status code: 403 Forbidden: <Error><Code>AccessDenied</Code><Message>User: me is not"
        " authorized to perform: s3:PutObjectTagging on resource</Message></Error> S3"
    )
    assert "allow s3:PutObjectTagging" in translate_error("it failed", "there", text, "").hint


def test_a_table_tells_the_same_through_its_library() -> None:
    text = (
        "Kernel error -> The operation lacked the necessary privileges\n \x1b[31m↳\x1b[0m Error performing GET"
        " http://host/b/tables/pin/_delta_log/_last_checkpoint in 1ms - Server returned non-2xx status code\n"
        "  \x1b[31m↳\x1b[0m 403 Forbidden\n \x1b[31m↳\x1b[0m <Error><Code>AccessDenied</Code></Error>"
    )
    error = translate_error("table 'pin' cannot be opened", "s3://b/tables/pin", OSError(text), "")
    assert type(error) is TerminalError
    assert error.what == "table 'pin' cannot be opened: access is denied (403 AccessDenied)"


def test_a_store_that_never_answers_is_given_up_on_in_bounded_time(bucket: str, faults: Faults) -> None:
    def silent(_request: Request, _forward: Forward) -> Answer:
        done.wait(20)
        raise Dropped

    import threading

    done = threading.Event()
    faults.fault = silent
    store = open_store(f"{moved(bucket, faults.url).partition('&')[0]}&timeout=0.1")
    try:
        error = told(lambda: store.get("x"))
    finally:
        done.set()
    assert isinstance(error, UnavailableError)
    assert "no answer came in time" in error.what
    assert faults.requests <= 5


def test_a_server_that_is_not_there_is_told(bucket: str) -> None:
    from tests.servers.ports import free_port

    store = open_store(moved(bucket, f"http://127.0.0.1:{free_port()}"))
    error = told(lambda: store.get("x"))
    assert isinstance(error, UnavailableError)
    assert "the store cannot be reached" in error.what


@pytest.mark.parametrize("fault", [drop_after, fail_after, drop_before])
def test_a_put_if_absent_whose_answer_is_lost_was_its_own(store: Store, faults: Faults, fault: Fault) -> None:
    faults.fault = once(lambda request: request.method == "PUT", fault)
    assert store.put_if_absent("plan", b"mine")
    assert faults.requests >= 2
    faults.fault = None
    assert not store.put_if_absent("plan", b"mine")


@pytest.mark.parametrize("fault", [drop_after, fail_after])
def test_a_put_if_absent_whose_answer_is_lost_does_not_win_against_another(
    store: Store, faults: Faults, bucket: str, fault: Fault
) -> None:
    open_store(bucket).put_if_absent("plan", b"same")
    faults.fault = once(lambda request: request.method == "PUT", fault)
    assert not store.put_if_absent("plan", b"same")


def test_a_conflict_beside_a_deletion_is_tried_again(store: Store, faults: Faults) -> None:
    faults.fault = once(lambda request: request.method == "PUT", refusing(409, "ConditionalRequestConflict"))
    assert store.put_if_absent("plan", b"mine")
    faults.fault = lambda request, forward: (
        refusing(409, "ConditionalRequestConflict")(request, forward)
        if request.method == "PUT"
        else forward(request)
    )
    assert isinstance(told(lambda: store.put_if_absent("other", b"")), UnavailableError)


def test_an_answer_that_is_cut_short_is_never_taken_for_the_whole(store: Store, faults: Faults) -> None:
    def cut(request: Request, forward: Forward) -> Answer:
        raise Cut(forward(request))

    store.put("x", b"0123456789")
    faults.fault = once(lambda request: request.method == "GET", cut)
    assert store.get("x") == b"0123456789"
    faults.fault = cut
    assert isinstance(told(lambda: store.get("x")), UnavailableError)


def test_a_listing_of_many_pages_is_whole(store: Store, faults: Faults) -> None:
    for number in range(10):
        store.put(f"many/{number}", b"")
    faults.fault = lambda request, forward: forward(
        request._replace(path=request.path.replace("list-type=2", "list-type=2&max-keys=3"))
    )
    before = faults.requests
    assert sorted(store.list("many")) == [f"many/{number}" for number in range(10)]
    assert faults.requests == before + 4


def without_conditions(request: Request, forward: Forward) -> Answer:
    kept = {name: value for name, value in request.headers.items() if name.lower() != "if-none-match"}
    return forward(request._replace(headers=kept))


def test_a_store_that_ignores_conditions_is_found(store: Store, faults: Faults) -> None:
    faults.fault = without_conditions
    with pytest.raises(TerminalError, match="has no conditional put"):
        require_conditions(store)
    assert ["has no conditional put" in each.what for each in store.check()] == [True]
    assert list(store.list("")) == []


def test_the_probe_names_every_permission_that_is_missing(store: Store, faults: Faults) -> None:
    faults.fault = lambda request, forward: (
        refusing(403, "AccessDenied")(request, forward)
        if request.method == "POST" or "list-type" in request.path
        else forward(request)
    )
    hints = {each.hint for each in store.check()}
    assert hints == {"allow s3:ListBucket to these credentials", "allow s3:DeleteObject to these credentials"}


def test_the_probe_finds_a_clock_that_is_wrong(store: Store, faults: Faults) -> None:
    import re

    def tomorrow(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return answer._replace(body=re.sub(rb"<LastModified>\d{4}", b"<LastModified>2099", answer.body))

    faults.fault = tomorrow
    (wrong,) = store.check()
    assert "has a clock that differs" in wrong.what
    assert wrong.hint == "set the clock"
