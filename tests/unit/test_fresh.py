"""The bare machine of `make test-fresh`: what reaches it of this one, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.ports import ROOT
from tests.tools import fresh
from tests.tools.system import UnmetError


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the runs of these tests keep what they make."""
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setattr(fresh, "KEPT", folder)
    return folder


@pytest.fixture
def isolation(kept: Path) -> None:
    """Skip where a machine has no namespaces, as the target itself does there."""
    try:
        fresh._release()
        fresh._try_isolation()
    except fresh.SkippedError as reason:
        pytest.skip(str(reason))


def test_of_the_environment_only_what_configures_the_clients_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in os.environ:
        monkeypatch.delenv(name)
    passed = {
        "PIP_FIND_LINKS": str(tmp_path), "https_proxy": "http://proxy:1", "NO_PROXY": "localhost",
        "npm_config_cafile": "/none.pem", "SSL_CERT_FILE": "/none.pem", "MAVEN_OPTS": "-Xmx1g",
    }  # fmt: skip
    for name, value in (
        passed | {"MAVEN_HOME": "/opt", "PATH": "/bin", "PYTHONPATH": "/x", "SECRET": "s"}
    ).items():
        monkeypatch.setenv(name, value)
    assert fresh._variables() == passed
    assert fresh._named_paths() == [tmp_path]


def test_configuration_is_copied_and_what_is_missing_is_left_out(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "root" / "etc" / "target"
    fresh._copy(source, target)
    assert not target.parent.exists()
    source.mkdir()
    (source / "file").write_text("it")
    fresh._copy(source, target)
    fresh._copy(source / "file", target / "file")
    assert (target / "file").read_text() == "it"


def test_the_folder_of_a_run_is_new_and_deleted_also_where_it_fails(kept: Path) -> None:
    (kept / "root").mkdir()
    (kept / "root" / "left").write_text("by a run that was killed")

    def fail() -> None:
        with fresh._folder("root") as folder:
            assert [*folder.iterdir()] == []
            (folder / "file").write_text("it")
            raise UnmetError("it failed")

    with pytest.raises(UnmetError, match="it failed"):
        fail()
    assert [*kept.iterdir()] == []


def test_a_second_run_at_the_same_time_is_refused() -> None:
    with fresh._alone(), pytest.raises(UnmetError, match="another run uses"), fresh._alone():
        pass


SCRIPT = """
mount -t tmpfs tmpfs "$0"
grep -c "$0" /proc/self/mounts
sleep 1000 &
"""
"""Mounts something, says so, and leaves a process that has its output."""

CALL = "import sys; from tests.tools.fresh import _isolated; sys.exit(_isolated(*sys.argv[1:]))"


def started(folder: Path, script: str, *, start_new_session: bool = False) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CALL, script, str(folder)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=start_new_session,
    )  # fmt: skip


def mounted(folder: Path) -> bool:
    return str(folder) in Path("/proc/self/mounts").read_text()


@pytest.mark.usefixtures("isolation")
def test_a_script_leaves_no_mount_and_no_process_behind(tmp_path: Path) -> None:
    process = started(tmp_path, SCRIPT + "exit 7")
    output, _ = process.communicate()  # which ends when nobody can write any more
    assert (output, process.returncode) == ("1\n", 7)
    assert not mounted(tmp_path)


@pytest.mark.usefixtures("isolation")
def test_an_interrupt_of_the_whole_group_as_by_a_terminal_ends_a_script_too(tmp_path: Path) -> None:
    process = started(tmp_path, "echo started; exec sleep 1000", start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGINT
    assert said.splitlines()[-1] == "KeyboardInterrupt"


@pytest.mark.usefixtures("isolation")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_script_that_is_interrupted_leaves_no_mount_and_no_process_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = started(tmp_path, SCRIPT + "wait")
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    process.send_signal(number)
    process.communicate()
    assert process.returncode == -number
    assert not mounted(tmp_path)
