"""Topics by command only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import urllib3

from tests.e2e.command import gateway, pinflow, pinflow_json, run

if TYPE_CHECKING:
    from pathlib import Path


def test_without_creation_on_first_use_a_topic_is_made_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "pinflow.toml").write_text("[gateway]\ncreate_topics = false\n")

    with gateway(home) as url:

        def post() -> int:
            body = b'{"records":[{"value":{"ind":1}}]}'
            headers = {"Content-Type": "application/json"}
            return urllib3.request(
                "POST", f"{url}/topics/a.user", body=body, headers=headers, retries=False
            ).status

        assert post() == 404
        pinflow("gateway", "topics", "create", "a.user", "--partitions", "2", home=home)
        assert post() == 200
        assert pinflow_json("gateway", "topics", "list", home=home) == {"a.user": 2}
        pinflow("gateway", "topics", "delete", "a.user", home=home)
        assert post() == 404
    again = run("gateway", "topics", "delete", "a.user", home=home)
    assert again.returncode == 1
    assert "there is no topic 'a.user'" in again.stderr


@pytest.mark.parametrize("name", ["x" * 249, "..", "a/b", "../../out", "a b", ""])
def test_a_topic_that_could_not_be_landed_is_not_made_by_command(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    done = run("gateway", "topics", "create", name, home=home)
    assert done.returncode == 2
    assert "there can be no such topic" in done.stderr
    assert "there is no log yet" in run("gateway", "topics", "list", home=home).stderr
