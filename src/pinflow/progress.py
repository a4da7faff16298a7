"""How long work reports its progress: three methods, filled in by whoever watches."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Someone who watches. Called from one thread at a time; none of the methods blocks or raises."""

    def start(self, total: int | None, what: str) -> None:
        """Begin: `total` units of `what` (a plural, as in "posts"), None when there is no end."""

    def advance(self, n: int) -> None:
        """Add `n` units more as done."""

    def stop(self) -> None:
        """End, done or not. Safe to repeat."""


class Silent:
    """Nobody watches."""

    def start(self, total: int | None, what: str) -> None:
        """Do nothing."""

    def advance(self, n: int) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""
