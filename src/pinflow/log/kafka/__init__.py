"""The log on Apache Kafka, and on what speaks its protocol, such as Amazon MSK: `kafka://host:9092,host2:9092?…`.

| module | what it holds |
|---|---|
| `url` | what a URL says |
| `clients` | librdkafka's clients, their limits, the errors that they report by themselves |
| `errors` | Kafka's errors as ours |
| `topics` | listing, creating, deleting topics |
| `watermarks` | where partitions begin and end |
| `positions` | positions as text |
| `append`, `delivery` | the producer |
| `reader`, `consumer_pool` | the consumers |
| `groups` | the lag for Kafka's own tools |
| `trim` | deleting the oldest records |
| `check` | what `doctor` finds |
"""
