"""Whatever is written after `pinflow`, what comes is a few lines: what is wrong, and what would be right."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pinflow.cli.main import cli

WRONG = [
    ("demo", "--posts", "0"),
    ("demo", "--posts", "-1"),
    ("demo", "--posts", "99999999999999999999"),
    ("demo", "--nope"),
    ("source", "create", "--posts", "x"),
    ("source", "load", ""),
    ("source", "load", "/nosuch"),
    ("emulate", "--rate", "nan"),
    ("emulate", "--rate", "-1/s"),
    ("emulate", "--posts", "1", "--url", "x"),
    ("emulate", "--posts", "1", "--url", "http://[::1"),
    ("emulate", "--posts", "1", "--url", "http://127.0.0.1:99999"),
    ("emulate", "--posts", "1", "--url", "http://me:hunter2@127.0.0.1:9"),
    ("query", "nope"),
    ("query", ""),
    ("query", "all", "--sql", "SELECT 1"),
    ("query", "--sql", "SELECT '\udcff'"),
    ("query", "--format", "xml"),
    ("land", "--accept-gaps"),
    ("land", "--adopt", ""),
    ("land", "--adopt", "a\nb"),
    ("land", "--adopt", "http://x"),
    ("maintain", "--every", "0"),
    ("maintain", "--every", "nan"),
    ("maintain", "--every", "inf"),
    ("maintain", "--every", "1e300"),
    ("replay", "x"),
    ("replay", "run", "x"),
    ("replay", "run", "batch", "x"),
    ("replay", "quarantine", "batch", "--from", "log"),
    ("replay", "batch", "x"),
    ("replay", "batch", "--abandon", "--dry-run"),
    ("gateway", "--port", "99999"),
    ("gateway", "--ready-file", ""),
    ("gateway", "--port", "0", "--tls-cert", "/nosuch"),
    ("gateway", "topics", "create", "x", "--partitions", "0"),
    ("gateway", "topics", "create", "\udcff"),
    ("gateway", "keys", "create", "--name", ""),
    ("gateway", "keys", "create", "--name", "a\x1b[31m"),
    ("gateway", "keys", "create", "--name", "\udcff"),
    ("up", "--rate", "0"),
    ("status", "--config", "/nosuch"),
    ("nosuch",),
    ("",),
]


@pytest.mark.parametrize("args", WRONG, ids=ascii)
def test_wrong_usage_is_said_in_a_few_lines(
    args: tuple[str, ...], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINFLOW_HOME", f"{tmp_path}/home")
    done = CliRunner().invoke(cli, list(args))
    assert done.exit_code == 2, done.output
    assert "unexpected" not in done.output
    assert 1 <= len(done.output.splitlines()) <= 8
    assert done.output.isascii()
    assert "hunter2" not in done.output
    assert not any(ord(char) < 32 and char not in "\n\t" for char in done.output)
