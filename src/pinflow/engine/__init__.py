"""Engines: one text of SQL, run by whichever engine is configured."""

from pinflow.engine.protocol import (
    LONGEST_SAMPLE,
    MOST_SAMPLES,
    Cleaned,
    Engine,
    Input,
    Outcome,
    RecordId,
    RecordsInMemory,
    Result,
    Session,
    View,
    as_int,
)
from pinflow.engine.registry import open_engine, open_tables

__all__ = [
    "LONGEST_SAMPLE",
    "MOST_SAMPLES",
    "Cleaned",
    "Engine",
    "Input",
    "Outcome",
    "RecordId",
    "RecordsInMemory",
    "Result",
    "Session",
    "View",
    "as_int",
    "open_engine",
    "open_tables",
]
