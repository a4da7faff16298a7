"""land --adopt: a sink's landing zone becomes part of the lake, whole or not at all, once however often it is done."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import children
from tests.contract.lakes import LAKES
from tests.pipeline import drain, post, rows, select
from tests.pipeline import topic as topic_of
from tests.zone import sink_path, write_zone

from pinflow.config import Land, Settings, load
from pinflow.errors import AbsentError, CorruptError, FencedError, GapError, UsageError
from pinflow.jobs.land.adopt import adopt_jobs
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Runtime
from pinflow.lake import Store, open_store
from pinflow.lake.landing import connect_zone as sink
from pinflow.steps import Steps
from pinflow.steps.worker import run as work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USERS = topic_of("batch", "user")
KILLED = -signal.SIGKILL


@pytest.fixture(params=sorted(LAKES))
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A lake in which objects are small, so that a few records take several steps."""
    settings = load(tmp_path / "home", env={"PINFLOW__LAKE__URL": LAKES[request.param](request)})
    config = msgspec.structs.replace(settings.config, land=Land(flush_records=4))
    return msgspec.structs.replace(settings, config=config)


@pytest.fixture
def disk(tmp_path: Path) -> Settings:
    """The same on disk, for what is the same everywhere."""
    return load(tmp_path / "home", env={})


def parts_of(settings: Settings) -> Iterator[Runtime]:
    with Runtime(settings) as runtime:
        yield runtime


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    yield from parts_of(settings)


@pytest.fixture
def here(disk: Settings) -> Iterator[Runtime]:
    yield from parts_of(disk)


def values(*inds: int) -> list[bytes]:
    return [value or b"" for value in rows(*({"ind": ind} for ind in inds))]


def adopt(runtime: Runtime, prefix: str = "topics/", *, accept_gaps: bool = False) -> int:
    jobs = adopt_jobs(runtime, prefix, accept_gaps=accept_gaps)
    return work(runtime.store, lambda: jobs, stop=threading.Event(), poll_seconds=0, drain=True)


def adopting(settings: Settings, prefix: str = "topics/") -> None:
    """The body of a child."""
    with Runtime(settings) as runtime:
        adopt(runtime, prefix)


def landed(runtime: Runtime, topic: str = USERS) -> list[tuple[int, int, bytes | None]]:
    chunks = runtime.landing.read_all(runtime.landing.objects(topic))
    return [
        (chunk.partition, offset, value)
        for chunk in chunks
        for offset, value in zip(chunk.offsets, chunk.records.values, strict=True)
    ]


def untouched(runtime: Runtime) -> bool:
    return not runtime.landing.manifest.exists() and not runtime.store.holds_any("plans/land")


def test_a_zone_is_adopted_byte_for_byte_with_its_offsets(runtime: Runtime) -> None:
    odd = [b'{"ind": 1 }', b"null", b"", b'{"a":"\xc3\xa9"}\r', b"\xff", b"[1]"]
    write_zone(runtime.store, USERS, 0, odd)
    write_zone(runtime.store, USERS, 3, values(*range(10)), first=500, flush=3)
    write_zone(runtime.store, "other+topic", 0, [b"x"])
    before = sorted(runtime.store.list("topics"))
    now = time.time() * 1000
    assert adopt(runtime) == 17
    assert landed(runtime) == [
        *((0, offset, value) for offset, value in enumerate(odd)),
        *((3, 500 + index, value) for index, value in enumerate(values(*range(10)))),
    ]
    assert landed(runtime, "other+topic") == [(0, 0, b"x")]
    assert sorted(runtime.store.list("topics")) == before
    stamps = runtime.landing.read(runtime.landing.objects(USERS)[0]).timestamps
    assert all(abs(stamp - now * 1000) < 60_000_000 for stamp in stamps)


def test_many_files_become_few_objects_and_steps(runtime: Runtime) -> None:
    write_zone(runtime.store, USERS, 0, values(*range(9)))
    adopt(runtime)
    objects = runtime.landing.objects(USERS)
    assert [(each.first, each.next, each.records) for each in objects] == [
        ("0", "4", 4),
        ("4", "8", 4),
        ("8", "9", 1),
    ]
    assert {each.path.partition("/")[0] for each in objects} == {"adopted"}


def test_batch_reads_it_and_the_audit_adds_up(runtime: Runtime) -> None:
    write_zone(runtime.store, USERS, 0, [*values(1, 2, 1), b"null"])
    write_zone(runtime.store, USERS, 1, values(7, 8), flush=2)
    adopt(runtime)
    drain(runtime, "batch")
    assert select(runtime, "SELECT ind FROM user ORDER BY ind") == [(1,), (2,), (7,), (8,)]
    found = audit(runtime, deep=True)
    assert found.problems == []
    lines = [
        (each.partition, each.accepted, each.cleaned, each.superseded, each.quarantined)
        for each in found.lines
    ]
    assert lines == [(0, 4, 2, 1, 1), (1, 2, 2, 0, 0)]
    (told,) = status(runtime)
    assert (told.accepted, told.landed, told.to_land, told.to_clean) == (6, 6, 0, 0)


def test_done_again_it_takes_only_what_has_come_since(runtime: Runtime) -> None:
    write_zone(runtime.store, USERS, 0, values(1, 2, 3))
    assert adopt(runtime) == 3
    assert adopt(runtime) == 0
    write_zone(runtime.store, USERS, 0, values(4, 5), first=3)
    write_zone(runtime.store, USERS, 1, values(6))
    assert adopt(runtime) == 3
    assert [offset for _, offset, _ in landed(runtime)] == [0, 1, 2, 3, 4, 0]
    assert audit(runtime).problems == []


@pytest.mark.parametrize(
    "point", ["planned", "meta-written", "object-written", "prepared", "receipted", "committed"]
)
@pytest.mark.parametrize("settings", ["disk"], indirect=True)
def test_killed_at_a_point_it_goes_on_where_it_was(settings: Settings, runtime: Runtime, point: str) -> None:
    write_zone(runtime.store, USERS, 0, values(*range(10)))
    write_zone(runtime.store, USERS, 1, values(*range(10, 15)), flush=2)
    assert children.run(adopting, settings, at=f"land.{point}:2") == KILLED
    assert children.run(adopting, settings) == 0
    assert [value for _, _, value in landed(runtime)] == values(*range(15))
    drain(runtime, "batch")
    assert audit(runtime, deep=True).problems == []


@pytest.mark.parametrize("settings", ["s3"], indirect=True)
def test_killed_at_every_point_in_turn_in_a_bucket_it_goes_on(settings: Settings, runtime: Runtime) -> None:
    write_zone(runtime.store, USERS, 0, values(*range(30)), flush=2)
    for point in ("planned", "meta-written", "object-written", "prepared", "receipted", "committed"):
        assert children.run(adopting, settings, at=f"land.{point}") == KILLED
    assert children.run(adopting, settings) == 0
    assert [value for _, _, value in landed(runtime)] == values(*range(30))
    assert audit(runtime, deep=True).problems == []


def test_a_step_of_adoption_is_not_taken_up_by_a_worker_of_the_log(here: Runtime, disk: Settings) -> None:
    write_zone(here.store, USERS, 0, values(1, 2))
    assert children.run(adopting, disk, at="land.planned") == KILLED
    post(here, USERS, rows({"ind": 9}))
    with pytest.raises(FencedError, match="begun by another command") as fenced:
        drain(here, "land")
    assert "pinflow land --adopt topics/" in fenced.value.hint


def test_a_step_of_the_log_is_not_taken_up_by_adoption(here: Runtime, disk: Settings) -> None:
    zone = disk.home / "zone"
    write_zone(open_store(str(zone)), USERS, 0, values(1, 2))
    jobs = adopt_jobs(here, f"{zone}/topics/")
    post(here, USERS, rows({"ind": 9}))
    assert children.run(children.job, disk, "land", at="land.planned") == KILLED
    with pytest.raises(FencedError, match="begun by another command") as fenced:
        Steps(here.store, jobs[0]).advance()
    assert "pinflow land --drain" in fenced.value.hint


def test_a_missing_file_is_named_and_nothing_is_done(here: Runtime) -> None:
    write_zone(here.store, USERS, 0, values(*range(10)))
    write_zone(here.store, USERS, 1, values(1, 2, 3, 4, 5, 6), flush=2)
    for first in (3, 7, 8):
        here.store.delete(sink_path(USERS, 0, first))
    here.store.delete(sink_path(USERS, 1, 2))
    with pytest.raises(GapError) as gap:
        adopt(here)
    for words in ("0: offset 3;", "0: offsets 7 to 8", "1: offsets 2 to 3", "--accept-gaps"):
        assert words in str(gap.value)
    assert untouched(here)


def test_gaps_that_are_accepted_keep_the_offsets_of_what_is_there(here: Runtime) -> None:
    write_zone(here.store, USERS, 0, values(*range(10)))
    for first in (3, 7, 8):
        here.store.delete(sink_path(USERS, 0, first))
    assert adopt(here, accept_gaps=True) == 7
    assert [offset for _, offset, _ in landed(here)] == [0, 1, 2, 4, 5, 6, 9]
    write_zone(here.store, USERS, 0, values(12), first=12)
    with pytest.raises(GapError, match="offsets 10 to 11"):
        adopt(here)
    assert adopt(here, accept_gaps=True) == 1
    drain(here, "batch")
    assert audit(here, deep=True).problems == []
    assert select(here, "SELECT count(*) FROM user") == [(8,)]


def test_files_that_overlap_with_the_same_content_are_taken_once(here: Runtime) -> None:
    write_zone(here.store, USERS, 0, values(0, 1, 2, 3), flush=4)
    write_zone(here.store, USERS, 0, values(2, 3, 4, 5), first=2, flush=4)
    write_zone(here.store, USERS, 0, values(5), first=5)
    write_zone(here.store, USERS, 0, values(6), first=6)
    assert adopt(here) == 7
    assert landed(here) == [(0, offset, value) for offset, value in enumerate(values(*range(7)))]


def test_an_offset_that_is_there_twice_with_other_content_is_named(here: Runtime) -> None:
    write_zone(here.store, USERS, 0, values(0, 1, 2), flush=3)
    write_zone(here.store, USERS, 0, values(77, 2), first=1, flush=2)
    for accept_gaps in (False, True):
        with pytest.raises(CorruptError, match="offset 1, again in topics/"):
            adopt(here, accept_gaps=accept_gaps)
    assert untouched(here)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"topics/{USERS}/partition=0/{USERS}+0+0000000001.avro", "files of .avro cannot be adopted"),
        (f"topics/{USERS}/partition=0/{USERS}+0+0000000001.bin", "files of .bin cannot be adopted"),
        (f"topics/{USERS}/partition=0/{USERS}+0+0000000001.json.gz", "files of .json.gz cannot be adopted"),
        (f"topics/{USERS}/partition=0/{USERS}+0+0000000001.json.meta", "was written by pinflow"),
        ("topics/readme.txt", "not a file of the S3 sink"),
    ],
)
def test_what_is_not_json_of_the_sink_is_refused(here: Runtime, path: str, words: str) -> None:
    write_zone(here.store, USERS, 0, values(0))
    here.store.put(path, b"data")
    with pytest.raises(UsageError, match=words) as refused:
        adopt(here)
    assert path in refused.value.where
    assert untouched(here)


def test_an_empty_zone_is_told(here: Runtime) -> None:
    here.store.put("topics/marker", b"")
    with pytest.raises(AbsentError, match="nothing to adopt"):
        adopt(here)
    with pytest.raises(UsageError, match="folder below the lake"):
        adopt(here, "/".strip("/"))


def test_a_topic_of_this_lakes_own_log_is_refused(here: Runtime) -> None:
    post(here, USERS, rows({"ind": 1}))
    write_zone(here.store, USERS, 0, values(1), folder="zone")
    with pytest.raises(UsageError, match="from this lake's own log"):
        adopt(here, "zone")
    drain(here, "land")
    write_zone(here.store, "free", 0, values(1))
    assert adopt(here) == 1  # our own objects beside it are known
    assert landed(here, USERS) == [(0, 0, b'{"ind": 1}')]


def test_a_zone_elsewhere_is_copied_and_may_go_after(here: Runtime, tmp_path: Path, bucket: str) -> None:
    folder = open_store(str(tmp_path / "zone"))
    write_zone(folder, USERS, 0, values(1, 2), folder="some/topics")
    assert adopt(here, str(tmp_path / "zone")) == 2
    elsewhere = open_store(bucket)
    write_zone(elsewhere, "more", 0, values(3))
    assert adopt(here, bucket) == 1
    for store in (folder, elsewhere):
        _empty(store)
    assert [value for _, _, value in landed(here)] == values(1, 2)
    drain(here, "batch")
    assert audit(here, deep=True).problems == []


def _empty(store: Store) -> None:
    for path in list(store.list("")):
        store.delete(path)


def test_a_file_that_changes_while_it_is_adopted_stops_it(here: Runtime) -> None:
    write_zone(here.store, USERS, 0, values(1, 2))
    (job,) = adopt_jobs(here, "topics/")
    job._reader._cache.clear()
    here.store.put(sink_path(USERS, 0, 1), b"{}\n{}\n")
    with pytest.raises(CorruptError, match="hold 3 records, there were 2"):
        Steps(here.store, job).advance()


@pytest.mark.parametrize(("size", "most"), [(10, 4), (50, 2), (1000, 1)])
def test_of_large_files_fewer_are_read_at_once(monkeypatch: pytest.MonkeyPatch, size: int, most: int) -> None:
    monkeypatch.setattr(sink, "BYTES_AT_ONCE", 100)
    monkeypatch.setattr(sink, "READS_AT_ONCE", 4)
    files = [sink.SinkFile(f"t+0+{n}.json", n, size) for n in range(12)]
    crowd = Crowd(most)
    reader = sink.ZoneReader(crowd)  # type: ignore[arg-type]
    reader.expect({"t": {0: files, 1: [sink.SinkFile("t+1+0.json", 0, 1)]}})
    assert list(reader.count_lines(files)) == [1] * 12
    assert crowd.most == most


class Crowd:
    """A store in which a read waits until so many are under way, and then for one more that should not come."""

    is_remote = True

    def __init__(self, wanted: int) -> None:
        self.most = self._here = 0
        self._wanted = wanted
        self._came = threading.Condition()

    def get_dated(self, _path: str) -> tuple[bytes, datetime]:
        with self._came:
            self._here += 1
            self.most = max(self.most, self._here)
            self._came.notify_all()
            self._came.wait_for(lambda: self.most >= self._wanted, timeout=5)
            self._came.wait_for(lambda: self.most > self._wanted, timeout=0.02)
            self._here -= 1
        return b"{}", datetime.now(UTC)
