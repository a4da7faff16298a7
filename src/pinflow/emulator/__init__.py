"""The emulator: draws posts from the source and sends the three records of each through the gateway."""

from pinflow.emulator.emulation import emulate
from pinflow.emulator.report import EmulatorReport, TopicReport

__all__ = ["EmulatorReport", "TopicReport", "emulate"]
