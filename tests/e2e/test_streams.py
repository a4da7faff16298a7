"""Standard streams that are closed, full or of another encoding: what is data arrives, or the command fails."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pinflow.config import load
from pinflow.jobs.runtime import Runtime
from tests.e2e.command import BOUND_S, command, environment, pinflow
from tests.pipeline import drain, post, rows, topic

if TYPE_CHECKING:
    from pathlib import Path

ODD = "é漢😀\n\x1b[31m"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pipeline") / "home"
    with Runtime(load(home, env={})) as runtime:
        for side in ("batch", "stream"):
            post(
                runtime,
                topic(side, "pin"),
                rows({"index": 1, "title": ODD, "category": "art"}, {"title": ODD}),
            )
            post(runtime, topic(side, "geo"), rows({"ind": 1, "latitude": "-89.9787", "country": "Aruba"}))
        drain(runtime)
    return home


def shell(line: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `pinflow …` is the command."""
    words = " ".join(command(home=home)[:-2])
    script = f'pinflow() {{ {words} "$@" --home {home}; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        encoding="utf-8",
        timeout=BOUND_S,
        check=False,
        env=environment(**env),
    )


@pytest.mark.parametrize(
    "args", ["query all", "query all --format csv", "status --json", "audit", "query --help"]
)
@pytest.mark.parametrize(("where", "why"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left")])
def test_an_output_that_cannot_be_written_is_an_error_of_the_output(
    home: Path, args: str, where: str, why: str
) -> None:
    done = shell(f"pinflow {args} {where}", home)
    assert done.returncode == 1
    assert done.stderr.startswith(f"pinflow: the output cannot be written: {why}")
    assert "where: standard output" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_command_without_output_needs_no_stdout(home: Path) -> None:
    done = shell("pinflow land --drain >&-", home)
    assert (done.returncode, done.stderr) == (0, "land: 0 records\n")


@pytest.mark.parametrize("sql", ["SELECT * FROM range(200000)", "SELECT 1"])
def test_a_reader_that_has_enough_ends_the_command_in_silence(home: Path, sql: str) -> None:
    done = shell(f"pinflow query --format csv --sql '{sql}' | head -1", home)
    assert done.stdout == ("range\n" if "range" in sql else "1\n")
    assert done.stderr == ""


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_messages_that_nobody_can_read_change_nothing(home: Path, where: str) -> None:
    done = shell(f"pinflow audit {where}", home)
    assert done.returncode == 0
    assert "streaming-" in done.stdout


def test_no_file_takes_the_number_of_a_stream_that_is_closed(home: Path) -> None:
    done = shell(
        "pinflow status <&- 2>&- | cat; pinflow audit --deep <&- >&- 2>&-; pinflow audit --deep", home
    )
    assert done.returncode == 0
    assert "everything adds up" in done.stderr


LOCALES = [
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.mark.parametrize("env", LOCALES, ids=str)
def test_json_and_csv_are_utf_8_whatever_the_locale_says(home: Path, env: dict[str, str]) -> None:
    sql = f"SELECT title, '{ODD[:3]}' AS given FROM pin"
    args = ["query", "--sql", sql, "--format"]
    assert json.loads(raw(*args, "json", home=home, **env)) == [{"title": ODD, "given": ODD[:3]}]
    found = csv.reader(io.StringIO(raw(*args, "csv", home=home, **env).decode(), newline=""))
    assert list(found) == [["title", "given"], [ODD, ODD[:3]]]
    table = raw(*args, "table", home=home, **env).decode("latin-1")
    assert "\\u6f22\\U0001f600\\n\\x1b[31m" in table


def raw(*args: str, home: Path, **env: str) -> bytes:
    return subprocess.run(
        command(*args, home=home),
        stdout=subprocess.PIPE,
        check=True,
        timeout=BOUND_S,
        env=environment(**env),
    ).stdout


def test_all_answers_are_one_json_document(home: Path) -> None:
    found = json.loads(pinflow("query", "all", "--format", "json", home=home))
    assert len(found) == 10
    assert found["category_counts_by_year"] == []
    assert all(isinstance(rows, list) for rows in found.values())


def test_a_report_that_comes_again_is_a_line_each_time(home: Path) -> None:
    words = command("maintain", "--every", "0.01", "--json", home=home)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        found = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert all(json.loads(line) for line in process.stdout)
    assert process.returncode == 0
    assert all(each["problems"] == [] for each in found)


def test_each_row_of_all_answers_in_csv_names_its_question(home: Path) -> None:
    blocks = pinflow("query", "all", "--format", "csv", home=home).split("\n\n")
    assert len(blocks) == 10
    for block in blocks:
        names, *lines = list(csv.reader(io.StringIO(block)))
        assert names[0] == "query"
        assert len({line[0] for line in lines}) <= 1


def test_a_float_of_32_bits_is_shown_as_it_was_sent(home: Path) -> None:
    sql = "SELECT coordinates, coordinates[1] AS latitude FROM geo"
    found = json.loads(pinflow("query", "--format", "json", "--sql", sql, home=home))
    assert found == [{"coordinates": [-89.9787, None], "latitude": -89.9787}]
    assert pinflow("query", "--format", "csv", "--sql", sql, home=home).splitlines()[1] == (
        '"[-89.9787,null]",-89.9787'
    )


def test_on_a_terminal_no_text_of_a_user_acts(home: Path) -> None:
    for form in ("table", "csv", "json"):
        shown = on_a_terminal(
            "query", "--format", form, "--sql", "SELECT raw, title FROM pin, pin_quarantine", home=home
        )
        assert "[31m" in shown
        assert "\x1b[31m" not in shown


def test_an_error_with_a_text_of_a_user_does_not_act_on_a_terminal(home: Path) -> None:
    done = shell("pinflow query $'a\\x1b[31mb'", home)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


def on_a_terminal(*args: str, home: Path) -> str:
    """What a terminal gets of a command."""
    ours, theirs = pty.openpty()
    process: Any = subprocess.Popen(
        command(*args, home=home), stdout=theirs, stdin=theirs, stderr=theirs, env=environment(TERM="xterm")
    )
    os.close(theirs)
    shown = b""
    with process:
        while data := read(ours):
            shown += data
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other side is closed
        return b""


def test_python_m_is_the_same_command(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pinflow", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("pinflow, version ")
