"""The log on Amazon Kinesis: a topic is a stream, a partition is a shard.

| module | what it holds |
|---|---|
| `url` | what a URL says |
| `client`, `errors` | calls, and Kinesis' errors as ours |
| `streams`, `ttl_cache` | what is known of streams, for a few seconds |
| `topics` | listing, creating, deleting streams |
| `records`, `requests`, `put` | records on their way, packed into requests, put in order |
| `read` | reading shards |
| `positions` | positions as text |
| `pacing` | rates |
| `check` | what `doctor` finds |
"""
