"""The console as install.sh sets it up, on a systemd really booted."""

from __future__ import annotations

from tests.system.machine import Machine

INSTALL = "/bin/sh /src/install.sh --yes --system --console --wheelhouse /wheels/good"
CONSOLE = "rkd-console.service"
LOOKS = """
import urllib.request
wanted = urllib.request.Request("http://127.0.0.1:7589/models", headers={"Accept": "text/html"})
with urllib.request.urlopen(wanted, timeout=60) as page:
    print(page.status, page.url, "signin.js" in page.read().decode())
"""
"""A browser that is not signed in."""


def test_the_first_look_starts_it(machine: Machine) -> None:
    """Of nobody's user, closed as far as its unit says; it asks who is there."""
    machine.run(INSTALL, timeout_s=400)
    assert machine.property("ActiveState", CONSOLE) == "inactive"
    answer = machine.run(f"/opt/rkd/current/bin/python -c '{LOOKS}'", user="nobody")

    form = "http://127.0.0.1:7589/signin?next=/models"
    assert answer.stdout.split() == ["200", form, "True"]
    assert machine.property("ActiveState", CONSOLE) == "active"
    assert machine.run(f"systemd-analyze verify {CONSOLE}").stderr == ""
    machine.run(f"systemd-analyze security --threshold=20 {CONSOLE}")
    status = machine.run(f"cat /proc/{machine.property('MainPID', CONSOLE)}/status").stdout
    assert "CapEff:\t0000000000000000" in status


def test_it_goes_without_a_trace(machine: Machine) -> None:
    """Its units, its process and its settings leave with the rest."""
    machine.run("/bin/sh /src/install.sh --yes --uninstall", timeout_s=400)

    assert machine.property("LoadState", CONSOLE) == "not-found"
    assert machine.property("LoadState", "rkd-console.socket") == "not-found"
    assert machine.run("pgrep -f '[r]kd_console'", check=False).returncode
