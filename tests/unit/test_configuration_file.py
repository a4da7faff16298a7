"""A configuration file as editors write it is read; what cannot be read is named with its line and what to do."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import pytest

from pinflow.config import load, secret_values
from pinflow.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("head", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_and_any_line_ends_are_no_part_of_it(
    tmp_path: Path, head: bytes, line_end: bytes
) -> None:
    (tmp_path / "pinflow.toml").write_bytes(head + line_end.join([b'id = "abc"', b"[gateway]", b"port = 1"]))
    config = load(tmp_path, env={}).config
    assert (config.id, config.gateway.port) == ("abc", 1)


@pytest.mark.parametrize(
    ("data", "what", "hint"),
    [
        ('id = "é"'.encode("utf-16"), "in UTF-16", "save the file as UTF-8"),
        (codecs.BOM_UTF16_BE + 'id = "é"'.encode("utf-16-be"), "in UTF-16", "save the file as UTF-8"),
        ('\nid = "é"'.encode("latin-1"), "not UTF-8: byte 0xe9 in line 2", "save the file as UTF-8"),
        (b"id = ", "not TOML", "mend the line"),
        (b"a = " + b"[" * 100_000, "not TOML", "mend the line"),
        (b"\0", "not TOML", "mend the line"),
        (b"gateway = 1", "'gateway' is a section", "below [gateway]"),
        (b"[gateway]\nport = 99999999999999999999", "'gateway.port' does not fit", "pinflow config show"),
        (b"[land]\nflush_seconds = nan", "'land.flush_seconds' does not fit", "pinflow config show"),
        (b"[land]\nflush_seconds = inf", "'land.flush_seconds' does not fit", "pinflow config show"),
        (b"[land]\npoll_seconds = 1e300", "'land.poll_seconds' does not fit", "pinflow config show"),
        (b"[gateway]\nbody_seconds = inf", "'gateway.body_seconds' does not fit", "pinflow config show"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, data: bytes, what: str, hint: str) -> None:
    path = tmp_path / "pinflow.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, env={})
    assert what in refused.value.what
    assert hint in refused.value.hint
    assert refused.value.where == str(path)


def test_a_configuration_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    for path, hint in ((tmp_path / "nowhere.toml", "pinflow init"), (tmp_path, "read the file")):
        with pytest.raises(ConfigError, match="cannot be read") as refused:
            load(tmp_path, file=path, env={})
        assert hint in refused.value.hint


def test_the_secret_values_are_the_passwords_of_urls_and_the_secret_settings(tmp_path: Path) -> None:
    env = {
        "PINFLOW__SOURCE__URL": "mysql+pymysql://me:hunter2@db.example.com/x",
        "PINFLOW__LOG__URL": "kafka://u:pass%2Fword@localhost",
        "PINFLOW__EMULATOR__API_KEY": "pf_key",
        "PINFLOW__GATEWAY__TLS_KEY": "http://[",
    }
    assert set(secret_values(load(tmp_path, env=env).config)) == {"hunter2", "pass%2Fword", "pf_key"}
