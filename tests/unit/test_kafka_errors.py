"""What librdkafka says, as errors of ours: those of a worker's own trouble end it, the others are waited out."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from pinflow.errors import PinflowError, TerminalError, UnavailableError
from pinflow.log.kafka.errors import translate_error

WRONG = KafkaError(
    KafkaError._AUTHENTICATION, "SASL authentication error: Authentication failed: bad password"
)
CUT = KafkaError(
    KafkaError._AUTHENTICATION,
    "SASL SCRAM-SHA-512 mechanism handshake failed: Local: Broker transport failure: broker's supported mechanisms:"
    " (n/a) (after 1ms in state AUTH_HANDSHAKE)",
)
LATE = KafkaError(KafkaError._TIMED_OUT)


@pytest.mark.parametrize(
    ("error", "heard", "kind"),
    [
        (WRONG, [], TerminalError),
        (LATE, [WRONG], TerminalError),
        (LATE, [CUT, WRONG], TerminalError),
        (CUT, [], UnavailableError),
        (LATE, [CUT], UnavailableError),
        (LATE, [], UnavailableError),
    ],
)
def test_a_connection_that_is_cut_while_it_is_made_is_waited_for(
    error: KafkaError, heard: list[KafkaError], kind: type[PinflowError]
) -> None:
    assert type(translate_error(error, "the log cannot be read", "here", heard)) is kind
