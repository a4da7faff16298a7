"""What `make test` needs of the system, tried by using it: `python -m tests.tools.system NEED…`.

That a program is there by its name does not mean that it works: it may call one of another package, or not be allowed
to do what it is for. So every need is tried by doing what the tests do with it. Only if that fails are its packages
installed and it is tried again; if it still fails, the message says what was tried and what to do next.

What worked is noted in `build/system`, with the programs that it used, and not tried again until one of them changes.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.servers.ports import ROOT, SEARCHED

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NEEDS", "Need", "UnmetError", "ensure", "may_mount", "missing_packages"]

STAMPS = ROOT / "build" / "system"

APT_OPTIONS = ("-qq", "--option", "DPkg::Lock::Timeout=600", "--option", "Dpkg::Use-Pty=0")
"""Few words, and ten minutes of patience with another that installs packages."""


class UnmetError(Exception):
    """A need that is not met: what happened, where, and what to do next."""


class Need(NamedTuple):
    """Something that tests use."""

    name: str
    """As `make` calls it."""
    title: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    """Debian's and Ubuntu's."""
    trial: Callable[[Path], None]
    """Uses it in a folder; its name says how, and what it raises is the reason why it does not work."""
    without: str = ""
    """What the tests do without it; empty if they cannot do without it."""


def make_certificates(folder: Path) -> None:
    """Make an authority and sign a certificate."""
    from tests.certificates import certificates

    certificates(folder)


def trace_a_program(folder: Path) -> None:
    """Trace what Python writes."""
    trace = folder / "trace"
    _use("strace", "-f", "-y", "-e", "trace=write", "-o", str(trace), sys.executable, "-c", "print('seen')")
    assert "seen" in trace.read_text(), f"strace saw no write of the program: {trace.read_text()}"


def mount_a_small_disk(folder: Path) -> None:
    """Mount a tmpfs and write to it."""
    if os.geteuid() != 0:
        raise PermissionError("only root may mount")
    _use("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    try:
        (folder / "file").write_text("written")
    finally:
        _use("umount", "-l", str(folder))


def start_mariadb(folder: Path) -> None:
    """Start a server on a new data folder and query it."""
    from tests.servers.mariadb import running

    with running(folder) as server:
        assert server.execute("SELECT 1") == ((1,),)


def start_kafka(folder: Path) -> None:
    """Start a broker from the jars in build/kafka."""
    from tests.servers.kafka import LIBS, brokers

    assert LIBS.is_dir(), "its jars are missing: make system"
    with brokers():
        pass


def start_kinesalite(folder: Path) -> None:
    """Start kinesalite from build/kinesalite."""
    from tests.servers.kinesis import KINESALITE, kinesalite

    assert KINESALITE.exists(), f"{KINESALITE} is missing: make system"
    with kinesalite(folder):
        pass


def read_a_project_with_maven(folder: Path) -> None:
    """Validate the project file of the Kafka jars, with nothing downloaded."""
    pom = ROOT / "tests" / "servers" / "kafka" / "pom.xml"
    local = f"-Dmaven.repo.local={folder}"
    _use("mvn", "--quiet", "--batch-mode", "--offline", local, "--file", str(pom), "validate")


def install_nothing_with_npm(folder: Path) -> None:
    """Install a package that needs no other, with nothing downloaded."""
    (folder / "package.json").write_text('{"name": "trial", "version": "1.0.0"}')
    _use("npm", "install", "--offline", "--no-audit", "--no-fund", "--prefix", str(folder))
    assert (folder / "package-lock.json").exists(), "npm install wrote no package-lock.json"


def say_the_version_of_debootstrap(folder: Path) -> None:
    """Print its version, as making a system takes minutes and is what comes next anyway."""
    _use("debootstrap", "--version")


_ALL = (
    Need("openssl", "openssl", ("openssl",), ("openssl",), make_certificates),
    Need(
        "strace", "strace", ("strace",), ("strace",), trace_a_program,
        without="the test that looks at the system calls of the gateway is skipped",
    ),
    Need(
        "disk", "a small disk", ("mount", "umount"), ("mount",), mount_a_small_disk,
        without="the tests that fill one are skipped",
    ),
    Need(
        "mariadb", "MariaDB", ("mariadbd", "mariadb-install-db", "my_print_defaults"),
        ("mariadb-server-core", "mariadb-client-core"), start_mariadb,
    ),
    Need("maven", "Maven", ("mvn", "java"), ("maven", "default-jre-headless"), read_a_project_with_maven),
    Need("npm", "npm", ("npm", "node"), ("npm",), install_nothing_with_npm),
    Need("kafka", "a Kafka broker", ("java",), ("default-jre-headless",), start_kafka),
    Need("kinesalite", "kinesalite", ("node",), ("nodejs",), start_kinesalite),
    Need("debootstrap", "debootstrap", ("debootstrap",), ("debootstrap",), say_the_version_of_debootstrap),
)  # fmt: skip

NEEDS = {need.name: need for need in _ALL}


def ensure(need: Need, *, again: bool = False, stamps: Path = STAMPS) -> None:
    """Try a need, install its packages if it fails, and try it again.

    Args:
        need: One of `NEEDS`.
        again: Try it even if it is noted that it worked.
        stamps: The folder of those notes.

    Raises:
        UnmetError: It does not work, and the tests cannot do without it; in CI they can do without nothing.
    """
    stamp = stamps / need.name
    if not again and stamp.exists() and stamp.read_text() == _programs(need):
        return
    problem = _problem(need)
    if problem and _install(need, stamps):
        problem = _problem(need)
    if problem is None:
        stamps.mkdir(parents=True, exist_ok=True)
        stamp.write_text(_programs(need))
        return
    stamp.unlink(missing_ok=True)
    if not need.without or os.environ.get("CI"):
        raise UnmetError(_message(need, problem))
    print(f"{need.title} cannot be used here, so {need.without}: {problem}")


def may_mount() -> bool:
    """Whether a test may mount a small disk here."""
    return _problem(NEEDS["disk"]) is None


def missing_packages(packages: tuple[str, ...]) -> list[str]:
    """Those of the packages that are not installed, as dpkg knows it."""
    known = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *packages],
        capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    return [package for package in packages if f"{package} installed" not in known]


def _problem(need: Need) -> str | None:
    """Why a need is not met, None if its trial succeeds."""
    for program in need.programs:
        if shutil.which(program, path=SEARCHED) is None:
            return f"{program} is not installed"
    with tempfile.TemporaryDirectory(prefix="pinflow-trial-") as folder:
        try:
            need.trial(Path(folder))
        except (AssertionError, OSError, subprocess.CalledProcessError) as error:
            return str(error).strip()
    return None


def _install(need: Need, stamps: Path) -> bool:
    """Install what is missing of its packages; whether there was any, and apt-get to do it.

    One process at a time, as `make system` installs its parts at the same time: apt-get gives up at once where another
    reads the lists of packages, and what was missing may have come in the meantime.
    """
    if not shutil.which("apt-get"):
        return False
    stamps.mkdir(parents=True, exist_ok=True)
    with (stamps / "apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _install_alone(need)


def _install_alone(need: Need) -> bool:
    wanted = missing_packages(need.packages)
    if not wanted:
        return False
    print(f"installing {' '.join(wanted)} for {need.title}", flush=True)
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *APT_OPTIONS]
    # The lists may be fresh enough where an update fails; if they are not, the installation says so.
    subprocess.run([*apt, "update"], check=False)
    install = [*apt, "install", "--yes", "--no-install-recommends", *wanted]
    return subprocess.run(install, check=False).returncode == 0


def _message(need: Need, problem: str) -> str:
    packages = " ".join(need.packages)
    installed = shutil.which("dpkg-query") and not missing_packages(need.packages)
    advice = (
        f"mend what that says; installed are {packages}"
        if installed
        else f"install {packages}, or what your system calls them"
    )
    return (
        f"{need.title} does not work on this machine: {problem}\n"
        f"  tried: {need.trial.__name__.replace('_', ' ')}\n"
        f"  next:  {advice}; then the same command again"
    )


def _programs(need: Need) -> str:
    """The paths of its programs and when each was changed."""
    found = [shutil.which(program, path=SEARCHED) for program in need.programs]
    return "".join(f"{path} {Path(path).stat().st_mtime_ns}\n" for path in found if path)


def _use(*command: str) -> None:
    """Run a program.

    Raises:
        AssertionError: It failed; with what it printed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = (done.stdout + done.stderr).strip()
    assert done.returncode == 0, f"{' '.join(command)} failed with {done.returncode}: {printed}"


def main() -> int:
    """Ensure the needs that are named; 1 if one is not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.system")
    parser.add_argument("needs", nargs="+", choices=NEEDS, metavar="NEED", help=", ".join(NEEDS))
    parser.add_argument("--again", action="store_true", help="try also what is noted to have worked")
    arguments = parser.parse_args()
    try:
        for name in arguments.needs:
            ensure(NEEDS[name], again=arguments.again)
    except UnmetError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
