"""What every store does, run over each of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pinflow.lake import Store, open_store
from pinflow.lake.store.check import require_conditions
from tests.contract.lakes import LAKES

if TYPE_CHECKING:
    from collections.abc import Callable

ODD = [
    "a b/c d.json",
    "ключ/é.json",
    "plus+sign+0000000001.json",
    "percent%41/%2F.json",
    "quote'\"&=;,@!$()*.json",
    "hash#question?.json",
    "tilde~[brackets]{braces}.json",
]


@pytest.fixture(params=sorted(LAKES))
def url(request: pytest.FixtureRequest) -> str:
    return LAKES[request.param](request)


@pytest.fixture
def store(url: str) -> Store:
    return open_store(url)


@pytest.fixture
def open_again(url: str) -> Callable[[], Store]:
    return lambda: open_store(url)


def test_what_was_put_is_got(store: Store, open_again: Callable[[], Store]) -> None:
    store.put("a/b", b"\x00\xff")
    assert store.get("a/b") == b"\x00\xff"
    store.put("a/b", b"")
    assert open_again().get("a/b") == b""


def test_what_is_not_there_is_none_and_its_deletion_no_fault(store: Store) -> None:
    assert store.get("nowhere/at all") is None
    assert store.get_dated("nowhere") is None
    store.delete("nowhere")
    assert list(store.list("nowhere")) == []
    assert store.folders("nowhere") == []
    assert not store.holds_any("nowhere")
    with pytest.raises(FileNotFoundError):
        store.size("nowhere")
    with pytest.raises(FileNotFoundError):
        store.get_range("nowhere", 0, 1)


def test_of_many_who_put_if_absent_exactly_one_wins(open_again: Callable[[], Store]) -> None:
    def put(number: int) -> bool:
        return open_again().put_if_absent("plans/1.json", b"%d" % number)

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(put, range(24)))
    assert sum(won) == 1
    assert open_again().get("plans/1.json") == b"%d" % won.index(True)


def test_the_same_content_put_if_absent_again_is_still_absent_only_once(store: Store) -> None:
    assert [store.put_if_absent("x", b"same") for _ in range(3)] == [True, False, False]
    store.delete("x")
    assert store.put_if_absent("x", b"same")
    store.put("y", b"without a mark")
    assert not store.put_if_absent("y", b"without a mark")


def test_a_listing_is_by_whole_folders_with_sizes_and_times(store: Store) -> None:
    for path in ("t/a", "t/b/c", "ta", "t-other/d"):
        store.put(path, b"1234")
    assert sorted(store.list("t")) == ["t/a", "t/b/c"]
    assert sorted(store.list("")) == ["t-other/d", "t/a", "t/b/c", "ta"]
    assert store.folders("t") == ["b"]
    assert store.holds_any("t/b")
    (found,) = store.find("t/b")
    assert found.size == 4
    assert abs(found.written_at.timestamp() - time.time()) < 60


def test_a_listing_of_many_is_whole(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.put(f"many/{n:05d}", b""), range(120)))
    assert sorted(store.list("many")) == [f"many/{n:05d}" for n in range(120)]


def test_what_was_deleted_is_gone(store: Store) -> None:
    store.put("a", b"1")
    store.put("b", b"2")
    store.delete("a")
    assert (store.get("a"), store.get("b")) == (None, b"2")
    assert list(store.list("")) == ["b"]


def test_a_large_object_comes_back_whole_and_in_ranges(store: Store) -> None:
    data = bytes(range(256)) * (12 << 12)  # 12 MiB, sent in several parts where parts there are
    store.put("large", data)
    assert store.get("large") == data
    assert store.size("large") == len(data)
    assert store.get_range("large", 1_000_003, 500) == data[1_000_003:1_000_503]


@pytest.mark.parametrize("path", ODD)
def test_odd_names_are_kept(store: Store, path: str) -> None:
    store.put(path, path.encode())
    assert store.put_if_absent(f"{path}.new", b"")
    assert store.get(path) == path.encode()
    assert path in list(store.list(""))
    store.delete(path)
    assert store.get(path) is None


def test_it_passes_its_probe_and_nothing_stays_behind(store: Store) -> None:
    assert store.check() == []
    require_conditions(store)
    assert list(store.list("")) == []
