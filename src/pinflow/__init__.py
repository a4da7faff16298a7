"""The whole pipeline of a Pinterest-style post in one package: HTTP, log, lake, one set of SQL rules, answers, audit.

The verbs of the command line are functions, and return what the command prints with `--json`
(`docs/python.md` has them all):

    import pinflow

    pinflow.demo(posts=1000)                    # the whole pipeline once, on synthetic posts
    pinflow.land()                              # what waits in the log, to the landing zone
    pinflow.batch()                             # what has landed, to the tables pin, geo and user
    pinflow.query("top_category_by_country")    # a list of rows; pandas.DataFrame(...) takes it
    pinflow.audit().ok                          # whether everything adds up

Those that need a home take `settings`; without them they take those that the command would load here: the home folder
`.pinflow`, its `pinflow.toml`, the environment. `pinflow.settings(home, overrides={"land.flush_seconds": 1})` makes
others.

What can be expected to fail raises a `PinflowError`, with what happened, where, and what to do next. Importing the
package is quick: each part is imported when it is first used.
"""

TYPE_CHECKING = False  # nothing may be imported here: see `pinflow.__main__`
if TYPE_CHECKING:
    from pinflow.ask.result import QueryResult
    from pinflow.config import Settings, settings
    from pinflow.emulator import EmulatorReport
    from pinflow.errors import (
        AbsentError,
        ChangedTableError,
        ConfigError,
        CorruptError,
        DialectError,
        FencedError,
        GapError,
        HeldError,
        LimitError,
        MissingExtraError,
        OverloadedError,
        PinflowError,
        RecordError,
        RepeatedError,
        StationError,
        TerminalError,
        TooLargeError,
        TopicExistsError,
        TransientError,
        UnavailableError,
        UnknownPartitionError,
        UnknownTopicError,
        UnsupportedRecordError,
        UsageError,
    )
    from pinflow.jobs.maintain.maintain import Maintained
    from pinflow.jobs.replay.abandon import Abandoned
    from pinflow.jobs.replay.quarantine import Retried
    from pinflow.jobs.replay.replay import Replayed
    from pinflow.jobs.reports.audit import Audit
    from pinflow.jobs.reports.doctor import Check
    from pinflow.jobs.reports.status import TopicStatus
    from pinflow.source import SourceSummary
    from pinflow.stations.demo import DemoReport, demo
    from pinflow.tasks import (
        JobResult,
        SourceResult,
        abandon_replay,
        adopt,
        audit,
        batch,
        create_source,
        create_topic,
        delete_topic,
        doctor,
        emulate,
        land,
        list_topics,
        load_source,
        maintain,
        query,
        query_all,
        questions,
        replay,
        retry_quarantine,
        show_source,
        status,
        stream,
    )

__all__ = [
    "Abandoned",
    "AbsentError",
    "Audit",
    "ChangedTableError",
    "Check",
    "ConfigError",
    "CorruptError",
    "DemoReport",
    "DialectError",
    "EmulatorReport",
    "FencedError",
    "GapError",
    "HeldError",
    "JobResult",
    "LimitError",
    "Maintained",
    "MissingExtraError",
    "OverloadedError",
    "PinflowError",
    "QueryResult",
    "RecordError",
    "RepeatedError",
    "Replayed",
    "Retried",
    "Settings",
    "SourceResult",
    "SourceSummary",
    "StationError",
    "TerminalError",
    "TooLargeError",
    "TopicExistsError",
    "TopicStatus",
    "TransientError",
    "UnavailableError",
    "UnknownPartitionError",
    "UnknownTopicError",
    "UnsupportedRecordError",
    "UsageError",
    "__version__",
    "abandon_replay",
    "adopt",
    "audit",
    "batch",
    "create_source",
    "create_topic",
    "delete_topic",
    "demo",
    "doctor",
    "emulate",
    "land",
    "list_topics",
    "load_source",
    "maintain",
    "query",
    "query_all",
    "questions",
    "replay",
    "retry_quarantine",
    "settings",
    "show_source",
    "status",
    "stream",
]

__version__ = "0.1.0"

_MODULES = {
    "Abandoned": "pinflow.jobs.replay.abandon",
    "Audit": "pinflow.jobs.reports.audit",
    "Check": "pinflow.jobs.reports.doctor",
    "DemoReport": "pinflow.stations.demo",
    "EmulatorReport": "pinflow.emulator",
    "Maintained": "pinflow.jobs.maintain.maintain",
    "QueryResult": "pinflow.ask.result",
    "Replayed": "pinflow.jobs.replay.replay",
    "Retried": "pinflow.jobs.replay.quarantine",
    "Settings": "pinflow.config",
    "SourceSummary": "pinflow.source",
    "TopicStatus": "pinflow.jobs.reports.status",
    "demo": "pinflow.stations.demo",
    "settings": "pinflow.config",
}
"""Where a name comes from. Error types come from `pinflow.errors`, all others from `pinflow.tasks`."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - see above

        module = "pinflow.errors" if name.endswith("Error") else _MODULES.get(name, "pinflow.tasks")
        value = globals()[name] = getattr(import_module(module), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
