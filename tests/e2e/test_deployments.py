"""Each of the examples, pointed at real servers and stand-ins: started, posted to, drained, asked and audited."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pytest

from pinflow import source
from pinflow.ask.ask import ask
from pinflow.config import load
from pinflow.jobs.runtime import Runtime
from pinflow.lake.store import s3_url
from pinflow.log.kafka import url as kafka_url
from pinflow.log.kinesis import url as kinesis_url
from pinflow.source.registry import backend_of
from tests.e2e.command import run, running, until
from tests.reference import answers, clean_geo, clean_pin, clean_user
from tests.servers.kinesis import url_of

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Side
    from tests.servers.kafka import Cluster
    from tests.servers.mariadb import Account

EXAMPLES = Path(__file__).parents[2] / "examples"
POSTS = 600
AGAIN = 60
SIDES: tuple[Side, ...] = ("batch", "stream")
ASKED = "top_category_by_age_group"
"""The question that is asked by the command too; each is a process of its own, so the others are asked in this one."""


def sqlite_source(_request: pytest.FixtureRequest, home: Path, _ident: str) -> dict[str, str]:
    return {"PINFLOW__SOURCE__URL": f"sqlite:///{home}/source.db"}


def mysql(request: pytest.FixtureRequest, _home: Path, _ident: str) -> dict[str, str]:
    account: Account = request.getfixturevalue("account")
    return {"PINFLOW__SOURCE__URL": account.url}


def kafka(request: pytest.FixtureRequest, _home: Path, ident: str) -> dict[str, str]:
    cluster: Cluster = request.getfixturevalue("kafka")
    mine = f"topics={ident}.*,streaming-{ident}-*&group={ident}"
    return {"PINFLOW__LOG__URL": f"{cluster.url}?{mine}", "PINFLOW__LOG__PARTITIONS": "3"}


def kinesis(request: pytest.FixtureRequest, _home: Path, ident: str) -> dict[str, str]:
    return {"PINFLOW__LOG__URL": url_of(request.getfixturevalue("kinesalite_url"), f"{ident}-")}


def s3(request: pytest.FixtureRequest, _home: Path, _ident: str) -> dict[str, str]:
    return {"PINFLOW__LAKE__URL": request.getfixturevalue("bucket")}


Pointing = Callable[[pytest.FixtureRequest, Path, str], dict[str, str]]

DEPLOYMENTS: dict[str, tuple[Pointing, ...]] = {
    "embedded": (sqlite_source,),
    "kafka-s3": (sqlite_source, kafka, s3),
    "kinesis-s3": (sqlite_source, kinesis, s3),
    "mysql-kafka-s3": (mysql, kafka, s3),
}
"""Example → what points its parts, as environment, at servers of the test instead of its own addresses."""


class Deployment(NamedTuple):
    """An example's file, with the environment of every command."""

    file: Path
    home: Path
    env: dict[str, str]

    def run(self, *args: str) -> str:
        done = run(*args, "--config", str(self.file), home=self.home, **self.env)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def runtime(self) -> Runtime:
        return Runtime(load(self.home, file=self.file, env=self.env))

    def json(self, *args: str) -> Any:
        return json.loads(self.run(*args, "--json"))


@pytest.fixture(params=sorted(DEPLOYMENTS))
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Deployment:
    home, ident = tmp_path / "home", uuid4().hex[:12]
    env = {"PINFLOW__ID": ident}
    for pointing in DEPLOYMENTS[request.param]:
        env |= pointing(request, home, ident)
    return Deployment(EXAMPLES / f"{request.param}.toml", home, env)


def test_every_example_is_tried() -> None:
    files = {file.stem: tomllib.loads(file.read_text()) for file in EXAMPLES.glob("*.toml")}
    assert files.keys() == DEPLOYMENTS.keys()


@pytest.mark.parametrize("example", sorted(DEPLOYMENTS))
def test_the_addresses_of_an_example_are_understood(example: str, tmp_path: Path) -> None:
    config = load(tmp_path, file=EXAMPLES / f"{example}.toml", env={}).config
    backend_of(config.source.url)
    understood: dict[str, Callable[[str], object]] = {
        "kafka": kafka_url.parse_url,
        "kinesis": kinesis_url.parse_url,
        "s3": s3_url.parse_url,
        "sqlite": str,
        "": Path,
    }
    for url in (config.log.url, config.lake.url):
        scheme = url.partition(":")[0] if ":" in url else ""
        credentials = "me:secret@" if "security=sasl" in url else ""  # they come with the environment
        assert understood[scheme](url.replace("://", f"://{credentials}"))


def test_an_example_takes_posts_cleans_them_answers_and_adds_up(deployment: Deployment) -> None:
    deployment.run("source", "create", "--posts", str(POSTS))
    ready = deployment.home / "run" / "gateway.url"
    start = ("gateway", "--port", "0", "--ready-file", str(ready), "--config", str(deployment.file))
    with running(*start, home=deployment.home, **deployment.env) as gateway:
        until(lambda: ready.exists() or gateway.poll() is not None)
        url = ready.read_text()
        for posts in (POSTS, AGAIN):
            sent = deployment.json(
                "emulate", "--each-once", "--posts", str(posts), "--rate", "max", "--url", url
            )
            assert (sent["acknowledged"], sent["refused"], sent["unsettled"]) == (6 * posts, 0, 0)
        gateway.terminate()
        assert gateway.wait(20) == 0
    for job in ("land", "stream", "batch"):
        deployment.run(job, "--drain")
    expected = expected_answers(deployment.env["PINFLOW__SOURCE__URL"])
    with deployment.runtime() as runtime:
        for side in SIDES:
            answered = {
                name: [list(row) for row in result.rows] for name, result in ask(runtime, side).items()
            }
            assert answered == {name: [list(row) for row in rows] for name, rows in expected.items()}
    by_command = json.loads(deployment.run("query", ASKED, "--side", "stream", "--format", "json"))
    assert [list(row.values()) for row in by_command] == [list(row) for row in expected[ASKED]]
    audit = deployment.json("audit", "--deep")
    assert audit["ok"] is True
    assert sum(line["accepted"] for line in audit["lines"]) == 6 * (POSTS + AGAIN)
    assert sum(line["superseded"] for line in audit["lines"]) == 6 * AGAIN
    for topic in deployment.json("status"):
        assert (topic["to_land"], topic["to_clean"]) == (0, 0)
        assert topic["landed_to"] == topic["cleaned_to"] != {}
    states = {check["part"]: check["state"] for check in deployment.json("doctor")}
    assert states == dict.fromkeys(states, "ok") | {"gateway": "absent"}


def expected_answers(source_url: str) -> dict[str, Any]:
    """What the plain-Python statement makes of the source."""
    with source.open_posts(source_url) as posts:
        found = posts.fetch(list(posts.numbers()))
    cleaned: list[Any] = [
        [clean(getattr(post, name)) for post in found]
        for name, clean in (("pin", clean_pin), ("geo", clean_geo), ("user", clean_user))
    ]
    return answers(*cleaned)
