"""Conversations as JSON: kept, exported, imported."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from rkd_client.errors import InvalidInputError
from rkd_console.chat import kept
from rkd_console.chat.conversation import (
    AnswerFailure,
    Attachment,
    CalledFunction,
    Conversation,
    Figures,
    Lane,
    Picture,
    Turn,
    Wishes,
)

DATA = b"picture"
DIGEST = hashlib.sha256(DATA).hexdigest()
TURNS = (
    Turn("q", "", "user", text="hi", attachments=(Attachment("f", "t", "1/2"),),
         pictures=(Picture(DIGEST, "image/png", 7, "p"),)),
    Turn("a", "q", "assistant", text="ho", reasoning="hm", calls=(CalledFunction("1", "f", "{}"),),
         model="m", figures=Figures(backend="cpu", seed=-1, warnings=("w",))),
    Turn("t", "a", "tool", text="3", tool_name="f", tool_call_id="1"),
    Turn("b", "t", "assistant", state="failed", failure=AnswerFailure("R", "said", "do")),
)  # fmt: skip
WHOLE = Conversation(
    "c",
    title="t",
    created_ms=1,
    changed_ms=2,
    lanes=(Lane("m", TURNS, {"q": "a"}), Lane("n")),
    settings=Wishes("s", {"temperature": 0.5}, ("x",), "[]", "cpu", thinking=False),
)


def document(**changes: Any) -> dict[str, Any]:
    """Return the whole as a document, changed."""
    return {**json.loads(kept.written([WHOLE])), **changes}


def refusal(given: dict[str, Any] | bytes) -> InvalidInputError:
    """Return why *given* is not read."""
    content = given if isinstance(given, bytes) else json.dumps(given).encode()
    with pytest.raises(InvalidInputError) as caught:
        kept.read(content)
    assert caught.value.reason == "CHAT_FILE_INVALID"
    assert len(str(caught.value)) + sum(map(len, caught.value.violations)) < 4_000
    return caught.value


def test_what_is_written_is_read_again() -> None:
    """Everything of it."""
    pictures = {DIGEST: {"mime_type": "image/png", "data": base64.b64encode(DATA).decode()}}

    read = kept.read(json.dumps(document(pictures=pictures)).encode())

    assert read.conversations == (WHOLE,)
    assert kept.bytes_of(DIGEST, read.pictures[DIGEST]) == DATA


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"[]", b"{", b"null", b"[" * 200_000, b'{"a":' * 100_000, b'"\xff"', b"{}"],
)
def test_what_is_none_of_ours_is_told(content: bytes) -> None:
    """Whatever it is, however deep, in a sentence."""
    assert refusal(content).remedy


def test_another_version_is_named() -> None:
    """So that people know which console reads it."""
    assert "version is 2" in refusal(document(version=2)).message


def test_a_document_has_a_most() -> None:
    """More bytes are not even looked at."""
    assert "64 MiB" in refusal(b" " * (kept.MAX_DOCUMENT_BYTES + 1)).message


def _turn(**changes: Any) -> dict[str, Any]:
    made = document()
    made["conversations"][0]["lanes"][0]["turns"][1].update(changes)
    return made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "system"),
        ("id", "../x"),
        ("id", "q"),
        ("parent", "a"),
        ("parent", "t"),
        ("parent", "nobody"),
        ("text", 7),
        ("text", None),
        ("calls", [{}]),
        ("calls", [{"id": "", "name": "", "arguments_json": ""}] * 65),
        ("state", "sleeping"),
        ("figures", {"seed": 2**60}),
        ("figures", {"decode_ms": -1}),
        ("pictures", [{"digest": "x", "mime_type": "", "size_bytes": 0}]),
    ],
)
def test_what_is_no_conversation_is_refused(field: str, value: object) -> None:
    """Wrong types, names that are no names, and trees that are none."""
    refusal(_turn(**{field: value}))


def test_a_choice_of_what_is_not_there_is_refused() -> None:
    """As a way through the tree it would lead nowhere."""
    made = document()
    made["conversations"][0]["lanes"][0]["chosen"] = {"q": "t"}

    assert "chooses" in refusal(made).message


def test_a_picture_is_what_its_digest_says() -> None:
    """Nothing else is put under its name."""
    other = {"mime_type": "image/png", "data": base64.b64encode(b"other").decode()}

    assert DIGEST[:12] in refusal(document(pictures={DIGEST: other})).message
    refusal(document(pictures={DIGEST: {"mime_type": "", "data": "%"}}))


def test_much_wrong_is_told_in_few_words() -> None:
    """Ten at most."""
    made = document()
    made["conversations"][0]["lanes"][0]["turns"] = [{} for _ in range(100)]

    assert 0 < len(refusal(made).violations) <= 10


def test_what_ran_when_it_was_kept_has_stopped() -> None:
    """Unless it still does."""
    turns = (Turn("q", "", "user"), Turn("a", "q", "assistant", state="running"))
    made = Conversation("c", lanes=(Lane("m", turns),))

    assert kept.settled(made).lanes[0].turns[1].state == "stopped"
    assert kept.settled(made, ["a"]).lanes[0].turns[1].state == "running"


def test_a_change_names_all_turns_and_brings_those_that_changed() -> None:
    """So a long conversation costs what its turn costs."""
    change = json.loads(json.dumps(kept.change(WHOLE, TURNS[1:2], quiet=True)))

    assert change["order"] == [["q", "a", "t", "b"], []]
    assert [one["id"] for one in change["turns"]] == ["a"]
    assert change["head"]["lanes"][0]["turns"] == []
    assert change["name"] == "t"
