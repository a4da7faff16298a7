"""What a store's error means: whether to try again, and what its user can do about it.

Both libraries, obstore and deltalake, raise an error of S3 with a text that holds status and body of the answer.
The codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; other stores use the same.
A text that is not known is shown by its beginning. It holds no secret: requests are signed in a header.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pinflow.errors import AbsentError, PinflowError, TerminalError, UnavailableError

__all__ = ["no_bucket", "translate_error"]

LONGEST = 300
"""Characters of an error that is not known."""


class StoreMeaning(NamedTuple):
    """What a code of S3 means."""

    kind: type[PinflowError]
    what: str
    hint: str = ""


_UNKNOWN_KEYS = StoreMeaning(
    TerminalError,
    "the store does not know these credentials",
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; aws sts get-caller-identity shows whose they are",
)
_EXPIRED = StoreMeaning(
    UnavailableError,
    "the credentials have expired",
    "log in again, for example by aws sso login; then try again",
)
_ELSEWHERE = StoreMeaning(
    TerminalError, "the bucket is in another region", "name the bucket's region in lake.url: ?region=…"
)
_BUSY = StoreMeaning(UnavailableError, "the store is busy or not well")

MEANINGS = {
    "NoSuchBucket": StoreMeaning(
        AbsentError, "there is no such bucket", "make the bucket, or name another one in lake.url"
    ),
    "AccessDenied": StoreMeaning(TerminalError, "access is denied", "allow {action} to these credentials"),
    "InvalidAccessKeyId": _UNKNOWN_KEYS,
    "SignatureDoesNotMatch": _UNKNOWN_KEYS,
    "InvalidToken": _UNKNOWN_KEYS,
    "ExpiredToken": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestTimeTooSkewed": StoreMeaning(
        TerminalError, "the clock of this machine is wrong by more than a quarter of an hour", "set the clock"
    ),
    "PermanentRedirect": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "IllegalLocationConstraintException": _ELSEWHERE,
    "NotImplemented": StoreMeaning(
        TerminalError,
        "the store does not implement what was asked",
        "use a store with conditional put (If-None-Match: *)",
    ),
    "SlowDown": StoreMeaning(UnavailableError, "the store asks to slow down"),
    "RequestTimeout": _BUSY,
    "OperationAborted": _BUSY,
    "ConditionalRequestConflict": _BUSY,
}

PASSING = {"408", "409", "429"}
"""Statuses below 500 after which trying again may help."""

ACTIONS = {
    "PUT": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
    "POST": "s3:DeleteObject",
    "HEAD": "s3:GetObject",
}
"""What a request needs, by its method; a POST is a deletion, or part of a large upload."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STATUS = re.compile(r"non-2xx status code\W*(\d{3})")
_REQUEST = re.compile(r"Error performing (GET|HEAD|PUT|POST|DELETE) (\S+)")


def translate_error(what: str, where: str, error: object, hint: str) -> PinflowError:
    """The error of ours: `what` failed, and why; an `UnavailableError` if trying again may help."""
    text = _plain(error)
    meaning = _meaning(text)
    return meaning.kind(f"{what}: {meaning.what}", where=where, hint=meaning.hint or hint)


def no_bucket(error: object) -> bool:
    """Whether something is not there because the whole bucket is not."""
    return _read_tag("Code", str(error)) == "NoSuchBucket"


def _plain(error: object) -> str:
    text = _COLOUR.sub("", str(error)).replace("↳", " ")
    return text if "S3" in text or "non-2xx" in text else text.strip().split("\n", 1)[0]


def _meaning(text: str) -> StoreMeaning:
    code, status = _read_tag("Code", text), _STATUS.search(text)
    if code or status:
        return _read_answer(code, status[1] if status else "", text)
    if "redirect without LOCATION" in text:
        return _ELSEWHERE
    if "Could not parse path" in text:
        return StoreMeaning(
            TerminalError,
            "the lake cannot store an object of this name",
            "rename the topic; pinflow status names the job",
        )
    if "File name too long" in text:  # ENAMETOOLONG
        return StoreMeaning(
            TerminalError, "the name is too long", "use a shorter name; pinflow status names the job"
        )
    if "Error performing" in text:
        late = "timed out" in text or "Timeout" in text
        return StoreMeaning(
            UnavailableError, "no answer came in time" if late else "the store cannot be reached"
        )
    return StoreMeaning(UnavailableError, " ".join(text.split())[:LONGEST])


def _read_answer(code: str, status: str, text: str) -> StoreMeaning:
    """What an answer of the store means."""
    known = MEANINGS.get(code) or (MEANINGS["AccessDenied"] if status == "403" else None)
    if known is None:
        passing = not status.startswith("4") or status in PASSING
        known = (
            _BUSY
            if passing
            else StoreMeaning(TerminalError, _read_tag("Message", text) or "the store refuses")
        )
    region = _read_tag("Region", text)
    hint = known.hint.format(action=_action(text)).replace("…", region or "…")
    named = " ".join(filter(None, (status, code)))
    return StoreMeaning(known.kind, f"{known.what} ({named})", hint)


def _action(text: str) -> str:
    """The permission that the refused request needs, as the store says it, or else by the request."""
    named = re.search(r"perform: (s3:\w+)", text)
    if named:
        return named[1]
    request = _REQUEST.search(text)
    if request is None:
        return "it"
    method, url = request.groups()
    if method == "GET":
        return "s3:ListBucket" if "list-type=2" in url else "s3:GetObject and s3:ListBucket"
    return "s3:PutObject" if method == "POST" and "upload" in url else ACTIONS[method]


def _read_tag(name: str, text: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1].strip() if found else ""
