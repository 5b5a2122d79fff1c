"""
rkd-clocks on a real systemd, over a tree whose devfreq folders are links, as sysfs has them.

Each test is the next step of the same machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.system.machine import Machine

INSTALL = "/bin/sh /src/install.sh --yes --system --wheelhouse /wheels/good"
UNTIL_S = 60.0
BOARD = "/srv/board"
DDR = "sys/class/devfreq/dmc"
CPU = "sys/devices/system/cpu/cpufreq"
REST = "dmc_ondemand ondemand"
UP = "performance performance"

TREE = f"""
cp -r /src/tests/data/board/rock-5b {BOARD} && chown -R root:root {BOARD}
chmod -R u=rwX,go=rX {BOARD} && ln -s /run {BOARD}/run
cd {BOARD}/sys/class/devfreq && mkdir -p ../../devices/platform
for name in dmc fdab0000.npu; do
    mkdir -p ../../devices/platform/$name/devfreq
    mv $name ../../devices/platform/$name/devfreq/ &&
    ln -s ../../devices/platform/$name/devfreq/$name $name
done
"""
DROP_INS = f"""
units=/etc/systemd/system
mkdir -p $units/rkd.service.d $units/rkd-clocks.service.d
printf '[Service]\\nEnvironment=RKD_SYSROOT={BOARD}\\n' |
    tee $units/rkd.service.d/tree.conf >$units/rkd-clocks.service.d/tree.conf
# what the unit says of /sys, said of the tree
echo ReadOnlyPaths={BOARD} >>$units/rkd-clocks.service.d/tree.conf
sed -n 's#^ReadWritePaths=-/sys#ReadWritePaths=-{BOARD}/sys#p' /src/systemd/rkd-clocks.service \
    >>$units/rkd-clocks.service.d/tree.conf
"""


def await_(truth: Callable[[], object], what: str) -> None:
    """Wait until *truth* holds."""
    end = time.monotonic() + UNTIL_S
    while not truth():
        assert time.monotonic() < end, f"not within {UNTIL_S:.0f} s: {what}"
        time.sleep(0.1)


def governors(machine: Machine) -> str:
    """Of memory and fast cores."""
    read = f"cat {BOARD}/{DDR}/governor {BOARD}/{CPU}/policy4/scaling_governor"
    return " ".join(machine.run(read).stdout.split())


def until(machine: Machine, wanted: str) -> None:
    """Wait for governors."""
    log = machine.run("journalctl -u rkd-clocks -n 20 -o cat").stdout
    await_(lambda: governors(machine) == wanted, f"{wanted}; {log}")


@contextmanager
def answering(machine: Machine) -> Iterator[None]:
    """While models answer, one after the other."""
    machine.run("rm -f /tmp/enough")
    ask = "rkctl generate slow a --raw --max-tokens 1000 >/dev/null"
    asker = machine.popen(f"until [ -e /tmp/enough ]; do {ask}; done")
    try:
        yield
    finally:
        machine.run("touch /tmp/enough")
        asker.communicate(timeout=300)


@pytest.fixture(scope="module")
def board(machine: Machine) -> Machine:
    """Installed with clocks; governors at rest."""
    machine.run(TREE)
    machine.run(f"mkdir -p /etc/systemd/system && {DROP_INS}")
    machine.run(f"{INSTALL} --clocks", timeout_s=400)
    machine.run("rkctl create slow -f /weights/Modelfile.slow", timeout_s=120)
    return machine


def test_nothing_runs_while_nobody_answers(board: Machine) -> None:
    """The socket alone is there, for rkd's group."""
    owner = board.run("stat -c '%a %U:%G' /run/rkd-clocks/answering").stdout.strip()

    assert owner == "660 root:rkd"
    assert board.property("ActiveState", "rkd-clocks.socket") == "active"
    assert board.property("ActiveState", "rkd-clocks.service") == "inactive"
    assert governors(board) == REST


def test_the_first_answer_starts_it(board: Machine) -> None:
    """Up in the meantime, and as they were afterwards."""
    with answering(board):
        until(board, UP)
        assert board.property("ActiveState", "rkd-clocks.service") == "active"
    until(board, REST)


def test_it_may_do_nothing_else(board: Machine) -> None:
    """No capability; of the tree the clocks' folders alone; no way to the daemon's socket."""
    with answering(board):
        until(board, UP)
        pid = board.property("MainPID", "rkd-clocks.service")
        inside = f"nsenter -t {pid} -m"
        caps = board.run(f"grep CapEff /proc/{pid}/status").stdout.split()[1]
        clock = board.run(f"{inside} touch {BOARD}/{DDR}/governor", check=False)
        other = board.run(f"{inside} touch {BOARD}/proc/loadavg", check=False)
        bare = "setpriv --bounding-set=-all --inh-caps=-all --no-new-privs"
        socket = board.run(f"{inside} {bare} ls /run/rkd", check=False)
    until(board, REST)

    assert int(caps, 16) == 0
    assert (clock.returncode, other.returncode != 0) == (0, True)
    assert "Read-only" in other.stderr
    assert "Permission denied" in socket.stderr


@pytest.mark.parametrize("signal", ["KILL", "ABRT", "STOP"])
def test_killed_or_hung_it_leaves_nothing_up(board: Machine, signal: str) -> None:
    """Systemd puts back what it left; the answer that goes on has it up again."""
    with answering(board):
        until(board, UP)
        before = board.property("MainPID", "rkd-clocks.service")
        board.run(f"kill -{signal} {before}")
        await_(
            lambda: board.property("MainPID", "rkd-clocks.service") not in {"0", before},
            "another one",
        ) if signal != "STOP" else board.run("systemctl kill -s KILL rkd-clocks.service")
        until(board, UP)
    until(board, REST)


def test_a_daemon_that_is_killed_leaves_nothing_up(board: Machine) -> None:
    """Whatever it was doing."""
    with answering(board):
        until(board, UP)
        board.run("systemctl stop rkd-proxy.socket; systemctl kill -s KILL rkd.service")
        board.run("systemctl stop rkd.service")
        until(board, REST)
        board.run("systemctl start rkd.service")


def test_stopped_it_puts_back(board: Machine) -> None:
    """With its socket, by whoever wants it gone, in the midst of an answer."""
    with answering(board):
        until(board, UP)
        board.run("systemctl stop rkd-clocks.socket rkd-clocks.service")
        assert governors(board) == REST
        assert board.run("test -e /run/rkd-clocks/answering", check=False).returncode
    board.run("systemctl start rkd-clocks.socket")


def test_always_is_from_boot_on(board: Machine) -> None:
    """Another way, said by the same option."""
    board.run(f"{INSTALL} --clocks=always", timeout_s=400)
    until(board, UP)
    board.reboot()
    until(board, UP)
    # a tree on disk keeps what sysfs forgets with the power: it was up before, so it stays
    board.run(f"systemctl stop rkd-clocks && echo dmc_ondemand >{BOARD}/{DDR}/governor")
    board.run(f"echo ondemand >{BOARD}/{CPU}/policy4/scaling_governor")
    board.run("systemctl start rkd-clocks")
    until(board, UP)


def test_off_takes_it_away(board: Machine) -> None:
    """Governors are back, units and folder gone; the daemon serves all the same."""
    board.run(f"{INSTALL} --clocks=off", timeout_s=400)

    assert governors(board) == REST
    left = board.run("ls -d /etc/systemd/system/*clocks* /run/rkd-clocks 2>/dev/null", check=False)
    assert left.stdout.split() in ([], ["/etc/systemd/system/rkd-clocks.service.d"])
    assert board.run("rkctl ps").returncode == 0
