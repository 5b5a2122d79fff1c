"""docs/rkctl.md and docs/rkctl.1 say what the code does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rkctl_manual import EXIT_MEANINGS, VARIABLES, man, pages, shared_flags, with_tables

DOCS = Path(__file__).resolve().parents[3] / "docs"
MANUAL = (DOCS / "rkctl.md").read_text(encoding="utf-8")
MAKE_ANEW = "python -m tests.rkctl_manual docs"

CONTRACT = """
list ls show pull push create run generate chat embed tokenize detokenize cp rm ps load stop pin
unpin search files card ops watch status lint migrate context reload bench version completion
"""
SAMPLING = """
--system --temperature --top-k --top-p --max-tokens --seed --stop --backend --keep-alive --raw
"""


def test_the_tables_are_those_of_the_code() -> None:
    """Every verb and flag, as `tests/rkctl_manual.py` writes them."""
    assert with_tables(MANUAL) == MANUAL, MAKE_ANEW


def test_the_man_page_is_that_of_the_code() -> None:
    """The whole page."""
    assert man() == (DOCS / "rkctl.1").read_text(encoding="utf-8"), MAKE_ANEW


def test_exit_codes_are_in_the_manual() -> None:
    """With the same words."""
    for code, meaning in EXIT_MEANINGS.items():
        assert f"| {code.value} | {meaning} |" in MANUAL


def test_variables_and_shared_flags_are_in_the_manual() -> None:
    """Each of them."""
    for name in VARIABLES:
        assert f"`{name}`" in MANUAL
    for flag, _ in shared_flags():
        assert flag.split()[0] in MANUAL


def test_the_verbs_of_the_contract_are_there() -> None:
    """None is missing."""
    verbs = {re.split(r"[ ,]", page.usage)[0] for page in pages()} | {"ls"}

    assert set(CONTRACT.split()) - verbs == set()


@pytest.mark.parametrize("verb", ["run", "generate", "chat"])
def test_asking_verbs_share_the_sampling_flags(verb: str) -> None:
    """Those of the contract, with --json."""
    (page,) = [page for page in pages() if page.usage.split()[0] == verb]
    flags = {flag.split()[0] for flag, _ in page.flags}

    assert set(SAMPLING.split()) - flags == set()
    assert page.json


@pytest.mark.parametrize(
    ("usage", "flags"),
    [
        ("pull", {"--name", "--revision", "--detach"}),
        ("create", {"-f,", "-q,", "--from", "--replace"}),
        ("migrate", {"--dry-run"}),
        ("load", {"--plan"}),
        ("show", {"--verify"}),
        ("push", {"--private"}),
    ],
)
def test_flags_of_the_contract_are_there(usage: str, flags: set[str]) -> None:
    """By verb."""
    (page,) = [page for page in pages() if page.usage.split()[0] == usage]

    assert flags - {flag.split()[0] for flag, _ in page.flags} == set()


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_troff_reads_the_man_page_without_warnings() -> None:
    """Groff is the one who shows it."""
    checked = subprocess.run(
        [str(shutil.which("groff")), "-man", "-Tutf8", "-ww", "-z", str(DOCS / "rkctl.1")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.stderr == ""
