"""What is reported of the pipeline: status, audit, doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.tasks.defaults import chosen_settings

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.jobs.reports.audit import Audit
    from pinflow.jobs.reports.doctor import Check
    from pinflow.jobs.reports.status import TopicStatus


__all__ = ["audit", "doctor", "status"]


def status(settings: Settings | None = None) -> list[TopicStatus]:
    """How far every topic is: accepted, landed, cleaned, what waits, and which jobs fail."""
    from pinflow.jobs.reports.status import status as report
    from pinflow.jobs.runtime import Runtime

    with Runtime(chosen_settings(settings), read_only=True) as runtime:
        return report(runtime)


def audit(settings: Settings | None = None, *, deep: bool = False) -> Audit:
    """Check that accepted = cleaned + superseded + quarantined + waiting, for every partition.

    With `deep` the rows themselves are counted, and every landed object is read.
    """
    from pinflow.jobs.reports.audit import audit as report
    from pinflow.jobs.runtime import Runtime

    with Runtime(chosen_settings(settings), read_only=True) as runtime:
        return report(runtime, deep=deep)


def doctor(settings: Settings | None = None) -> list[Check]:
    """Look at every configured part by using it, and say of each what to do next."""
    from pinflow.jobs.reports.doctor import run_checks

    return run_checks(chosen_settings(settings))
