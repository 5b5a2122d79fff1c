"""The shipped units: valid, and as closed as they claim."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rkd import config as configuration
from rkd.board.clocks import DDR, POLICIES
from rkd.board.soc import NPU_AT
from rkd.clocks.__main__ import RUN
from rkd.daemon.life import STOP_MARGIN_S
from rkd.telemetry.answering import RAISER

UNITS = Path(__file__).resolve().parents[2] / "systemd"
ANALYZE = shutil.which("systemd-analyze")

SOCKETS = (
    *("rkd-proxy.socket", "rkd-proxy.service", "rkd-gateway.socket", "rkd-gateway.service"),
    *("rkd-console.socket", "rkd-console.service"),
    *("rkd-clocks.socket", "rkd-clocks.service"),
)
CLOSED = (
    "rkd.service",
    "rkd-proxy.service",
    "rkd-gateway.service",
    "rkd-console.service",
    "rkd-clocks.service",
)
needs_analyze = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze; it needs no running systemd."""
    assert ANALYZE
    return subprocess.run(
        [ANALYZE, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", ["rkd.service", "user/rkd.service"])
def test_systemd_waits_for_the_stop_the_daemon_promises(name: str) -> None:
    """The grace of answers and the margin after it, and then some."""
    found = re.search(r"^TimeoutStopSec=(\d+)$", (UNITS / name).read_text(), re.MULTILINE)
    grace_s = configuration.read({}, user_id=0).stop_grace

    assert found
    assert int(found[1]) >= grace_s + STOP_MARGIN_S + 10


@pytest.mark.parametrize("name", ["rkd.service", "user/rkd.service"])
def test_a_daemon_that_ends_comes_back(name: str) -> None:
    """Whatever it ended with, but for a wrong configuration; and without a count."""
    lines = (UNITS / name).read_text().splitlines()

    assert {"Restart=always", "StartLimitIntervalSec=0", "RestartPreventExitStatus=78"} <= {*lines}


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with programs that exist here in place of ours."""
    for path in UNITS.rglob("rkd*.s*"):
        text = path.read_text().replace("/opt/rkd/current/bin/rkctl", "/bin/true")
        target = tmp_path / path.relative_to(UNITS)
        target.parent.mkdir(exist_ok=True)
        for command in ("rkd-gateway", "rkd-console", "rkd", "python -I -m rkd.clocks"):
            text = text.replace(f"/opt/rkd/current/bin/{command}", "/bin/true")
        target.write_text(text)
    return tmp_path


@needs_analyze
@pytest.mark.parametrize("name", ["rkd.service", "user/rkd.service", *SOCKETS])
def test_units_have_no_unknown_words(units: Path, name: str) -> None:
    """`verify` returns 0 for unknown keys, so its standard error must be empty as well."""
    done = analyze("verify", str(units / name))

    assert (done.returncode, done.stderr) == (0, "")


@needs_analyze
@pytest.mark.parametrize("name", CLOSED)
def test_exposure_stays_low(units: Path, name: str) -> None:
    """2.0 at most, on systemd's scale from 0 (closed) to 10."""
    done = analyze("security", "--offline=true", "--threshold=20", str(units / name))

    assert done.returncode == 0, done.stdout[-200:]


def test_of_sys_the_clocks_may_write_governors_alone() -> None:
    """The folders of the clocks the daemon knows, and no other."""
    text = (UNITS / "rkd-clocks.service").read_text()
    written = set(re.findall(r"^ReadWritePaths=-/(.*)$", text, re.MULTILINE))
    npus = {f"sys/class/devfreq/{name}" for name in NPU_AT}

    assert written == npus | {DDR, str(Path(POLICIES).parent)}
    assert "ProtectKernelTunables=yes" in text
    assert "CapabilityBoundingSet=\n" in text


def test_the_daemon_connects_where_the_clocks_listen() -> None:
    """The socket's place is said in two languages."""
    text = (UNITS / "rkd-clocks.socket").read_text()

    assert f"ListenStream=/{RAISER}\n" in text
    assert f"{RUN}/answering" == RAISER
