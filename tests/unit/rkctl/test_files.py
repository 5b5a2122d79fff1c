"""Every flag and word of rkctl that names a file, given names that no file can have."""

from __future__ import annotations

import pytest

from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Rkctl

LONG = "y" * 5_000
NAMED = (
    ("create", "x", "-f", LONG),
    ("create", "x", "-f", LONG, "--existing", "m.gguf"),
    ("create", "x", "--from", f"./{LONG}"),
    ("create", "x", "--from", LONG),
    ("run", "x", f"./{LONG}.gguf", "user/repo"),
    ("run", "x", f"{LONG}.png"),
    ("run", "x", "hi", "--format", LONG),
    ("run", "x", "hi", "--grammar", LONG),
    ("generate", "x", "hi", "--suffix-file", LONG),
    ("chat", "x", "hi", "--messages", LONG),
    ("chat", "x", "hi", "--tools", LONG),
    ("lint", LONG),
    ("cert", "init", "--dir", LONG),
    ("cert", "client", "me", "--dir", LONG),
    ("token", "create", "me", "--file", LONG),
    ("token", "list", "--file", LONG),
    ("--endpoint", "https://127.0.0.1:1", "--ca", LONG, "list"),
    ("--endpoint", "https://127.0.0.1:1", "--ca", "/etc/ssl/x", "--cert", LONG, "list"),
    ("--endpoint", f"/{LONG}", "list"),
    ("--endpoint", f"~{LONG}/rkd.sock", "list"),
    ("--endpoint", f"{LONG}.local:7588", "list"),
    ("--endpoint", "https://a..b:7588", "list"),
    ("fleet", "haproxy", "-o", f"/{LONG}", "--endpoint", "127.0.0.1:1"),
)


@pytest.mark.parametrize("words", NAMED, ids=lambda words: " ".join(words)[:60])
def test_a_name_no_file_can_have_is_told_in_a_line(
    rkctl: Rkctl, board: FakeBoard, words: tuple[str, ...]
) -> None:
    """No defect of the program: one line with a reason, which does not repeat all of it."""
    board.answers["InferenceService.Generate"] = canned.answer("x")
    board.answers["InferenceService.Chat"] = canned.answer("x")
    result = rkctl(*words)

    assert isinstance(result.exception, SystemExit), result.exception
    assert 0 < result.exit_code < 6, result.output
    assert "defect" not in result.stderr
    assert len(result.stderr) < 1_200, result.stderr
