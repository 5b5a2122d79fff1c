"""
The life of an installation, told in order: installed, killed, hung, rebooted, upgraded, removed.

Each test is the next step of the same machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.system.machine import Machine

INSTALL = "/bin/sh /src/install.sh --yes"
UNTIL_S = 60.0
LEFT_BY_DEBIAN = (
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/etc/.pwd.lock",
    "/var/lib/systemd",
    "/var/log",
    "/var/tmp",
    "/root/.cache",
    "/var/lib/dpkg",
    "/var/cache/ldconfig",
)
"""What the system's own tools leave when users are made and services run."""


def await_(truth: Callable[[], bool], what: str) -> None:
    """Wait until *truth* holds."""
    end = time.monotonic() + UNTIL_S
    while not truth():
        assert time.monotonic() < end, f"not within {UNTIL_S:.0f} s: {what}"
        time.sleep(0.1)


def everything(machine: Machine) -> set[str]:
    """Every path of the machine that is not of this boot alone."""
    skipped = " -o ".join(f"-path /{name}" for name in ("proc", "sys", "dev", "run", "tmp", "src"))
    found = machine.run(
        f"find / \\( {skipped} -o -path /wheels -o -path /weights \\) -prune -o -print"
    )
    return set(found.stdout.splitlines())


def is_active(machine: Machine) -> bool:
    """Tell whether the service runs."""
    return machine.property("ActiveState") == "active"


def kill_and_await_another(machine: Machine, signal: str) -> None:
    """End the main process; another one has to come."""
    before = machine.property("MainPID")
    machine.run(f"systemctl kill --kill-whom=main --signal={signal} rkd")
    await_(lambda: machine.property("MainPID") not in {before, "0"}, "another main process")
    await_(lambda: is_active(machine), "active again")


@pytest.fixture(scope="module")
def before(machine: Machine) -> set[str]:
    """What was there before rkd was."""
    return everything(machine)


def test_installed_for_alice_the_service_is_active(machine: Machine, before: set[str]) -> None:
    """One command on a bare system, offline; active at boot, as alice, quiet in verify."""
    assert before
    machine.run(f"{INSTALL} --user alice --gateway --wheelhouse /wheels/good", timeout_s=400)

    assert is_active(machine)
    assert machine.property("User") == "alice"
    assert machine.run("systemctl is-enabled rkd").stdout.strip() == "enabled"
    verified = machine.run("systemd-analyze verify rkd.service")
    assert verified.stderr == ""
    machine.run("systemd-analyze security --threshold=20 rkd.service")


def test_a_model_answers(machine: Machine) -> None:
    """As alice, who is in the group of the socket."""
    for name in ("tiny", "slow"):
        there = f"/home/alice/RKLLAMA/models/{name}"
        machine.run(
            f"mkdir {there} && cp /weights/{name}.gguf {there} && "
            f"cp /weights/Modelfile.{name} {there}/Modelfile",
            user="alice",
        )
    plan = "rkctl load slow --plan"
    await_(lambda: machine.run(plan, user="alice", check=False).returncode == 0, "slow is seen")
    answer = machine.run("rkctl run tiny hello --max-tokens 8 --seed 1", user="alice")

    assert answer.stdout
    assert machine.run("ls /home/alice/RKLLAMA/models", user="alice").stdout.split() == [
        "slow",
        "tiny",
    ]


ASKS = """
import json, urllib.request
asked = {"model": "tiny", "prompt": "hello", "stream": False, "options": {"num_predict": 4}}
request = urllib.request.Request("http://127.0.0.1:11434/api/generate", json.dumps(asked).encode())
print(json.load(urllib.request.urlopen(request, timeout=60))["eval_count"])
"""
"""An app that speaks Ollama's API and nothing else."""


def test_the_first_app_that_calls_starts_the_gateway(machine: Machine) -> None:
    """Of nobody's user, closed as far as its unit says, and answering."""
    gateway = "rkd-gateway.service"
    assert machine.property("ActiveState", gateway) == "inactive"
    answer = machine.run(f"/opt/rkd/current/bin/python -c '{ASKS}'", user="nobody")

    assert answer.stdout.strip() == "4"
    assert machine.property("ActiveState", gateway) == "active"
    assert machine.run(f"systemd-analyze verify {gateway}").stderr == ""
    machine.run(f"systemd-analyze security --threshold=20 {gateway}")
    status = machine.run(f"cat /proc/{machine.property('MainPID', gateway)}/status").stdout
    assert "CapEff:\t0000000000000000" in status


def test_of_its_users_groups_it_keeps_those_the_npu_needs(machine: Machine) -> None:
    """Not sudo and not docker, which alice is in; and no capability is left either."""
    status = machine.run(f"cat /proc/{machine.property('MainPID')}/status").stdout
    lines = dict(line.split(":", 1) for line in status.splitlines())
    named = machine.run(f"getent group {lines['Groups']} {lines['Gid']}").stdout.splitlines()

    assert {line.partition(":")[0] for line in named} == {"rkd", "render", "video"}
    assert {int(lines[kind], 16) for kind in ("CapPrm", "CapEff", "CapAmb", "CapInh")} == {0}


def test_shells_and_manuals_find_it(machine: Machine) -> None:
    """Where bash-completion and man look by themselves."""
    completion = machine.run("cat /usr/share/bash-completion/completions/rkctl").stdout
    page = machine.run("cat /usr/local/share/man/man1/rkctl.1").stdout

    assert "complete -o" in completion
    assert page.startswith((".\\", ".TH", "'\\"))


def test_others_may_not(machine: Machine) -> None:
    """Who is not in the group cannot reach the socket, and is told so."""
    done = machine.run(
        "runuser -u nobody -- rkctl --endpoint unix:/run/rkd/rkd.sock list", check=False
    )

    assert done.returncode == 5
    assert "usermod -aG rkd" in done.stderr


def test_of_the_home_only_the_models_are_visible(machine: Machine) -> None:
    """The daemon sees an empty home but for the models, which it may write."""
    pid = machine.property("MainPID")
    seen = machine.run(f"nsenter -t {pid} -m find /home -maxdepth 4 -not -type f").stdout.split()

    assert "/home/alice/RKLLAMA/models/tiny" in seen
    assert machine.run(f"nsenter -t {pid} -m cat /home/alice/secret", check=False).returncode


def test_devices_are_closed_but_for_the_npu(machine: Machine) -> None:
    """In the service's control group /dev/rknpu opens, a node of the same driver does not."""
    group = machine.property("ControlGroup")
    inside = f"echo $$ > /sys/fs/cgroup{group}/cgroup.procs; exec 3<>"

    assert machine.run(f"sh -c '{inside}/dev/rknpu'", check=False).returncode == 0
    other = machine.run(f"sh -c '{inside}/dev/other'", check=False)
    assert other.returncode
    assert "not permitted" in other.stderr


def test_the_journal_has_fields(machine: Machine) -> None:
    """`journalctl RKD_EVENT=rkd.ready` finds the line, with its priority."""
    found = machine.run("journalctl RKD_EVENT=rkd.ready -o json -n 1").stdout
    line = json.loads(found)

    assert line["SYSLOG_IDENTIFIER"] == "rkd"
    assert line["_SYSTEMD_UNIT"] == "rkd.service"
    assert line["PRIORITY"] == "6"


def test_reload_applies_or_fails_loudly(machine: Machine) -> None:
    """A good change is in force; a bad one fails the reload and the old stays."""
    machine.run("sed -i '$a keep_alive = \"77s\"' /etc/rkd/rkd.toml && systemctl reload rkd")
    machine.run("sed -i 's/77s/soon/' /etc/rkd/rkd.toml")
    failed = machine.run("systemctl reload rkd", check=False)
    machine.run("sed -i 's/soon/77s/' /etc/rkd/rkd.toml && systemctl reload rkd")

    assert failed.returncode
    assert is_active(machine)


def test_a_killed_daemon_is_started_again(machine: Machine) -> None:
    """SIGKILL to the main process; the next call works and no worker is left over."""
    before = machine.property("MainPID")
    machine.run("systemctl kill --kill-whom=main --signal=KILL rkd")
    await_(lambda: machine.property("MainPID") not in {before, "0"}, "another main process")
    await_(lambda: is_active(machine), "active again")

    assert machine.run("rkctl run tiny hi --max-tokens 4", user="alice").stdout


def test_a_blocked_loop_is_started_again(machine: Machine) -> None:
    """When the event loop hangs, the pings end and systemd acts."""
    site = machine.run(
        "/opt/rkd/current/bin/python -c 'import site; print(site.getsitepackages()[0])'"
    ).stdout.strip()
    sleep = '__import__("time").sleep(600)'
    hang = f"import signal; signal.signal(signal.SIGUSR2, lambda *_: {sleep})"
    machine.run(f"echo '{hang}' > {site}/hang.pth")
    machine.run(
        "mkdir -p /run/systemd/system/rkd.service.d && printf '[Service]\\nWatchdogSec=3\\n' "
        "> /run/systemd/system/rkd.service.d/watchdog.conf && systemctl daemon-reload"
    )
    machine.run("systemctl restart rkd")
    before = int(machine.property("NRestarts"))
    machine.run("systemctl kill --kill-whom=main --signal=USR2 rkd")
    await_(lambda: int(machine.property("NRestarts")) > before, "a restart by the watchdog")
    await_(lambda: is_active(machine), "active again")
    said = machine.run("journalctl -u rkd -o cat -n 200").stdout
    machine.run(f"rm {site}/hang.pth /run/systemd/system/rkd.service.d/watchdog.conf")
    machine.run("systemctl daemon-reload && systemctl restart rkd")

    assert "Watchdog timeout" in said


def test_six_restarts_in_a_row_are_no_end(machine: Machine) -> None:
    """Nor is a daemon that dies right after them."""
    for _ in range(6):
        machine.run("systemctl restart rkd")
    for signal in ("ABRT", "KILL", "TERM"):  # the watchdog's, the kernel's, somebody's
        kill_and_await_another(machine, signal)

    assert machine.run("rkctl run tiny hi --max-tokens 4", user="alice").stdout


def test_the_wait_between_starts_grows_where_systemd_knows_how(machine: Machine) -> None:
    """Up to a minute; an older one waits the same each time."""
    version = int(machine.run("systemctl --version").stdout.split()[1])
    steps = machine.property("RestartSteps")

    assert steps == ("6" if version >= 254 else "")
    assert machine.property("StartLimitIntervalUSec") == "0"


def test_a_second_daemon_says_so_and_exits_78(machine: Machine) -> None:
    """On the same state directory, whatever it would listen on."""
    done = machine.run(
        "runuser -u alice -g rkd -- env RKD_STATE_DIR=/var/lib/rkd RKD_LISTEN=127.0.0.1:0 "
        "RKD_MODELS=/home/alice/RKLLAMA/models /opt/rkd/current/bin/rkd",
        check=False,
    )

    assert done.returncode == 78
    assert "/var/lib/rkd" in done.stderr


def test_a_taken_port_says_so_and_exits_78(machine: Machine) -> None:
    """On the same port, with a state directory of its own."""
    done = machine.run(
        "runuser -u alice -g rkd -- env RKD_STATE_DIR=/tmp/other RKD_LISTEN=127.0.0.1:7588 "
        "RKD_MODELS=/tmp/models /opt/rkd/current/bin/rkd",
        check=False,
    )

    assert done.returncode == 78
    assert "7588" in done.stderr


def test_after_a_reboot_it_is_still_there(machine: Machine) -> None:
    """Nobody has to log in."""
    machine.reboot()
    await_(lambda: is_active(machine), "active after boot")

    assert machine.run("rkctl run tiny hi --max-tokens 4", user="alice").stdout


def test_an_upgrade_lets_a_stream_end(machine: Machine) -> None:
    """The answer under way is whole; the changed configuration is kept, new defaults beside it."""
    stream = machine.popen(
        "rkctl generate slow 'tell me' --max-tokens 400 --temperature 1 --seed 7 --json",
        user="alice",
    )
    await_(
        lambda: bool(json.loads(machine.run("rkctl status --json").stdout).get("streams")),
        "a stream under way",
    )
    upgraded = machine.run(f"{INSTALL} --wheelhouse /wheels/next", timeout_s=400)
    said, complained = stream.communicate(timeout=60)

    assert stream.returncode == 0, complained
    assert json.loads(said.splitlines()[-1])["finished"]["usage"]["completion_tokens"] > 100
    assert machine.run("rkd --version").stdout.split()[-1] == "0.0.2"
    assert "log in again" not in upgraded.stderr
    assert "apt" not in upgraded.stderr
    assert "77s" in machine.run("cat /etc/rkd/rkd.toml").stdout
    assert "77s" not in machine.run("cat /etc/rkd/rkd.toml.new").stdout


def test_the_same_again_has_nothing_new_to_say(machine: Machine) -> None:
    """No new defaults beside the file, and both versions together stay small."""
    machine.run("rm /etc/rkd/rkd.toml.new")
    machine.run(f"{INSTALL} --wheelhouse /wheels/next", timeout_s=400)

    assert machine.run("ls /etc/rkd/rkd.toml.new", check=False).returncode
    assert len(machine.run("ls /opt/rkd/versions").stdout.split()) == 2
    assert int(machine.run("du -sm /opt/rkd").stdout.split()[0]) <= 250


def test_a_broken_upgrade_is_undone(machine: Machine) -> None:
    """The version before runs again, and the installer says so and fails."""
    done = machine.run(f"{INSTALL} --wheelhouse /wheels/broken", check=False, timeout_s=400)

    assert done.returncode == 1
    assert "the version before runs again" in done.stderr
    assert is_active(machine)
    assert machine.run("rkd --version").stdout.split()[-1] == "0.0.2"
    assert machine.run("rkctl run tiny hi --max-tokens 4", user="alice").stdout
    assert not machine.run("ls /opt/rkd/versions | grep -F 0.0.3", check=False).stdout


def test_uninstalled_only_the_models_are_left(machine: Machine, before: set[str]) -> None:
    """Not a file, not a user, not a group; and the models are alice's."""
    machine.run(f"{INSTALL} --uninstall")
    left = {
        path
        for path in everything(machine) - before
        if not path.startswith((*LEFT_BY_DEBIAN, "/home/alice/RKLLAMA"))
        and "libgomp" not in path  # a package of the system's, and it stays
        and "gcc-12-base" not in path
    }

    assert left == set()
    owners = machine.run("stat -c %U:%G /home/alice/RKLLAMA/models/tiny/*").stdout.split()
    assert set(owners) == {"alice:alice"}
    assert machine.run("getent passwd rkd; getent group rkd", check=False).stdout == ""
