"""The image, built without a registry, run as closed as the compose file says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.models import tiny
from tests.packages.conftest import ANSWERED, ASKED, EPOCH_S, run
from tests.system.machine import CACHE, ROOT, build_wheel, copy_of_the_source

UNTIL_S = 60.0
IMAGE = "localhost/rkd:0.0.1"
HERE_ALLOWED = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
"""What podman asks for by itself is more than a container of containers may have."""
CLOSED = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")


def why_no_container() -> str:
    """Return why no image can be built and run here; empty when it can."""
    wanted = ("buildah", "podman", "runc", "mmdebstrap", "zstd")
    missing = [tool for tool in wanted if not shutil.which(tool)]
    if os.geteuid() != 0:
        return "building an image needs root"
    return f"not installed: {', '.join(missing)}" if missing else ""


pytestmark = pytest.mark.skipif(bool(why_no_container()), reason=why_no_container())


@dataclass(frozen=True)
class Podman:
    """
    Podman with a store of its own.

    Attributes:
        base: where that is.
    """

    base: Path

    def command(self, *words: object) -> list[str]:
        """Return the words of a call."""
        store = (f"--root={self.base}/root", f"--runroot={self.base}/run")
        return ["podman", *store, "--storage-driver=vfs", "--runtime=runc", *map(str, words)]

    def __call__(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run it."""
        command = self.command(*words)
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done


def await_(truth: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait until *truth* holds."""
    end = time.monotonic() + UNTIL_S
    while not truth():
        assert time.monotonic() < end, f"not within {UNTIL_S:.0f} s: {what()}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Path:
    """The image of version 0.0.1, as it is published."""
    base = tmp_path_factory.mktemp("image")
    wheel = build_wheel(copy_of_the_source(base / "source", "0.0.1"), base / "wheel")
    build = (sys.executable, ROOT / "packaging" / "container" / "build.py", wheel, base / "out")
    kept = CACHE / "container-debian.tar"
    run(*build, f"--wheelhouse={wheelhouse}", f"--debian={kept}", SOURCE_DATE_EPOCH=EPOCH_S)
    (made,) = (base / "out").iterdir()
    return made


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Iterator[Podman]:
    """A podman that has the image."""
    ours = Podman(tmp_path_factory.mktemp("podman"))
    assert IMAGE in ours("load", "-q", "-i", archive).stdout
    yield ours
    ours("rm", "--all", "--force", "--time", "5", check=False)


@pytest.fixture(scope="module")
def running(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Podman:
    """A container `rkd`: nobody's, without network, with a volume of models and nothing else."""
    models = tmp_path_factory.mktemp("volume")
    (models / "tiny").mkdir()
    tiny.write(models / "tiny" / "tiny.gguf")
    (models / "tiny" / "Modelfile").write_text("FROM ./tiny.gguf\n")
    for path in (models, *models.rglob("*")):
        os.chown(path, 65534, 65534)
    volume = f"--volume={models}:/models"
    podman("run", "-d", "--name=rkd", "--network=none", *CLOSED, *HERE_ALLOWED, volume, IMAGE)
    await_(
        lambda: podman("exec", "rkd", "rkctl", "list", check=False).returncode == 0,
        lambda: logs(podman),
    )
    return podman


def logs(podman: Podman) -> str:
    """Return what the daemon said."""
    done = podman("logs", "rkd", check=False)
    return done.stdout + done.stderr


def test_a_model_in_the_volume_answers(running: Podman) -> None:
    """On the CPU."""
    await_(lambda: "tiny" in running("exec", "rkd", "rkctl", "list").stdout, lambda: logs(running))

    assert ANSWERED in running("exec", "rkd", "rkctl", *ASKED).stdout


def test_it_is_nobody_with_nothing(running: Podman) -> None:
    """Nobody's user, no capability, no way to a new one, a root it cannot write to."""
    status = running("exec", "rkd", "cat", "/proc/1/status").stdout
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    written = running("exec", "rkd", "touch", "/opt/rkd/x", check=False)

    assert set(lines["Uid"].split()) == {"65534"}
    assert {int(lines[kind], 16) for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert lines["NoNewPrivs"] == "1"
    assert "Read-only file system" in written.stderr
    assert running("exec", "rkd", "rkd", "--version").stdout.strip() == "rkd 0.0.1"


def test_limits_below_what_it_would_like_are_no_error(running: Podman) -> None:
    """It takes what the runtime allows: here 1,024 open files and processes."""
    limits = running("exec", "rkd", "cat", "/proc/1/limits").stdout

    assert "1024                 1024                 files" in limits
    assert '"level": "error"' not in logs(running)


def test_its_health_is_asked_without_a_token(running: Podman) -> None:
    """By grpc.health.v1 on its own socket; a daemon that is not there is not healthy."""
    running("healthcheck", "run", "rkd")
    alone = ("run", "--rm", "--network=none", *HERE_ALLOWED, "--entrypoint=/opt/rkd/bin/python")
    check = "/opt/rkd/share/rkd/packaging/container/healthcheck.py"
    done = running(*alone, IMAGE, check, check=False)

    assert done.returncode == 1
    assert "UNAVAILABLE" in done.stderr


def test_stopped_it_ends_by_itself(running: Podman) -> None:
    """Within its grace, and with 0: nothing has to kill it."""
    running("stop", "--time", "50", "rkd")
    (told,) = json.loads(running("inspect", "rkd").stdout)

    assert told["State"]["ExitCode"] == 0, logs(running)


def test_the_compose_files_ask_for_no_more(podman: Podman) -> None:
    """No privileges, no capability, one device, and the same user and closed root as above."""
    base = (ROOT / "packaging/container/compose.yaml").read_text()
    npu = (ROOT / "packaging/container/compose.npu.yaml").read_text()

    assert podman.base.exists()
    for line in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges", 'user: "65534:65534"'):
        assert line in base
    for word in ("privileged: true", "systempaths", "cap_add", "seccomp", "ulimits"):
        assert word not in base + npu
    assert npu.count("/dev/") - npu.count("#") <= 2
