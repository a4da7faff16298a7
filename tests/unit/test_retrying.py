"""Waits between attempts: how they grow, when they end, and what interrupts them. Nothing here waits."""

from __future__ import annotations

from threading import Event

from pinflow.retrying import Attempts, Backoff

DOUBLING = Backoff(first=0.5, most=3.0)


class FakeTime:
    """A clock that only pauses move; after `interrupted_after` pauses each says that it was interrupted."""

    def __init__(self, interrupted_after: int = 1_000) -> None:
        self.now = 100.0
        self.pauses: list[float] = []
        self._interrupted_after = interrupted_after

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        self.pauses.append(seconds)
        return len(self.pauses) > self._interrupted_after


def attempts_of(backoff: Backoff, fake: FakeTime, within: float | None = None) -> Attempts:
    return Attempts(backoff, within=within, clock=fake.clock, pause=fake.pause)


def test_waits_grow_by_the_factor_up_to_the_longest() -> None:
    assert [DOUBLING.wait(failures) for failures in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert [Backoff(1.0, 200.0, factor=10).wait(failures) for failures in range(4)] == [1, 10, 100, 200]
    assert {Backoff(0.2, 0.2, factor=1).wait(failures) for failures in range(9)} == {0.2}
    assert DOUBLING.wait(1_000_000) == 3.0


def test_a_drawn_wait_is_within_its_jitter() -> None:
    backoff = Backoff(first=1.0, most=8.0, jitter=(0.5, 1.5))
    drawn = {backoff.wait(2) for _ in range(200)}
    assert len(drawn) > 1
    assert all(2.0 <= seconds <= 6.0 for seconds in drawn)


def test_attempts_wait_longer_after_every_failure_and_start_over_when_asked() -> None:
    fake = FakeTime()
    attempts = attempts_of(DOUBLING, fake)
    assert [attempts.wait() for _ in range(3)] == [False, False, False]
    assert attempts.failures == 3
    attempts.start_over()
    attempts.wait()
    assert fake.pauses == [0.5, 1.0, 2.0, 0.5]
    assert not attempts.late
    assert not attempts.over


def test_attempts_are_late_before_a_wait_that_would_pass_the_bound_and_over_after_it() -> None:
    fake = FakeTime()
    attempts = attempts_of(DOUBLING, fake, within=3.0)
    for _ in range(2):
        assert not attempts.late
        attempts.wait()
    assert fake.now == 101.5
    assert attempts.late  # the next wait is 2 s long, and 1.5 s are left
    assert not attempts.over
    attempts.wait()
    assert attempts.over


def test_starting_over_leaves_the_bound_where_it_is() -> None:
    fake = FakeTime()
    attempts = attempts_of(DOUBLING, fake, within=1.0)
    attempts.wait()
    attempts.start_over()
    fake.now += 1.0
    assert attempts.over


def test_an_interrupted_pause_is_reported() -> None:
    fake = FakeTime(interrupted_after=1)
    attempts = attempts_of(DOUBLING, fake)
    assert [attempts.wait(), attempts.wait()] == [False, True]
    stop = Event()
    stop.set()
    assert Attempts(Backoff(first=3600.0, most=3600.0), pause=stop.wait).wait()
