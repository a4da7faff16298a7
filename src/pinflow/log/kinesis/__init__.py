"""The log on Amazon Kinesis: a topic is a stream, a partition is a shard.

The parts, each in a module of its own beside this one: the URL (`url`), calls (`client`,
`errors`), what is known of streams (`streams`), records on their way (`records`), putting them
in order (`put`), reading shards (`read`), positions (`place`), rates (`pacing`), and
what `doctor` asks (`examine`).
"""
