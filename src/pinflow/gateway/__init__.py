"""The HTTP door: two wire dialects, Kafka REST v2 and Kinesis, on one durable log.

A request that posts travels: `app` (whose path is it) → `produce` → `body` (bytes, capped) → `kafka_rest` or
`kinesis_rest` (records as columns) → `topics` (how many) → `partitioning` (which) → `committer`
(durable) → `answer`. Every other request goes to `pages`.
"""

from pinflow.gateway.app import create_app
from pinflow.gateway.http.server import serve

__all__ = ["create_app", "serve"]
