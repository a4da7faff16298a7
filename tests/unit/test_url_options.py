"""The options of all URLs are declared: parsing, defaults, errors, docs tables and what is hidden come from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from docs.update_options import DECLARED, ROOT, rewritten

from pinflow.config import load, mask, override
from pinflow.config.option_kinds import TEXT, choice, flag, number, whole
from pinflow.config.url_options import UrlOption, UrlOptions
from pinflow.errors import ConfigError
from pinflow.jobs.reports.doctor import run_checks
from pinflow.lake.store.registry import open_store
from pinflow.log import open_log
from pinflow.source.registry import backend_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS = {"kafka": "log.url", "kinesis": "log.url", "mysql": "source.url", "s3": "lake.url"}

URLS = {
    "kafka": "kafka://me:hunter2@one:9092",
    "kinesis": "kinesis://eu-west-1",
    "mysql": "mysql+pymysql://me:hunter2@db.example/posts",
    "s3": "s3://posts/lake",
}

MISSPELT = {
    "kafka": ("replicatoin=3", "did you mean replication?"),
    "kinesis": ("steams=a*", "did you mean streams?"),
    "mysql": ("conect_timeout=1", "did you mean connect_timeout?"),
    "s3": ("regoin=x", "did you mean region?"),
}

EXAMPLE = UrlOptions(
    part="an example",
    setting="log.url",
    page="docs/parts/example.md",
    options=(
        UrlOption("size", "how large", whole(1, 9), default="3"),
        UrlOption("share", "how much", number(0, 1, above=True), unset="as it comes"),
        UrlOption("mode", "how", choice("fast", "slow"), default="fast"),
        UrlOption("safe", "whether", flag(), default="true"),
        UrlOption("api_key", "with what", whole(1), secret=True),
        UrlOption("extra.", "whatever", TEXT),
    ),
)


def test_an_option_has_the_value_of_the_url_or_its_default() -> None:
    options = EXAMPLE.parse("size=4&safe=OFF&extra.a.b=c", "x://host?size=4")
    assert (options["size"], options["share"], options["mode"], options["safe"]) == (4, None, "fast", False)
    assert options.family("extra.") == {"a.b": "c"}
    assert [name in options for name in ("size", "mode")] == [True, False]
    assert EXAMPLE.parse("size=4&size=5", "x://host")["size"] == 5
    assert options.complete({"size": "9", "mode": "slow"})["size"] == 4
    assert options.complete({"size": "9", "mode": "slow"})["mode"] == "slow"


@pytest.mark.parametrize(
    ("query", "what", "hint"),
    [
        ("sise=4", "an example has no option 'sise'", "did you mean size?"),
        (
            "colour=red",
            "an example has no option 'colour'",
            "use one of: size, share, mode, safe, api_key, extra.",
        ),
        ("size=10", "size=10 is not valid", "use a whole number from 1 to 9; docs/parts/example.md"),
        ("size=1.5", "size=1.5 is not valid", "use a whole number from 1 to 9"),
        ("share=0", "share=0 is not valid", "use a number above 0, at most 1"),
        ("share=nan", "share=nan is not valid", "use a number above 0, at most 1"),
        ("mode=", "mode= is not valid", "use one of: fast, slow"),
        ("safe=perhaps", "safe=perhaps is not valid", "use true or false"),
        ("api_key=hunter2", "the option api_key is not valid", "use a whole number from 1 up"),
        ("size=nter2@host", "the option size is not valid", "use a whole number"),
        ("ter2@host=1", "log.url cannot be read", "%3F"),
    ],
)
def test_what_is_not_valid_names_the_option_and_what_it_takes(query: str, what: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        EXAMPLE.parse(query, "x://me:hunter2@host")
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert "nter2" not in str(caught.value)
    assert caught.value.where == "log.url = x://me:***@host"


def test_an_option_given_twice_is_an_error_where_the_declaration_does_not_allow_it() -> None:
    with pytest.raises(ConfigError, match="more than once"):
        EXAMPLE._replace(repeatable=False).parse("size=4&size=5", "x://host")


def test_credentials_are_named_as_such_where_a_url_takes_none() -> None:
    with pytest.raises(ConfigError, match=r"credentials do not belong into log\.url: secret=…") as caught:
        EXAMPLE._replace(no_credentials="set AWS_PROFILE").parse("secret=hunter2", "x://host?secret=hunter2")
    assert caught.value.hint == "set AWS_PROFILE"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("backend", DECLARED)
def test_the_docs_table_is_the_declaration(backend: str) -> None:
    declared = DECLARED[backend]
    page = (ROOT / declared.page).read_text(encoding="utf-8")
    assert f"<!-- options: {backend} -->\n{declared.table()}" in page
    assert rewritten(page) == page, "run python docs/update_options.py"


@pytest.mark.parametrize("backend", DECLARED)
def test_every_default_is_a_text_that_its_option_takes(backend: str) -> None:
    declared = DECLARED[backend]
    assert declared.setting == SETTINGS[backend]
    for option in declared.options:
        assert option.default is None or option.kind.read(option.default) is not None
        assert option.meaning


@pytest.mark.parametrize("backend", DECLARED)
def test_the_values_hidden_where_a_url_is_shown_are_those_of_the_secret_options(backend: str) -> None:
    for option in DECLARED[backend].options:
        hidden = mask(f"{URLS[backend]}?a=b&{option.name}=sentinel&z=y")
        assert ("sentinel" not in hidden) == option.secret, option.name
        assert hidden.endswith("&z=y")


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
    ],
)
def test_the_secrets_of_librdkafka_are_hidden(name: str) -> None:
    assert "sentinel" not in mask(f"kafka://one:9092?client.{name}=sentinel&gaps=skip")


@pytest.mark.parametrize("backend", DECLARED)
def test_doctor_names_the_option_that_was_probably_meant(backend: str, tmp_path: Path) -> None:
    query, hint = MISSPELT[backend]
    setting = SETTINGS[backend]
    settings = override(load(tmp_path, env={}), {setting: f"{URLS[backend]}?{query}"})
    check = next(each for each in run_checks(settings) if each.part == setting.partition(".")[0])
    assert (check.state, check.hint) == ("broken", hint)
    assert "hunter2" not in check.found
    assert setting in check.found


@pytest.mark.parametrize("backend", DECLARED)
def test_a_misspelt_option_is_reported_before_anything_is_reached(backend: str) -> None:
    query, hint = MISSPELT[backend]
    url = f"{URLS[backend]}?{query}"
    opened: dict[str, Callable[[], object]] = {
        "source.url": lambda: backend_of(url).open(make=False, long=False),
        "log.url": lambda: open_log(url),
        "lake.url": lambda: open_store(url),
    }
    with pytest.raises(ConfigError) as caught:
        opened[SETTINGS[backend]]()
    assert caught.value.hint == hint
