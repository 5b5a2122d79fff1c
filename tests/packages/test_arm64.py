"""The packages for arm64, installed under an emulated arm64, and an answer got from them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packages.conftest import ANSWERED, ASKED, Debs, run
from tests.system.machine import CACHE, ROOT, locked

PACKAGES = (
    "python3,python3-venv,libgomp1,libstdc++6,ca-certificates,init-system-helpers,"
    "systemd-standalone-sysusers"
)
EMULATED = (str(ROOT / "packaging" / "emulated"), "arm64")
NOT_HERE = 77
BOUND_S = 1800
INSIDE = r"""
set -eu
root=$1 deb=$2 models=$3 asked=$4
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
cp "$deb" "$root/tmp/rkd.deb"
in_it() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
in_it dpkg -i /tmp/rkd.deb
in_it dpkg-query -Wf '${db:Status-Abbrev}${Architecture}\n' rkd-llm
in_it uname -m
in_it rkctl --version
mkdir -p "$root/var/lib/rkd/models"
cp -r "$models/tiny" "$root/var/lib/rkd/models/"
in_it mkdir -p /run/rkd
in_it env RKD_READY_FILE=/tmp/ready RKD_LISTEN=unix:/run/rkd/rkd.sock RKD_STATE_DIR=/tmp/state \
    RKD_MODELS=/var/lib/rkd/models rkd >"$root/tmp/log" 2>&1 &
daemon=$!
waited=0
while [ ! -e "$root/tmp/ready" ]; do
    kill -0 "$daemon" || { cat "$root/tmp/log"; exit 1; }
    waited=$((waited + 1))
    [ "$waited" -le 600 ] || { cat "$root/tmp/log"; exit 1; }
    sleep 1
done
in_it rkctl --endpoint unix:/run/rkd/rkd.sock $asked || { cat "$root/tmp/log"; exit 1; }
kill "$daemon"
wait "$daemon" || :
in_it dpkg -r rkd-llm
in_it test ! -e /usr/lib/rkd
in_it test -e /var/lib/rkd/models/tiny/tiny.gguf
echo removed
"""


def emulated(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a command where arm64 programs run; skip where that is not possible."""
    done = subprocess.run(
        [*EMULATED, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
    if done.returncode == NOT_HERE:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
    return done


@pytest.fixture(scope="module")
def system() -> Path:
    """A tar of an arm64 bookworm with what the package depends on; kept between runs."""
    if os.geteuid() != 0 or not shutil.which("mmdebstrap") or not shutil.which("arch-test"):
        pytest.skip("wants root, mmdebstrap and arch-test")
    target = CACHE / "arm64-bookworm.tar"
    with locked("arm64"):
        if not target.exists():
            draft = CACHE / "arm64-bookworm.part.tar"
            making = ("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase")
            emulated(*making, "--architectures=arm64", f"--include={PACKAGES}", "bookworm", draft)
            draft.rename(target)
    return target


@pytest.mark.timeout(2 * BOUND_S)
def test_installed_on_arm64_it_answers(
    debs: Debs, system: Path, models: Path, tmp_path: Path
) -> None:
    """Configured, started by hand (systemd does not boot emulated), asked, removed."""
    root = tmp_path / "root"
    root.mkdir()
    run("tar", "-xf", system, "-C", root, "--exclude=./dev/*")
    deb = debs.folder / debs.name("rkd-llm", "arm64")

    said = emulated("/bin/sh", "-c", INSIDE, "inside", root, deb, models, " ".join(ASKED)).stdout

    assert "ii arm64" in said
    assert "aarch64" in said
    assert "rkctl 0.0.1" in said
    assert ANSWERED in said
    assert said.splitlines()[-1] == "removed"
