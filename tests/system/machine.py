"""
A Debian of its own with a real systemd as process 1, booted with systemd-nspawn in a second.

Cached under `.cache/system/`: the bare root file system (mmdebstrap, about a minute once) and the
packages. Each machine is an overlay over it, on a private network, in a control group and mount
namespace of its own, so that nothing of it stays behind.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("RKD_TEST_CACHE", ROOT / ".cache" / "system"))
SUITES = ("bookworm", "trixie")
"""systemd 252 and 257, Python 3.11 and 3.13: what boards run."""

PYTHONS = ("3.11", "3.13")
PACKAGES = (
    "systemd,systemd-sysv,dbus,libpam-systemd,python3,python3-venv,ca-certificates,udev,"
    "iproute2,procps,sudo,man-db,bash-completion"
)
BOOT_S = 60.0
REBOOT_ASKED = 133
UNIFIED = Path("/sys/fs/cgroup/unified")


def why_not() -> str:
    """Return why no machine can be booted here; empty when one can."""
    missing = [
        tool for tool in ("systemd-nspawn", "mmdebstrap", "nsenter") if not shutil.which(tool)
    ]
    if os.geteuid() != 0:
        return "booting a machine needs root"
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install systemd-container mmdebstrap)"
    return ""


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cache's lock *name*: two test runs build it once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def root_filesystem(suite: str, packages: str = PACKAGES) -> Path:
    """Return the bare Debian with *packages*, made when it is not there."""
    name = f"{suite}-{sha256(packages.encode()).hexdigest()[:12]}"
    target = CACHE / name
    with locked(name):
        if not target.exists():
            draft = CACHE / f"{name}.part"
            shutil.rmtree(draft, ignore_errors=True)
            command = ["mmdebstrap", "--variant=minbase", f"--include={packages}"]
            subprocess.run([*command, suite, str(draft)], check=True, timeout=900)
            draft.rename(target)
    return target


def wheelhouse() -> Path:
    """Return a folder with every package the lock names for these machines, but not rkd itself."""
    packaging = ROOT / "packaging"
    made_of = [*sorted((packaging / "lock").iterdir()), packaging / "wheels.py", Path(__file__)]
    wanted_now = sha256(b"".join(file.read_bytes() for file in made_of)).hexdigest()[:12]
    target = CACHE / f"wheelhouse-{wanted_now}"
    with locked("wheelhouse"):
        if not target.exists():
            draft = CACHE / "wheelhouse.part"
            shutil.rmtree(draft, ignore_errors=True)
            chosen = [f"--python={python}" for python in PYTHONS]
            command = [sys.executable, str(packaging / "wheels.py"), str(draft), *chosen]
            subprocess.run([*command, f"--arch={platform.machine()}"], check=True, timeout=900)
            # a bare Debian has no OpenMP; without network it comes from here as well
            subprocess.run(
                [
                    "apt-get",
                    "-qq",
                    "-o",
                    "APT::Sandbox::User=",
                    "download",
                    "libgomp1",
                    "gcc-12-base",
                ],
                cwd=draft,
                check=True,
            )
            draft.rename(target)
    return target


def copy_of_the_source(folder: Path, version: str) -> Path:
    """Copy what a wheel is made of, as *version*."""
    kept = (
        *("rkd", "clients", "systemd", "packaging", "proto", "docs"),
        *("install.sh", "pyproject.toml", "README.md", "LICENSE"),
    )
    folder.mkdir(parents=True)
    for name in kept:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, folder)
    (folder / "README.md").touch()
    init = folder / "rkd" / "__init__.py"
    text = init.read_text()
    before = text[text.index("__version__") :].partition("\n")[0]
    init.write_text(text.replace(before, f'__version__ = "{version}"'))
    return folder


def build_wheel(source: Path, folder: Path) -> Path:
    """Build rkd's wheel from *source* into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder)]
    subprocess.run([*command, str(source)], check=True, timeout=600)
    (made,) = folder.glob("rkd_llm-*.whl")
    return made


class Machine:
    """
    A booted system.

    Args:
        folder: where its writable layer goes.
        shared: host folder by the path it gets inside, read-only.
        suite: which Debian.
        packages: what it has.
    """

    def __init__(
        self,
        folder: Path,
        shared: dict[str, Path],
        *,
        suite: str = SUITES[0],
        packages: str = PACKAGES,
    ) -> None:
        self.suite = suite
        self._packages = packages
        self.folder = folder
        self.root = folder / "root"
        self._shared = shared
        self._group = UNIFIED / f"rkd-test-{os.getpid()}-{id(self):x}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        lower = root_filesystem(self.suite, self._packages)
        layers = f"lowerdir={lower},upperdir={self.folder}/upper"
        mount = ["mount", "-t", "overlay", "overlay", "-o", f"{layers},workdir={self.folder}/work"]
        subprocess.run([*mount, str(self.root)], check=True)
        (self.root / "etc/hostname").write_text("board\n")
        (self.root / "etc/resolv.conf").unlink(missing_ok=True)
        (self.root / "dev").mkdir(exist_ok=True)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        subprocess.run(["umount", "-l", str(self.root)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        for group in sorted(self._group.rglob("*"), reverse=True):
            if group.is_dir():
                group.rmdir()
        if self._group.exists():
            self._group.rmdir()

    def _start(self) -> None:
        binds = [f"--bind-ro={host}:{inside}" for inside, host in self._shared.items()]
        command = [
            "systemd-nspawn",
            f"--directory={self.root}",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--private-network",
            # without these the kernel ignores DeviceAllow and IPAddressDeny in silence
            "--system-call-filter=bpf",
            "--capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN",
            *binds,
        ]
        # nspawn leaves groups and mounts where it was started: so it starts in its own
        if UNIFIED.exists():
            self._group.mkdir(exist_ok=True)
            enter = f'echo $$ > "{self._group}/cgroup.procs"; '
        else:
            enter = ""
        with (self.folder / "console").open("wb") as console:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", enter + 'exec unshare --mount "$@"', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        self.await_boot()

    def leader(self) -> int:
        """Return the host's number of process 1; 0 while there is none."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        if self._process.poll() is not None:
            raise AssertionError(f"the machine is gone:\n{self.console()}")
        found = children.read_text().split()
        return int(found[0]) if found else 0

    def console(self) -> str:
        """Return the end of what was printed while booting."""
        return (self.folder / "console").read_text(errors="replace")[-3000:]

    def await_boot(self) -> None:
        """Wait until systemd says it runs."""
        end = time.monotonic() + BOOT_S
        while time.monotonic() < end:
            if self.leader():
                said = self.run("systemctl is-system-running", check=False).stdout.strip()
                if said in {"running", "degraded"}:
                    return
            time.sleep(0.1)
        raise AssertionError(f"no boot within {BOOT_S:.0f} s:\n{self.console()}")

    def reboot(self) -> None:
        """Reboot, and wait."""
        assert self._process is not None
        self.run("systemctl reboot", check=False)
        # with --keep-unit nspawn leaves the restart to who started it, and says so by 133
        code = self._process.wait(BOOT_S)
        if code != REBOOT_ASKED:
            raise AssertionError(f"nspawn ended with {code}:\n{self.console()}")
        self._start()

    def popen(self, command: str, *, user: str = "root") -> subprocess.Popen[str]:
        """Start a shell command inside."""
        return subprocess.Popen(
            self.entering(command, user),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, command: str, *, user: str = "root", check: bool = True, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside; with *check* a failure tells what it printed."""
        done = subprocess.run(
            self.entering(command, user),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            said = f"{command!r} returned {done.returncode}\n{done.stdout}\n{done.stderr}"
            raise AssertionError(said)
        return done

    def entering(self, command: str, user: str) -> Sequence[str]:
        """Return the host's command that runs *command* inside."""
        spaces = ["nsenter", "-t", str(self.leader()), "-m", "-u", "-i", "-n", "-p", "-C"]
        home = "/root" if user == "root" else f"/home/{user}"
        clean = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", f"HOME={home}"]
        become = [] if user == "root" else ["runuser", "-u", user, "--"]
        return [*spaces, *clean, *become, "/bin/sh", "-c", command]

    def property(self, name: str, unit: str = "rkd.service") -> str:
        """Return a property of *unit*."""
        return self.run(f"systemctl show -P {name} {unit}").stdout.strip()
