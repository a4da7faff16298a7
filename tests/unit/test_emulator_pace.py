from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import pytest

from pinflow.emulator.pace import Drawn, Steady, SystemClock, Unpaced
from pinflow.source import Post

if TYPE_CHECKING:
    from pinflow.emulator.draw import Supply


class FakeClock:
    """Time passes only by waiting, and by `tick` at every look."""

    def __init__(self, tick: float = 0.0) -> None:
        self.time = 1_000.0
        self.tick = tick
        self.waits: list[float] = []

    def now(self) -> float:
        self.time += self.tick
        return self.time

    def wait(self, seconds: float, stop: Event) -> None:
        assert seconds >= 0
        self.waits.append(seconds)
        if not stop.is_set():
            self.time += seconds


class FakeSupply:
    def __init__(self, posts: int) -> None:
        self.left = [(number % 2, Post(number, b"{}", b"{}", b"{}")) for number in range(posts)]

    def take(self, count: int) -> list[tuple[int, Post]]:
        taken, self.left = self.left[:count], self.left[count:]
        return taken


def supply_of(posts: int) -> Supply:
    return FakeSupply(posts)  # type: ignore[return-value]


@pytest.mark.parametrize("rate", [0.5, 3.0, 50.0])
def test_a_steady_pace_sends_post_n_at_n_over_rate_without_drift(rate: float) -> None:
    clock, supply, stop = FakeClock(tick=0.000_1), supply_of(200), Event()
    pace = Steady(rate, 100, clock)
    sent = 0
    start = clock.time
    while posts := pace.next(supply, stop):
        for post in posts:
            assert post.number / rate <= clock.time - start + 1e-6
        sent += len(posts)
        assert clock.time - start < sent / rate + 0.01
    assert sent == 200


def test_a_steady_pace_makes_up_for_a_delay_but_never_sends_more_than_a_batch_at_once() -> None:
    clock, supply, stop = FakeClock(), supply_of(100), Event()
    pace = Steady(10.0, 20, clock)
    assert len(pace.next(supply, stop)) == 1
    clock.time += 3.0
    assert [len(pace.next(supply, stop)) for _ in range(3)] == [20, 10, 1]


def test_a_stop_during_the_wait_takes_no_post() -> None:
    class Stopping(FakeClock):
        def wait(self, seconds: float, stop: Event) -> None:
            stop.set()
            super().wait(seconds, stop)

    for pace in (Steady(1.0, 10, Stopping()), Drawn(Stopping())):
        supply, stop = supply_of(5), Event()
        pace.next(supply, stop)
        assert pace.next(supply, stop) == []


def test_the_traditional_pace_waits_the_drawn_pause_before_every_post() -> None:
    clock, supply, stop = FakeClock(), supply_of(4), Event()
    pace = Drawn(clock)
    numbers = [post.number for _ in range(5) for post in pace.next(supply, stop)]
    assert numbers == [0, 1, 2, 3]
    assert clock.waits == [0, 1, 0, 1]


def test_without_a_pace_batches_come_at_once_and_end_at_a_stop() -> None:
    supply, stop = supply_of(25), Event()
    pace = Unpaced(10)
    assert [len(pace.next(supply, stop)) for _ in range(2)] == [10, 10]
    stop.set()
    assert pace.next(supply, stop) == []


def test_the_clock_of_the_machine_runs_forward_and_wakes_at_a_stop() -> None:
    clock, stop = SystemClock(), Event()
    before = clock.now()
    stop.set()
    clock.wait(3_600.0, stop)
    assert clock.now() >= before
