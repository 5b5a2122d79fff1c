"""install.sh, as far as nothing is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "install.sh"
PARTS = ROOT / "packaging" / "install"
SHELL = re.compile(rb"#!.*\b(ba|da)?sh\b")
TREES = ROOT / "tests" / "data" / "board"


def install(
    *arguments: str, script: Path = SCRIPT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the installer."""
    return subprocess.run(
        ["/bin/sh", str(script), *arguments],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def ours() -> Iterator[Path]:
    """Every file of the tree that somebody wrote."""
    skipped = {".git", ".cache", ".venv", "node_modules", "build", "dist", "__pycache__"}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.endswith("_cache") for part in parts)
        if not hidden and not skipped.intersection(parts) and path.is_file():
            yield path


def test_shellcheck_has_nothing_to_say() -> None:
    """At every level, of install.sh and of every file it reads."""
    checker = shutil.which("shellcheck") or shutil.which(
        "shellcheck", path=str(Path(sys.executable).parent)
    )
    if checker is None:
        pytest.skip("shellcheck is not installed here")
    done = subprocess.run(
        [checker, "-a", str(SCRIPT)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout + done.stderr == ""


def test_every_script_is_linted() -> None:
    """Named in the lint step of tests/run, or read by install.sh, which is."""
    scripts = {
        path for path in ours() if (path.suffix == ".sh" or SHELL.match(path.read_bytes()[:30]))
    }
    (line,) = re.findall(r"^ *shellcheck -a (.*)$", (ROOT / "tests/run").read_text(), re.MULTILINE)
    read = re.findall(r'^ *\. "\$PARTS/(.*)"$', SCRIPT.read_text(), re.MULTILINE)
    linted = {path for name in line.split() for path in ROOT.glob(name)}
    linted |= {PARTS / name for name in read}

    assert scripts == linted


def test_every_part_can_be_read_in_one_sitting() -> None:
    """No file of the installer is longer than a page or three."""
    long = {
        path.name: lines
        for path in (SCRIPT, *PARTS.iterdir())
        if path.is_file() and (lines := len(path.read_text().splitlines())) > 180
    }

    assert long == {}


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
        (("--dry-run", "--prefix", "/"), "wants a folder"),
        (("--dry-run", "--prefix", "//"), "wants a folder"),
        (("--dry-run", "--prefix", "/opt/../usr"), "wants a folder"),
        (("--dry-run", "--prefix", ""), "wants a folder"),
        (("--dry-run", "--models-dir", "/"), "wants a folder"),
        (("--dry-run", "--user", "no-such-user-here"), "no user"),
        (("--dry-run", "--wheelhouse", "/no/such/folder"), "no folder"),
        (("--dry-run", "--clocks=fast"), "answering, always or off, not fast"),
    ],
)
def test_wrong_options_are_refused(arguments: tuple[str, ...], words: str) -> None:
    """With one line saying what is wrong, before anything is done."""
    done = install(*arguments)

    assert done.returncode == 1
    assert words in done.stderr


def test_an_older_python_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    """As on Ubuntu 22.04, before anything is changed; what it found is named."""
    for name in ("sh", "dirname", "uname", "cat", "tr", "sed", "head", "getent", "cut", "id"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.10.12 && exit\nexit 1\n')
    old.chmod(0o755)
    done = install("--dry-run", "--system", PATH=str(tmp_path))

    assert done.returncode == 1
    assert "here is Python 3.10.12" in done.stderr
    assert "docs/boards.md" in done.stderr
    assert "would:" not in done.stderr


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


BY_NAME = re.compile(
    r"\b(?:pip|pipx|uv)[\d.]*\b[^`;&|]*\b(?:install|download|run|add)\b"
    r"[^`;&|]*?[ '\"=]rkd(?:[-_]llm)?(?:\[[\w,]*\])?(?:==[\w.]+)?(?=[ '\"`.,;)]|$)(?! @ )"
)
EXTRA = re.compile(r"\brkd\[(?:daemon|metrics|otel|gateway|console|dev)\b")


def asks_an_index_for_us(line: str) -> bool:
    """Tell whether *line* has an index resolve rkd's name."""
    return bool(BY_NAME.search(line) or EXTRA.search(line))


def test_nobody_is_told_to_install_us_by_name() -> None:
    """
    A checkout or a wheel, never a name: `rkd` on the index is somebody else's program.

    It would be fetched, and as root.
    """
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in ours()
        if path != Path(__file__)
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if asks_an_index_for_us(line)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("pip install rkd", True),
        ('pip install "rkd[daemon]"', True),
        ("sudo pip3 install --quiet rkd-llm", True),
        ("python -m pip install rkd==0.1", True),
        ("pipx install rkd", True),
        ("pip download 'rkd-llm[daemon,metrics]'", True),
        ("the extra rkd[otel]", True),
        ("pip install '.[daemon]'", False),
        ("pip install ./rkd_llm-0.1.0-py3-none-any.whl", False),
        ("in rkd's checkout, pip install '.[otel]'", False),
        ("`pip install .` makes rkd and rkctl", False),
        ("pip install 'rkd-llm[daemon] @ file:///x.whl'", False),
    ],
)
def test_what_asks_an_index_is_recognised(line: str, asks: bool) -> None:  # noqa: FBT001 - a table
    """The search above finds each way to write it, and nothing that is right."""
    assert asks_an_index_for_us(line) == asks


def test_certificates_have_the_names_they_have() -> None:
    """`rkctl cert init` writes ca.crt; no page speaks of another file."""
    pages = [*(ROOT / "docs").rglob("*.*"), ROOT / "README.md"]

    assert [page.name for page in pages if b"ca.pem" in page.read_bytes()] == []


@pytest.mark.parametrize("beside", ["nothing", "rkd-9.9-py3-none-any.whl"])
def test_without_a_checkout_or_our_wheel_nothing_is_installed(tmp_path: Path, beside: str) -> None:
    """Alone, or with a wheel of that other program, the script fails before it changes anything."""
    script = tmp_path / "install.sh"
    script.write_text(SCRIPT.read_text())
    (tmp_path / beside).touch()
    done = install("--dry-run", "--system", "--wheelhouse", str(tmp_path), script=script)

    assert done.returncode == 1
    assert "rkd_llm-*.whl" in done.stderr
    assert "would:" not in done.stderr


def test_beside_a_wheel_that_wheel_is_installed(tmp_path: Path) -> None:
    """Its parts as well come from there."""
    script = tmp_path / "install.sh"
    script.write_text(SCRIPT.read_text())
    wheel = tmp_path / "rkd_llm-9.9.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for part in PARTS.iterdir():
            name = f"rkd_llm-9.9.0.data/data/share/rkd/packaging/install/{part.name}"
            packed.writestr(name, part.read_text())
    done = install("--dry-run", "--system", "--otel", script=script)

    assert done.returncode == 0, done.stderr
    assert f"would: install {wheel}[daemon,metrics,otel]" in done.stderr
    assert "installing 9.9.0 into /opt/rkd/versions/9.9.0-" in done.stderr


def test_an_archive_unpacked_is_a_checkout(tmp_path: Path) -> None:
    """What was unpacked from rkd's source archive installs itself."""
    shutil.copy(SCRIPT, tmp_path)
    shutil.copytree(PARTS, tmp_path / "packaging/install")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "rkd").mkdir()
    (tmp_path / "rkd/__init__.py").write_text('__version__ = "9.8.7"\n')
    done = install("--dry-run", "--system", script=tmp_path / "install.sh")

    assert f"would: install {tmp_path}[daemon,metrics]" in done.stderr
    assert "versions/9.8.7-" in done.stderr
