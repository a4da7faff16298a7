"""The emulator: draws posts from the source and sends the three records of each through the gateway."""

from pinflow.emulator.report import EmulatorReport, TopicReport
from pinflow.emulator.run import emulate

__all__ = ["EmulatorReport", "TopicReport", "emulate"]
