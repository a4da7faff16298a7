"""Options that all commands have: before the command, after it, and in both places."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from pinflow.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path


def shown(*args: str) -> dict[str, dict[str, str]]:
    """The configuration that a command has found, by its own report."""
    done = CliRunner().invoke(cli, [*args])
    assert done.exit_code == 0, done.output
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def home_of(*args: str) -> str:
    return shown(*args)["lake.url"]["value"].rpartition("/lake")[0]


@pytest.mark.parametrize("place", range(3))
def test_a_home_may_be_named_before_the_command_its_group_or_after(tmp_path: Path, place: int) -> None:
    words = ["config", "show", "--json"]
    words[place:place] = ["--home", str(tmp_path)]
    assert home_of(*words) == str(tmp_path)


def test_of_two_places_the_later_one_holds(tmp_path: Path) -> None:
    first, second, third = (str(tmp_path / name) for name in "abc")
    assert home_of("--home", first, "config", "--home", second, "show", "--json") == second
    assert home_of("--home", first, "config", "show", "--json", "--home", second) == second
    assert home_of("config", "show", "--json", "--home", first, "--home", third) == third


def test_the_command_line_holds_over_the_environment_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINFLOW_HOME", str(tmp_path / "environment"))
    (tmp_path / "own.toml").write_text('id = "own"')
    monkeypatch.setenv("PINFLOW_CONFIG", str(tmp_path / "own.toml"))
    assert home_of("config", "show", "--json") == str(tmp_path / "environment")
    assert shown("config", "show", "--json")["id"]["value"] == "own"
    assert home_of("--home", str(tmp_path / "named"), "config", "show", "--json") == str(tmp_path / "named")
    (tmp_path / "other.toml").write_text('id = "other"')
    assert (
        shown("--config", str(tmp_path / "other.toml"), "config", "show", "--json")["id"]["value"] == "other"
    )


def test_debug_before_the_command_shows_the_traceback(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["--debug", "status", "--home", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "Traceback" in done.stderr


def test_before_a_group_of_the_gateway_only_common_options_may_stand(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path)]
    assert CliRunner().invoke(cli, [*home, "gateway", "topics", "create", "clicks"]).exit_code == 0
    assert "clicks" in CliRunner().invoke(cli, ["gateway", *home, "topics", "list"]).output
    assert "clicks" in CliRunner().invoke(cli, ["gateway", "topics", *home, "list"]).output


def test_json_before_the_command_is_refused_with_where_it_stands() -> None:
    done = CliRunner().invoke(cli, ["--json", "status"])
    assert done.exit_code == 2
    assert "--json is an option of commands: pinflow status --json" in done.output
