"""`tests/run`, as far as nothing is set up."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "run"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script in an empty checkout in *folder*, where nothing could be set up."""
    (folder / "tests").mkdir()
    shutil.copy(SCRIPT, folder / "tests" / "run")
    return subprocess.run(
        ["/bin/sh", "tests/run", *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_says_what_every_tier_is(tmp_path: Path, word: str) -> None:
    """Those the script knows, each in words; and nothing is set up for it."""
    done = run(tmp_path, word)
    told = re.findall(r"^  ([a-z0-9]+)  +\w+", done.stdout, re.MULTILINE)
    arms = re.findall(r"^    ([a-z0-9]+)\) (?:\1|folders=|;;)", SCRIPT.read_text(), re.MULTILINE)

    assert (done.returncode, done.stderr) == (0, "")
    assert set(arms) == set(told)
    assert len(told) == len(set(told)) > 10
    assert [one.name for one in tmp_path.iterdir()] == ["tests"]


@pytest.mark.parametrize("word", ["nonsense", "", "qui.*", "quick  x", "--tier", "-x\nquick"])
def test_what_is_no_tier_is_refused_before_anything_is_set_up(tmp_path: Path, word: str) -> None:
    """A slip of the fingers costs no environment."""
    done = run(tmp_path, word)

    assert done.returncode == 1
    assert "see tests/run --help" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["tests"]
