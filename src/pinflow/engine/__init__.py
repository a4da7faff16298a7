"""Engines: one text of SQL, run by whichever engine is configured."""

from pinflow.engine.base import Cleaned, Engine, RecordPlace, Result, Session, View, open_engine

__all__ = ["Cleaned", "Engine", "RecordPlace", "Result", "Session", "View", "open_engine"]
