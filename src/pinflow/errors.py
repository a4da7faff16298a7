"""Every expected failure of pinflow.

The tree:

    PinflowError
    ├── TransientError              trying again later may help; jobs retry these
    │   ├── UnavailableError        a part cannot be reached or is locked just now
    │   └── OverloadedError         a bounded queue is full
    └── TerminalError               trying again changes nothing
        ├── UsageError              the caller asked for something that makes no sense (exit code 2)
        │   ├── ConfigError         a setting is unknown or not valid
        │   └── DialectError        SQL uses what the dialect layer does not support
        ├── MissingExtraError       an optional part is not installed
        ├── AbsentError             a part has not been made yet
        ├── LimitError              a bound of the configuration was reached
        ├── StationError            a process of `up` or `demo` ended or did not start
        ├── FencedError             another worker holds the job
        │   └── HeldError           a command that has not ended holds the job
        ├── ChangedTableError       another program has changed a table so that pinflow cannot go on with it
        ├── CorruptError            stored bytes are not what was written
        ├── GapError                records that should be there are not
        ├── RecordError             a rule fails at a record's value
        ├── UnknownTopicError       there is no such topic
        ├── UnknownPartitionError   there is no such partition of a topic
        ├── TopicExistsError        a topic of this name is there already
        ├── TooLargeError           a record is larger than the log takes
        ├── UnsupportedRecordError  the log cannot keep a record as it is
        └── RepeatedError           a request that is to be appended once was appended before

An error says *what* happened, *where*, and the *next* step, which is the command or the setting that mends it. Every
error but `PinflowError` itself is either transient or terminal, by its type. Anything that is not a `PinflowError` is a
bug. Only the command catches it: `pinflow.cli.unexpected` reports it.
"""

from __future__ import annotations

__all__ = [
    "AbsentError",
    "ChangedTableError",
    "ConfigError",
    "CorruptError",
    "DialectError",
    "FencedError",
    "GapError",
    "HeldError",
    "LimitError",
    "MissingExtraError",
    "OverloadedError",
    "PinflowError",
    "RecordError",
    "RepeatedError",
    "StationError",
    "TerminalError",
    "TooLargeError",
    "TopicExistsError",
    "TransientError",
    "UnavailableError",
    "UnknownPartitionError",
    "UnknownTopicError",
    "UnsupportedRecordError",
    "UsageError",
]


class PinflowError(Exception):
    """An expected failure.

    Args:
        what: One sentence on what happened.
        where: The file, URL, topic or setting it happened at.
        hint: The next step, best a command.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self.what, self.where, self.hint)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  next:  {self.hint}")
        return "\n".join(lines)


def _again(kind: type[PinflowError], what: str, where: str, hint: str) -> PinflowError:
    """The error again, on the other side of a process border."""
    error = kind.__new__(kind, what)
    PinflowError.__init__(error, what, where=where, hint=hint)
    return error


class TransientError(PinflowError):
    """Trying again later may help."""


class UnavailableError(TransientError):
    """A part cannot be reached, or is locked, just now."""


class OverloadedError(TransientError):
    """A bounded queue is full."""


class TerminalError(PinflowError):
    """Trying again changes nothing."""


class UsageError(TerminalError):
    """The caller asked for something that makes no sense."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown or its value is not valid."""


class DialectError(UsageError):
    """SQL uses a construct that the dialect layer does not translate for the engine."""


class MissingExtraError(TerminalError):
    """An optional part is not installed."""

    def __init__(self, part: str, extra: str) -> None:
        super().__init__(
            f"{part} needs packages that are not installed",
            where=f"extra [{extra}]",
            hint=f"pip install 'pinflow[{extra}]'",
        )


class AbsentError(TerminalError):
    """A part has not been made yet."""


class LimitError(TerminalError):
    """A bound of the configuration was reached, such as the memory or the seconds of a query."""


class StationError(TerminalError):
    """A process that `up` or `demo` runs ended by itself, did not start, or is stuck."""


class FencedError(TerminalError):
    """Another worker holds the job."""


class HeldError(FencedError):
    """A command that has not ended holds the job, and no worker can do its step."""


class ChangedTableError(TerminalError):
    """Another program has changed a table so that pinflow cannot go on with it."""


class CorruptError(TerminalError):
    """Stored bytes are not what was written."""


class GapError(TerminalError):
    """Records that should be there are not."""


class RecordError(TerminalError):
    """A rule fails at the value of a record, instead of rejecting it; without that record it would not."""


class UnknownTopicError(TerminalError):
    """There is no topic of this name."""


class UnknownPartitionError(TerminalError):
    """The topic has no partition of this number."""


class TopicExistsError(TerminalError):
    """A topic of this name is there already."""


class TooLargeError(TerminalError):
    """A record is larger than the log takes."""


class UnsupportedRecordError(TerminalError):
    """The log cannot keep a record as it is, such as one without a value."""


class RepeatedError(TerminalError):
    """A request that is to be appended once was appended before; the log kept what answers it."""
