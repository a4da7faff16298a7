"""Engines: one text of SQL, run by whichever engine is configured."""

from pinflow.engine.base import (
    LONGEST_SAMPLE,
    MOST_SAMPLES,
    Cleaned,
    Engine,
    RecordPlace,
    Result,
    Session,
    View,
    open_engine,
)

__all__ = [
    "LONGEST_SAMPLE",
    "MOST_SAMPLES",
    "Cleaned",
    "Engine",
    "RecordPlace",
    "Result",
    "Session",
    "View",
    "open_engine",
]
