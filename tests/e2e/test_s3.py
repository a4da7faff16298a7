"""The main job with the lake in a bucket, by the installed command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.command import pinflow, pinflow_json, run

if TYPE_CHECKING:
    from pathlib import Path

POSTS = 300


def test_the_whole_road_runs_in_a_bucket_and_nothing_of_the_lake_is_on_disk(
    tmp_path: Path, bucket: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "pinflow.toml").write_text(f'[lake]\nurl = "{bucket}"\n')
    report = pinflow_json("demo", "--posts", str(POSTS), home=home)
    assert report["ok"] is True
    assert report["lake"] == bucket.partition("?")[0]
    assert not (home / "lake").exists()
    sql = 'SELECT count(*) AS n, count(DISTINCT ind) AS inds FROM "0a6a638f5991_pin_table"'
    assert json.loads(pinflow("query", "--sql", sql, "--format", "json", home=home)) == [
        {"n": POSTS, "inds": POSTS}
    ]
    hit = run("query", "--sql", f"SELECT * FROM read_parquet('{report['lake']}/tables/pin/*')", home=home)
    assert hit.returncode == 2
    assert "disabled by configuration" in hit.stderr
    states = {each["part"]: each["state"] for each in pinflow_json("doctor", home=home)}
    assert states == dict.fromkeys(("home", "source", "log", "lake", "records", "engine"), "ok") | {
        "gateway": "absent"
    }
    shown = pinflow("config", "show", home=home)
    assert bucket in shown


def test_without_credentials_a_command_says_so_in_a_few_lines(tmp_path: Path) -> None:
    env = {
        "PINFLOW__LAKE__URL": "s3://pinflow-somewhere/lake",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }
    done = run("land", "--drain", home=tmp_path / "home", **env)
    assert done.returncode == 1
    assert "no AWS credentials were found" in done.stderr
    assert "Traceback" not in done.stderr
    doctor = run("doctor", "--json", home=tmp_path / "home", **env)
    (lake,) = [each for each in json.loads(doctor.stdout) if each["part"] == "lake"]
    assert lake["state"] == "broken"
    assert "aws configure" in lake["hint"]
