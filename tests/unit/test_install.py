"""install.sh, as far as nothing is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "install.sh"
TREES = ROOT / "tests" / "data" / "board"


def install(
    *arguments: str, script: Path = SCRIPT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the installer."""
    return subprocess.run(
        ["/bin/sh", str(script), *arguments],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_shellcheck_has_nothing_to_say() -> None:
    """At every level."""
    checker = shutil.which("shellcheck") or shutil.which(
        "shellcheck", path=str(Path(sys.executable).parent)
    )
    if checker is None:
        pytest.skip("shellcheck is not installed here")
    done = subprocess.run(
        [checker, str(SCRIPT)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout + done.stderr == ""


def test_a_dry_run_says_everything_and_does_nothing(tmp_path: Path) -> None:
    """Users, folders, units, the switch: told, with the board; the prefix stays absent."""
    prefix = tmp_path / "opt"
    done = install(
        "--dry-run", "--system", "--prefix", str(prefix), RKD_SYSROOT=str(TREES / "rock-5b")
    )

    assert done.returncode == 0
    for words in ("Radxa ROCK 5B (rk3588)", "npu driver: 0.9.8", "would: ln -sfn", "rkd.service"):
        assert words in done.stderr
    assert done.stdout == ""
    assert not prefix.exists()


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ("orange-pi-5", "warning: rknpu driver 0.8.2 is older"),
        ("mainline", "warning: no version of the rknpu driver"),
        ("nothing", "no RK3588 here"),
    ],
)
def test_boards_are_recognised(tree: str, words: str) -> None:
    """What is missing for the NPU is a warning: the CPU is always there."""
    done = install("--dry-run", "--system", RKD_SYSROOT=str(TREES / tree))

    assert done.returncode == 0
    assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--user",), "needs a value"),
        (("--frobnicate",), "unknown option"),
        (("--dry-run", "--models-dir", "relative"), "absolute"),
        (("--dry-run", "--models-dir", "/with space"), "odd characters"),
        (("--dry-run", "--user", "no-such-user-here"), "no user"),
        (("--dry-run", "--wheelhouse", "/no/such/folder"), "no folder"),
    ],
)
def test_wrong_options_are_refused(arguments: tuple[str, ...], words: str) -> None:
    """With one line saying what is wrong, before anything is done."""
    done = install(*arguments)

    assert done.returncode == 1
    assert words in done.stderr


def test_a_download_cut_off_does_nothing(tmp_path: Path) -> None:
    """Wherever the script ends too early, nothing of it runs."""
    text = SCRIPT.read_text()
    whole = text.rindex('main "$@"')
    cut = tmp_path / "cut.sh"
    for at in (whole, whole - 1, *range(0, whole, max(1, whole // 20))):
        cut.write_text(text[:at])
        done = install("--dry-run", script=cut)

        assert done.stdout == ""
        assert "would:" not in done.stderr
        assert "board:" not in done.stderr
