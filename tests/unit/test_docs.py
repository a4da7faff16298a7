"""The documentation says what the program does: help texts, settings, links and command lines are checked."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from docs.update_help import BLOCK, help_text

from pinflow.cli.main import COMMANDS, cli
from pinflow.config.loading import ENV_PREFIX, KNOWN
from pinflow.queries import questions

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md", *DOCS.rglob("*.md")]
)

CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SETTING = re.compile(r"^\| `([a-z_]+(?:\.[a-z_]+)?)` \| `([^`]*)` \| .+ \|$", re.MULTILINE)
VARIABLE = re.compile(rf"{ENV_PREFIX}[A-Z_]+")
ENDS_A_COMMAND = {"|", "||", "&&", "&", ";", ">", ">>", "<", "2>"}


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def help_blocks() -> list[tuple[Path, str, str]]:
    return [
        (page, block["command"].strip(), block["text"])
        for page in PAGES
        for block in BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def pinflow_calls(line: str) -> Iterator[list[str]]:
    """The arguments of every pinflow that a shell line calls."""
    words: list[str] = []
    for word in [*shlex.split(line, comments=True), ";"]:
        if word not in ENDS_A_COMMAND:
            words.append(word)
            continue
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words and Path(words[0]).name == "pinflow":
            yield words[1:]
        words = []


def command_lines() -> list[tuple[Path, list[str]]]:
    found = []
    for page in PAGES:
        for block in CONSOLE.finditer(page.read_text(encoding="utf-8")):
            for line in block[1].replace("\\\n", " ").splitlines():
                if line.startswith("$ "):
                    found += [(page, call) for call in pinflow_calls(line.removeprefix("$ "))]
    return found


def resolved(args: list[str]) -> tuple[click.Command, list[str]]:
    """The command that arguments name, and what is left of them."""
    command: click.Command = cli
    rest = list(args)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"no command {rest[0]!r}"
        command, rest = found, rest[1:]
    return command, rest


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_page_with_its_help(command: str) -> None:
    page = DOCS / "commands" / f"{command}.md"
    assert page.is_file()
    assert command in [name for path, name, _ in help_blocks() if path == page]


def test_every_page_of_a_command_is_of_one_that_is_there() -> None:
    assert {page.stem for page in (DOCS / "commands").glob("*.md")} == set(COMMANDS)


def test_every_subcommand_has_its_help_in_the_page_of_its_group() -> None:
    wanted = set()
    for name in COMMANDS:
        command, _ = resolved([name])
        if isinstance(command, click.Group):
            wanted |= {f"{name} {each}" for each in command.list_commands(click.Context(command))}
    assert wanted <= {name for _, name, _ in help_blocks()}


@pytest.mark.parametrize(("page", "command", "text"), help_blocks(), ids=lambda value: str(value)[-40:])
def test_a_help_text_in_the_docs_is_what_the_command_prints(page: Path, command: str, text: str) -> None:
    assert text == help_text(command), f"{shown(page)}: run python docs/update_help.py"


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_a_relative_link_leads_to_a_file(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        target = link.partition("#")[0]
        if target and "://" not in target:
            assert (page.parent / target).exists(), f"{shown(page)} links to {link}"


def test_every_page_is_linked_from_the_readme_or_from_a_page_that_is() -> None:
    hit = {ROOT / "README.md"}
    todo = list(hit)
    while todo:
        page = todo.pop()
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_file() and target not in hit:
                hit.add(target)
                todo.append(target)
    assert [shown(page) for page in PAGES if page not in hit] == []


def test_there_are_command_lines_to_check() -> None:
    assert len(command_lines()) > len(COMMANDS)


@pytest.mark.parametrize(("page", "args"), command_lines(), ids=lambda value: str(value)[-60:])
def test_a_command_line_names_a_command_and_options_that_exist(page: Path, args: list[str]) -> None:
    command, rest = resolved(args)
    known = {"--help", "-h"} | {name for each in command.params for name in each.opts}
    for option in [word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)]:
        assert option in known, f"{shown(page)}: pinflow {shlex.join(args)}"


def test_every_question_that_a_command_line_asks_exists() -> None:
    for page, args in command_lines():
        if args[:1] == ["query"] and len(args) > 1 and not args[1].startswith("-"):
            assert args[1] in {"all", *questions()}, f"{shown(page)}: {args[1]}"


def test_the_settings_page_has_every_setting_with_its_default() -> None:
    page = (DOCS / "parts" / "configuration.md").read_text(encoding="utf-8")
    told = {key: tomllib.loads(f"it = {default}")["it"] for key, default in SETTING.findall(page)}
    assert told == KNOWN


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_an_environment_variable_of_the_docs_is_a_setting(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace(f"{ENV_PREFIX}SECTION__KEY", "")
    for name in VARIABLE.findall(text):
        assert name.removeprefix(ENV_PREFIX).lower().replace("__", ".") in KNOWN, f"{shown(page)}: {name}"


def test_every_repair_story_is_tried_by_a_test_that_is_there() -> None:
    page = (DOCS / "repair.md").read_text(encoding="utf-8")
    stories = page.split("\n## ")[1:]
    assert len(stories) > 10
    for story in stories:
        named = re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`", story)
        assert named, story.split("\n", 1)[0]
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), name
