"""Other ways to run the service: as a system user, on demand, with credentials, for a user."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.system.machine import Machine

INSTALL = "/bin/sh /src/install.sh --yes"
UNTIL_S = 40.0


def await_(truth: Callable[[], bool], what: str) -> None:
    """Wait until *truth* holds."""
    end = time.monotonic() + UNTIL_S
    while not truth():
        assert time.monotonic() < end, f"not within {UNTIL_S:.0f} s: {what}"
        time.sleep(0.1)


def test_not_started_when_told_so(machine: Machine) -> None:
    """Installed for the system user, enabled, and left alone."""
    machine.run(f"{INSTALL} --system --no-start --wheelhouse /wheels/good", timeout_s=400)

    assert machine.property("ActiveState") == "inactive"
    assert machine.run("systemctl is-enabled rkd").stdout.strip() == "enabled"
    owner = machine.run("stat -c %U:%G /var/lib/rkd/models").stdout.strip()
    assert owner == "rkd:rkd"


def test_as_the_system_user(machine: Machine) -> None:
    """It reaches its models in /var/lib/rkd and sees no home at all."""
    machine.run("systemctl start rkd")
    pid = machine.property("MainPID")

    assert machine.property("User") == "rkd"
    assert machine.run("rkctl ps").returncode == 0
    assert machine.run(f"nsenter -t {pid} -m ls /home/alice", check=False).returncode


def test_a_wrong_configuration_is_not_tried_again(machine: Machine) -> None:
    """Exit 78 ends it; the reason is in the status."""
    machine.run("cp /etc/rkd/rkd.toml /tmp/kept && echo 'bakend = \"npu\"' >> /etc/rkd/rkd.toml")
    machine.run("systemctl restart rkd", check=False)
    status = machine.property("ExecMainStatus")
    state = machine.property("ActiveState")
    said = machine.run("journalctl -u rkd -n 20 -o cat").stdout
    machine.run("cp /tmp/kept /etc/rkd/rkd.toml && systemctl restart rkd")

    assert (status, state) == ("78", "failed")
    assert "bakend" in said


def test_the_key_as_a_credential(machine: Machine) -> None:
    """Root's alone on disk, and TLS works with the copy systemd hands over."""
    machine.run("rkctl cert init --host board && chmod 600 /etc/rkd/tls/server.key")
    machine.run("chown root:root /etc/rkd/tls/server.key && cp /etc/rkd/rkd.toml /tmp/kept")
    machine.run("echo 'tls_cert = \"/etc/rkd/tls/server.crt\"' >> /etc/rkd/rkd.toml")
    machine.run("echo '127.0.0.1 board' >> /etc/hosts")
    there = "/etc/systemd/system/rkd.service.d"
    machine.run(f"mkdir -p {there} && cp /src/systemd/examples/credentials.conf {there}")
    machine.run("systemctl daemon-reload && systemctl restart rkd")
    done = machine.run(
        "rkctl --endpoint https://board:7588 --ca /etc/rkd/tls/ca.crt ps", check=False
    )
    machine.run(f"rm {there}/credentials.conf && cp /tmp/kept /etc/rkd/rkd.toml")
    machine.run("systemctl daemon-reload && systemctl restart rkd")

    assert done.returncode == 0, done.stderr


def test_on_demand(machine: Machine) -> None:
    """The first call starts it, silence stops it, the next call starts it again."""
    there = "/etc/systemd/system/rkd.service.d"
    machine.run(f"mkdir -p {there} && cp /src/systemd/examples/on-demand.conf {there}")
    machine.run(
        "mkdir -p /run/systemd/system/rkd-proxy.service.d && printf '[Service]\\nExecStart=\\n"
        "ExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=2 /run/rkd/rkd.sock\\n' "
        "> /run/systemd/system/rkd-proxy.service.d/quick.conf"
    )
    machine.run("systemctl daemon-reload && systemctl disable --now rkd")
    machine.run("systemctl enable --now rkd-proxy.socket")
    ask = "rkctl --endpoint unix:/run/rkd-proxy.sock ps"

    assert machine.property("ActiveState") == "inactive"
    for _ in range(2):
        machine.run(ask)
        assert machine.property("ActiveState") == "active"
        await_(lambda: machine.property("ActiveState") == "inactive", "stopped when idle")


def test_as_a_users_own_service(machine: Machine) -> None:
    """With linger it runs without anybody logged in, and talks to its own user."""
    machine.run("systemctl disable --now rkd-proxy.socket")
    machine.run(
        "mkdir -p ~/.config/systemd/user && cp /src/systemd/user/rkd.service "
        "~/.config/systemd/user/",
        user="alice",
    )
    # logind asks for a caller in one of the machine's own control groups
    machine.run("systemd-run --quiet --pipe --wait loginctl enable-linger alice")
    uid = machine.run("id -u alice").stdout.strip()
    bus = f"XDG_RUNTIME_DIR=/run/user/{uid}"
    manager = f"test -S /run/user/{uid}/systemd/private"
    await_(lambda: machine.run(manager, check=False).returncode == 0, "alice's manager")
    machine.run(f"{bus} systemctl --user enable --now rkd", user="alice")

    assert machine.run(f"{bus} rkctl ps", user="alice").returncode == 0
    assert machine.run(f"{bus} systemctl --user is-active rkd", user="alice").stdout == "active\n"
