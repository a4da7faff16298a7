"""The emulator: draws posts from the source and sends the three records of each through the gateway."""

from pinflow.emulator.emulation import emulate
from pinflow.emulator.report import Report, TopicReport

__all__ = ["Report", "TopicReport", "emulate"]
