"""Run the suite where nothing was installed by hand: `make test-fresh`.

A bare Debian or Ubuntu of this machine's release, with git, make and Python and without a compiler, is made once by
debootstrap and kept in `build/fresh`. Each run unpacks it, clones the commit that is checked out into it, and runs
`make demo`, `make test` and `make lint` there as root, in namespaces for mounts and processes of its own: whatever a
run starts or mounts is gone with it. Its folder is deleted at the end.

How this machine reaches packages (apt's sources and options, pip's, npm's and Maven's configuration, certificates,
proxies) is copied into the folder at run time. This module needs nothing but Python's standard library, and root.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.tools.system import NEEDS, UnmetError, ensure

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
KEPT = PROJECT / "build" / "fresh"

PACKAGES = ("git", "make", "python3", "python3-venv")
"""What the README asks for, and no more: a package that only tests need would hide that `make test` forgets it."""

STEPS = ("make demo", "make test", "make lint")

FILES = (
    "etc/hosts", "etc/resolv.conf", "etc/apt/trusted.gpg.d",
    "etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates",
    "etc/pip.conf", "etc/xdg/pip/pip.conf", "etc/npmrc", "usr/etc/npmrc", "usr/local/etc/npmrc", "etc/mavenrc",
)  # fmt: skip
"""What tells the clients of this machine where packages are, below `/`."""

HOME_FILES = (".pip/pip.conf", ".config/pip/pip.conf", ".npmrc", ".mavenrc", ".m2/settings.xml")
"""The same below the home of the user."""

BUNDLE, CLONE = "/srv/pinflow.bundle", "/srv/pinflow"
"""Where the bare machine gets the commit, and where it is cloned to."""

PREFIXES = ("PIP_", "NPM_CONFIG_")
NAMES = {
    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
    "JAVA_TOOL_OPTIONS", "MAVEN_OPTS", "MAVEN_ARGS",
}  # fmt: skip
"""Variables that do; in capitals, though proxies and npm are also configured in small letters."""

TRUST = "! command -v update-ca-certificates >/dev/null || update-ca-certificates >/dev/null"
"""Takes up the machine's own certificates, from which Java's store is made later; without it, its package does so."""

MOUNTS = """
mount --bind "$0" "$0"
mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/dev/shm"
mount --rbind /sys "$0/sys"
mount -t proc proc "$0/proc"
exec chroot "$0" /bin/sh -ec "$1"
"""
"""The root is a mount, as on any machine: without that nothing in it could have namespaces of its own."""


class SkippedError(Exception):
    """This machine cannot have the bare one; not a failure of the project."""


class Source(NamedTuple):
    """One of apt's sources."""

    url: str
    suite: str
    component: str


def main() -> int:
    """Run the steps, or a part of the tests; 1 if any failed."""
    parser = argparse.ArgumentParser(prog="make test-fresh", description=__doc__.partition("\n")[0])
    parser.add_argument("tests", nargs="*", help="test files to run instead of everything")
    tests: list[str] = parser.parse_args().tests
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        codename = _release()
        with _alone():
            _try_isolation()
            base = _base(codename)
            with _unpacked(base) as root:
                _configure(root, codename)
                return _run(root, [f"make test TESTS='{' '.join(tests)}'"] if tests else [*STEPS])
    except SkippedError as reason:
        print(f"test-fresh is skipped: {reason}")
        return 0
    except UnmetError as problem:
        print(f"test-fresh: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(root: Path, steps: list[str]) -> int:
    """Clone the commit, take every step though one before it failed, and say what came of each."""
    if subprocess.run(["git", "-C", PROJECT, "diff", "--quiet", "HEAD"], check=False).returncode:
        print("test-fresh: changes that are not committed are not tested")
    subprocess.run(
        ["git", "-C", PROJECT, "bundle", "create", "--quiet", root / BUNDLE.lstrip("/"), "HEAD"],
        check=True,
    )
    if _inside(root, f"{TRUST}; git -c advice.detachedHead=false clone --quiet {BUNDLE} {CLONE}"):
        raise UnmetError("the commit cannot be cloned into the bare machine; git said why")
    codes = {}
    for step in steps:
        print(f"test-fresh: {step}", flush=True)
        codes[step] = _inside(root, f"cd {CLONE} && {step}")
    for step, code in codes.items():
        print(f"test-fresh: {step}: {f'failed with {code}' if code else 'passed'}")
    return 1 if any(codes.values()) else 0


def _release() -> str:
    """The codename of this machine's release.

    Raises:
        SkippedError: There is no bare machine of this kind, or not for this user.
    """
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    if not codename or not shutil.which("apt-get"):
        raise SkippedError(
            "the bare machine is one of this machine's release, and that is not Debian or Ubuntu"
        )
    if os.geteuid() != 0:
        raise SkippedError("only root may make the bare machine: sudo make test-fresh")
    return codename


def _try_isolation() -> None:
    """Do in a folder what the bare machine takes.

    Raises:
        SkippedError: It is not allowed, as in most containers.
    """
    take = 'mknod "$0/null" c 1 3 && : >"$0/null" && mount -t tmpfs tmpfs "$0" && chroot / true'
    with _folder("trial") as folder:
        if _isolated(take, folder):
            raise SkippedError("namespaces, device files or a changed root are not to be had on this machine")


def _base(codename: str) -> Path:
    """An archive of the bare system, made where there is none."""
    archive = KEPT / f"{'-'.join(['base', codename, *PACKAGES])}.tar"
    if archive.exists():
        return archive
    ensure(NEEDS["debootstrap"])
    sources = [source for source in _sources(codename) if source.suite == codename]
    if not sources:
        raise UnmetError(f"no source of apt has the release {codename}, so debootstrap has no mirror to use")
    with _folder("base") as root:
        components = ",".join(dict.fromkeys(source.component for source in sources))
        command = (
            f"debootstrap --variant=minbase --include={','.join(PACKAGES)} --components={components} "
            f'{codename} "$0" {sources[0].url}'
        )
        if _isolated(command, root, env=os.environ | _proxies()):
            raise UnmetError(f"debootstrap failed; its log says why: {command.replace('$0', str(root))}")
        part = archive.with_suffix(".part")
        subprocess.run(["tar", "--create", "--exclude=*.deb", "-f", part, "-C", root, "."], check=True)
        part.rename(archive)
    return archive


@contextmanager
def _unpacked(base: Path) -> Iterator[Path]:
    with _folder("root") as root:
        subprocess.run(["tar", "--extract", "--preserve-permissions", "-f", base, "-C", root], check=True)
        yield root


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """A folder that is deleted at the end, as is one that a killed run left."""
    folder = KEPT / name
    remove = ["rm", "-rf", "--one-file-system", str(folder)]
    subprocess.run(remove, check=True)
    folder.mkdir()
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        subprocess.run(remove, check=True)


@contextmanager
def _alone() -> Iterator[None]:
    """One run at a time, as they share the folder."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnmetError(f"another run uses {KEPT}; wait for its end") from None
        yield


def _configure(root: Path, codename: str) -> None:
    """Let the bare machine reach packages as this one does."""
    for name in FILES:
        _copy(Path("/", name), root / name)
    for name in HOME_FILES:
        _copy(Path.home() / name, root / "root" / name)
    apt = root / "etc" / "apt"
    lines = [f"deb {source.url} {source.suite} {source.component}\n" for source in _sources(codename)]
    (apt / "sources.list").write_text("".join(lines))
    (apt / "apt.conf.d" / "99-of-the-machine").write_text(
        _output("apt-config", "dump", "--no-empty", "--format", '%F "%v";%n', "Acquire")
    )
    for path in _named_paths():
        if not (root / path.relative_to("/")).exists():
            _copy(path, root / path.relative_to("/"))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy(source, target)


def _sources(codename: str) -> list[Source]:
    """Of the machine's sources of apt those of its release, as apt itself reads them."""
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    lines = _output("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines()
    sources = [Source(*line.split()) for line in dict.fromkeys(lines)]
    return [source for source in sources if source.suite.split("-")[0] == codename]


def _proxies() -> dict[str, str]:
    """Apt's proxies, for debootstrap does not ask apt."""
    ask = ("apt-config", "dump", "--format", "%v")
    found = {
        f"{scheme}_proxy": _output(*ask, f"Acquire::{scheme}::Proxy").strip() for scheme in ("http", "https")
    }
    return {name: url for name, url in found.items() if url}


def _variables() -> dict[str, str]:
    """Of the environment what configures the clients, and nothing else."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in NAMES or name.upper().startswith(PREFIXES)
    }


def _named_paths() -> list[Path]:
    """Files and folders of this machine that those variables name."""
    words = [word for value in _variables().values() for word in value.replace(os.pathsep, " ").split()]
    return [Path(word) for word in dict.fromkeys(words) if word.startswith("/") and Path(word).exists()]


def _inside(root: Path, command: str) -> int:
    """Run a shell's command in the bare machine, with a clean environment; its exit code."""
    clean = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root", "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb"), "CI": "1",
    }  # fmt: skip
    return _isolated(MOUNTS, root, command, env=_variables() | clean)


def _isolated(script: str, *arguments: str | Path, env: dict[str, str] | None = None) -> int:
    """Run a script of the shell in namespaces of its own; all that it started and mounted is gone when this returns."""
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
    # Of a group of its own, so that Ctrl-C reaches us alone and we can wait until all of it is gone.
    process = subprocess.Popen(
        [*command, "/bin/sh", "-ec", script, *map(str, arguments)],
        env=env, stdin=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    try:
        return process.wait()
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the first process of the namespace; unshare ends when that one and all others in it are gone."""
    if process.poll() is not None:
        return  # it has ended by itself, and with it the namespace
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(int(child), signal.SIGKILL)
    if not children:
        process.kill()
    process.wait()


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
