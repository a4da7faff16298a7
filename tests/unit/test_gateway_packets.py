"""Where a request ends: by its own bytes alone, whatever they offer, and however they are cut into packets."""

from __future__ import annotations

import asyncio

import pytest
from tests.gateway_client import BOUND_S
from tests.gateway_packets import CASES, Case, exchange, hear, statuses

NAMED = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@NAMED
def test_every_request_is_answered_and_no_body_is_a_request(case: Case) -> None:
    heard = hear(case.sent)
    assert heard.seen == case.seen
    assert statuses(heard.said) == case.statuses, heard.said


@NAMED
def test_packets_do_not_matter(case: Case) -> None:
    sent = case.sent

    async def at_every_boundary() -> None:
        whole = await exchange([sent])
        assert await exchange([sent[at : at + 1] for at in range(len(sent))]) == whole, "bytewise"
        cuts = range(1, len(sent))
        for at, heard in zip(
            cuts, await asyncio.gather(*[exchange([sent[:at], sent[at:]]) for at in cuts]), strict=True
        ):
            assert heard == whole, (sent[:at], sent[at:])

    asyncio.run(asyncio.wait_for(at_every_boundary(), BOUND_S))
