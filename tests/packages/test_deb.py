"""
The life of the Debian packages on a booted system, told in order.

Installed, asked, upgraded, damaged, given another Python, removed, purged: each test is the next
step of the same machine.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packages.conftest import ANSWERED, ASKED, Debs, architecture, run
from tests.system.machine import PACKAGES, ROOT, SUITES, Machine, why_not

WITH_DEPENDENCIES = f"{PACKAGES},libgomp1,libstdc++6"
UNTIL_S = 60.0
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y"
KEEPING = "-o Dpkg::Options::=--force-confold"

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def shared(debs: Debs, newer: Debs, damaged: Debs, models: Path) -> dict[str, Path]:
    """What the machines see of us."""
    return {
        "/src": ROOT,
        "/debs": debs.folder,
        "/newer": newer.folder,
        "/damaged": damaged.folder,
        "/weights": models,
    }


@pytest.fixture(scope="module", params=SUITES)
def machine(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    shared: dict[str, Path],
) -> Iterator[Machine]:
    """A Debian without network, booted, with what the packages depend on and no more."""
    folder = tmp_path_factory.mktemp("machine") / "m"
    with Machine(folder, shared, suite=request.param, packages=WITH_DEPENDENCIES) as booted:
        yield booted


def await_(truth: Callable[[], bool], what: str) -> None:
    """Wait until *truth* holds."""
    end = time.monotonic() + UNTIL_S
    while not truth():
        assert time.monotonic() < end, f"not within {UNTIL_S:.0f} s: {what}"
        time.sleep(0.1)


def install(
    machine: Machine, debs: Debs, folder: str, *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Install the daemon's package as people do."""
    package = f"{folder}/{debs.name('rkd-llm', architecture())}"
    return machine.run(f"{APT} {KEEPING} install {package}", check=check, timeout_s=400)


def answers(machine: Machine) -> bool:
    """Tell whether the model answers."""
    done = machine.run(f"rkctl {' '.join(ASKED)}", check=False)
    return done.returncode == 0 and ANSWERED in done.stdout


@pytest.mark.parametrize("package", ["rkd-llm", "rkd-llm-client"])
@pytest.mark.parametrize("name", ["amd64", "arm64"])
def test_lintian_finds_no_error(debs: Debs, package: str, name: str) -> None:
    """Nor in the client's, which is for every architecture."""
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed (apt-get install lintian)")
    deb = debs.folder / debs.name(package, "all" if package == "rkd-llm-client" else name)

    said = run("lintian", "--allow-root", "--fail-on", "error", deb).stdout

    assert "E: " not in said


def test_installed_by_apt_it_is_active_and_closed(machine: Machine, debs: Debs) -> None:
    """Offline, as the user rkd, enabled for the next boot, with its unit in good order."""
    install(machine, debs, "/debs")

    assert machine.property("ActiveState") == "active"
    assert machine.property("User") == "rkd"
    assert machine.run("systemctl is-enabled rkd").stdout.strip() == "enabled"
    assert machine.run("systemctl is-active rkd-gateway.socket", check=False).returncode != 0
    assert machine.run("systemd-analyze verify rkd.service rkd-gateway.service").stderr == ""
    machine.run("systemd-analyze security --threshold=20 rkd.service")
    assert machine.run("stat -c '%a %G' /etc/rkd").stdout.strip() == "2750 rkd"
    assert {"render", "video"} <= set(machine.run("id -nG rkd").stdout.split())
    assert machine.run("rkctl --version").stdout.strip() == "rkctl 0.0.1"
    assert machine.run("test -x /usr/lib/rkd/current/bin/pip", check=False).returncode == 1


def test_a_model_put_into_its_folder_answers(machine: Machine) -> None:
    """On the CPU, in /var/lib/rkd/models."""
    machine.run("cp -r /weights/tiny /var/lib/rkd/models/ && chown -R rkd: /var/lib/rkd/models")

    await_(lambda: answers(machine), "an answer")


def test_shells_and_manuals_find_it(machine: Machine) -> None:
    """Where each looks by itself."""
    for path in (
        "/usr/share/bash-completion/completions/rkctl",
        "/usr/share/zsh/vendor-completions/_rkctl",
        "/usr/share/fish/vendor_completions.d/rkctl.fish",
    ):
        assert "rkctl" in machine.run(f"cat {path}").stdout
    assert machine.run("man -w rkctl").stdout.strip() == "/usr/share/man/man1/rkctl.1.gz"


ASKS = """
import json, urllib.request
asked = {"model": "tiny", "prompt": "hello", "stream": False, "options": {"num_predict": 4}}
request = urllib.request.Request("http://127.0.0.1:11434/api/generate", json.dumps(asked).encode())
print(json.load(urllib.request.urlopen(request, timeout=60))["eval_count"])
"""


def test_the_gateway_is_there_when_it_is_wanted(machine: Machine) -> None:
    """One command opens it; an app that speaks Ollama's API is answered."""
    machine.run("systemctl enable --now rkd-gateway.socket")

    assert machine.run(f"python3 -c '{ASKS}'", user="nobody").stdout.strip() == "4"


def test_the_installer_leaves_a_package_alone(machine: Machine) -> None:
    """It says whose these files are."""
    done = machine.run("sh /src/install.sh --yes --system", check=False)

    assert done.returncode == 1
    assert "the package rkd-llm" in done.stderr


def test_upgraded_it_runs_the_new_version_with_the_old_configuration(
    machine: Machine, newer: Debs
) -> None:
    """Changed settings stay; the environment before is gone; models answer."""
    machine.run("""echo 'keep_alive = "7m"' >> /etc/rkd/rkd.toml""")
    before = machine.property("MainPID")
    install(machine, newer, "/newer")

    assert machine.property("ActiveState") == "active"
    assert machine.property("MainPID") != before
    assert machine.run("rkctl --version").stdout.strip() == "rkctl 0.0.2"
    assert len(machine.run("ls /usr/lib/rkd/versions").stdout.split()) == 1
    assert 'keep_alive = "7m"' in machine.run("cat /etc/rkd/rkd.toml").stdout
    await_(lambda: answers(machine), "an answer")
    assert machine.run(f"python3 -c '{ASKS}'", user="nobody").stdout.strip() == "4"
    failed = machine.run("systemctl list-units --state=failed --plain --no-legend 'rkd*'")
    assert failed.stdout == ""


def test_a_damaged_package_harms_no_running_daemon(machine: Machine, damaged: Debs) -> None:
    """A wheel of another digest is refused before anything is switched."""
    before = machine.property("MainPID")
    done = install(machine, damaged, "/damaged", check=False)

    assert done.returncode != 0
    assert "HASHES" in done.stdout + done.stderr
    assert machine.property("MainPID") == before
    assert answers(machine)
    assert len(machine.run("ls /usr/lib/rkd/versions").stdout.split()) == 1


def test_the_next_good_package_heals_it(machine: Machine, newer: Debs) -> None:
    """Going back is one command as well."""
    package = f"/newer/{newer.name('rkd-llm', architecture())}"
    machine.run(f"{APT} --allow-downgrades install {package}", timeout_s=400)

    status = machine.run("dpkg-query -Wf '${db:Status-Abbrev}${Version}' rkd-llm").stdout
    assert status == "ii 0.0.2"
    assert machine.property("ActiveState") == "active"


def test_another_python_makes_the_environment_anew(machine: Machine) -> None:
    """As after the upgrade of the whole system, which replaces /usr/bin/python3."""
    before = machine.run("readlink /usr/lib/rkd/current").stdout
    machine.run("sed -i 's/^Python .*/Python 3.10.1/' /usr/lib/rkd/current/made-of")
    machine.run("dpkg-trigger --by-package=python3-minimal /usr/bin/python3")
    machine.run("dpkg --triggers-only --pending", timeout_s=400)

    assert machine.run("readlink /usr/lib/rkd/current").stdout != before
    assert machine.property("ActiveState") == "active"
    assert answers(machine)


def test_removed_it_keeps_models_and_configuration(machine: Machine) -> None:
    """And nothing of the program: no environment, no process, no unit."""
    machine.run("rkctl token create --file /etc/rkd/tokens")
    machine.run(f"{APT} remove rkd-llm")

    assert machine.run("test -e /usr/lib/rkd", check=False).returncode == 1
    assert machine.property("LoadState") == "not-found"
    assert machine.run("pgrep -u rkd", check=False).returncode == 1
    machine.run("test -f /etc/rkd/rkd.toml && test -s /var/lib/rkd/models/tiny/tiny.gguf")


def test_installed_again_it_takes_up_where_it_was(machine: Machine, newer: Debs) -> None:
    """With the models and settings that stayed."""
    install(machine, newer, "/newer")

    assert machine.property("ActiveState") == "active"
    await_(lambda: answers(machine), "an answer")


def test_purged_it_keeps_the_models_alone(machine: Machine) -> None:
    """Settings and tokens are gone, and it says what is kept."""
    said = machine.run(f"{APT} purge rkd-llm")

    assert "kept: /var/lib/rkd" in said.stdout + said.stderr
    assert machine.run("test -e /etc/rkd", check=False).returncode == 1
    left = machine.run("find /var/lib/rkd -mindepth 1 -type f").stdout.split()
    assert {Path(path).parts[4] for path in left} == {"models"}
    machine.run("test -s /var/lib/rkd/models/tiny/tiny.gguf")
    links = machine.run("find /etc/systemd -name 'rkd*'").stdout.split()
    assert links == []


def test_the_package_leaves_an_installation_of_the_installer_alone(
    machine: Machine, newer: Debs
) -> None:
    """Both would say what the service is."""
    machine.run("mkdir -p /etc/systemd/system/rkd.service.d")
    machine.run("touch /etc/systemd/system/rkd.service.d/10-install.conf")
    done = install(machine, newer, "/newer", check=False)

    assert done.returncode != 0
    assert "install.sh --uninstall" in done.stdout + done.stderr
    machine.run("rm -r /etc/systemd/system/rkd.service.d")
    machine.run("dpkg --remove --force-remove-reinstreq rkd-llm", check=False)


def test_the_client_alone_is_a_package_as_well(machine: Machine, debs: Debs, newer: Debs) -> None:
    """Installed, upgraded, removed; no daemon comes along."""
    for version, folder in ((debs, "/debs"), (newer, "/newer")):
        package = f"{folder}/{version.name('rkd-llm-client', 'all')}"
        machine.run(f"{APT} install {package}", timeout_s=400)

        assert machine.run("rkctl --version").stdout.strip() == f"rkctl {version.version}"
    assert machine.run("command -v rkd", check=False).returncode != 0
    machine.run(f"{APT} remove rkd-llm-client")
    assert machine.run("test -e /usr/lib/rkd-client", check=False).returncode == 1
