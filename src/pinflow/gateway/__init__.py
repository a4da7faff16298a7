"""The HTTP gateway: two wire dialects, Kafka REST v2 and Kinesis, on one durable log.

`route` says what a request asks for. Every request passes `auth.checkpoint` (has it a key?) and `negotiation` (which
content type?). One that posts is served by `produce`: `http.body` (bytes, capped) → the dialect (records as columns) →
`topics` (how many partitions) → `partitioning` (which one) → `committer` (durable) → `reply`. Every other request goes
to `pages`.
"""

from pinflow.gateway.app import create_app
from pinflow.gateway.http.server import serve

__all__ = ["create_app", "serve"]
