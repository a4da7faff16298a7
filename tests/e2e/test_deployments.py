"""Each of the examples, pointed at real servers and stand-ins: started, posted to, drained, asked and audited."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pinflow import source
from tests.e2e.command import run, running, until
from tests.reference import answers, clean_geo, clean_pin, clean_user

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "examples"
POSTS = 600
AGAIN = 60


def embedded(request: pytest.FixtureRequest, home: Path) -> dict[str, str]:
    return {"PINFLOW__SOURCE__URL": f"sqlite:///{home}/source.db"}


DEPLOYMENTS: dict[str, Callable[[pytest.FixtureRequest, Path], dict[str, str]]] = {"embedded": embedded}
"""Example → the settings, as environment, that point it at servers of the test instead of its own addresses."""


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

    def json(self, *args: str) -> Any:
        return json.loads(self.run(*args, "--json"))


@pytest.fixture(params=sorted(DEPLOYMENTS))
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Deployment:
    home = tmp_path / "home"
    env = DEPLOYMENTS[request.param](request, home)
    return Deployment(EXAMPLES / f"{request.param}.toml", home, env)


def test_every_example_is_tried() -> None:
    files = {file.stem: tomllib.loads(file.read_text()) for file in EXAMPLES.glob("*.toml")}
    assert files.keys() == DEPLOYMENTS.keys()


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
    for side in ("batch", "stream"):
        for name, rows in expected.items():
            told = json.loads(deployment.run("query", name, "--side", side, "--format", "json"))
            assert [list(row.values()) for row in told] == [list(row) for row in rows], name
    audit = deployment.json("audit", "--deep")
    assert audit["ok"] is True
    assert sum(line["accepted"] for line in audit["lines"]) == 6 * (POSTS + AGAIN)
    assert sum(line["superseded"] for line in audit["lines"]) == 6 * AGAIN
    for topic in deployment.json("status"):
        assert (topic["to_land"], topic["to_clean"]) == (0, 0)
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
