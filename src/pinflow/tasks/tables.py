"""Upkeep of the tables, and what replays do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pinflow.errors import UsageError
from pinflow.tasks.defaults import chosen_settings

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.jobs.maintain.maintain import Maintained
    from pinflow.jobs.pipelines import Side
    from pinflow.jobs.replay.abandon import Abandoned
    from pinflow.jobs.replay.quarantine import Retried
    from pinflow.jobs.replay.replay import Replayed
    from pinflow.steps.observer import Observer


__all__ = ["abandon_replay", "maintain", "replay", "retry_quarantine"]


def maintain(
    settings: Settings | None = None, *, dry_run: bool = False, observer: Observer | None = None
) -> Maintained:
    """Keep log, tables and plans small, once. Safe beside running jobs and readers, and to be killed at any time.

    With `dry_run` nothing changes, and the log is not looked at. The steps that remove superseded rows are reported to
    the observer.
    """
    from pinflow.jobs.maintain.maintain import maintain as keep
    from pinflow.jobs.runtime import Runtime

    with Runtime(chosen_settings(settings), read_only=dry_run) as runtime:
        return keep(runtime, dry_run=dry_run, observer=observer)


def replay(
    side: Side,
    dataset: str | None = None,
    settings: Settings | None = None,
    *,
    origin: Literal["landing", "log"] = "landing",
    dry_run: bool = False,
) -> list[Replayed]:
    """Rebuild the tables of a side, or of one dataset, by the rules of today, and swap them in.

    Args:
        side: The tables of which side.
        dataset: pin, geo or user; all three by default.
        settings: The configuration; by default what `pinflow.settings()` returns.
        origin: Where the records are read from.
        dry_run: Build and compare only, and swap nothing.

    Raises:
        AbsentError: The side's job has committed nothing yet.
        GapError: Some records are not there to be read again.
        FencedError: Another replay of the same table is under way.
    """
    if origin not in ("landing", "log"):
        raise UsageError(f"records cannot be read from {origin!r}", where="origin", hint="use landing or log")
    from pinflow.jobs.replay.coverage import cleaned_pipelines
    from pinflow.jobs.replay.replay import replay as rebuild
    from pinflow.jobs.runtime import Runtime

    with Runtime(chosen_settings(settings)) as runtime:
        chosen = cleaned_pipelines(runtime.tables, side, runtime.config.id, dataset)
        return [rebuild(runtime, each, origin=origin, dry_run=dry_run) for each in chosen]


def retry_quarantine(
    side: Side, dataset: str | None = None, settings: Settings | None = None, *, dry_run: bool = False
) -> list[Retried]:
    """Try rejected records again by the rules of today, and move those that are clean now to the clean table.

    Raises:
        AbsentError: The side's job has committed nothing yet.
        FencedError: A worker moved at the same time; try again.
    """
    from pinflow.jobs.replay.coverage import cleaned_pipelines
    from pinflow.jobs.replay.quarantine import retry_quarantine as retry
    from pinflow.jobs.runtime import Runtime

    with Runtime(chosen_settings(settings)) as runtime:
        chosen = cleaned_pipelines(runtime.tables, side, runtime.config.id, dataset)
        return [retry(runtime, each, dry_run=dry_run) for each in chosen]


def abandon_replay(
    side: Side, dataset: str | None = None, settings: Settings | None = None
) -> list[Abandoned]:
    """Give up replays that were begun and hold the side's jobs; the tables stay what they are.

    Raises:
        AbsentError: The side's job has committed nothing yet.
        FencedError: The replay goes on at this moment, and has swapped its tables in.
    """
    from pinflow.jobs.replay.abandon import abandon
    from pinflow.jobs.replay.coverage import cleaned_pipelines
    from pinflow.jobs.runtime import Runtime

    with Runtime(chosen_settings(settings)) as runtime:
        chosen = cleaned_pipelines(runtime.tables, side, runtime.config.id, dataset)
        return [abandon(runtime, each) for each in chosen]
