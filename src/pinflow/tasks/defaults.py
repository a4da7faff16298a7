"""What a verb does without what was not given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.config import settings
from pinflow.progress import Silent

if TYPE_CHECKING:
    from pinflow.config import Settings

__all__ = ["SILENT", "chosen_settings"]

SILENT = Silent()


def chosen_settings(given: Settings | None) -> Settings:
    """The settings that were given, else those that a command would load."""
    return settings() if given is None else given
