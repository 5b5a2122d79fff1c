"""`rkctl chat`: turns and tools from files, and the conversation in a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rkctl.chat.settings import change, shown
from rkctl.flags import NUMBERS, Asked

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import models_pb2, pool_pb2
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Rkctl, until_cancelled
from tests.unit.rkctl.fake_terminal import FakeTerminal

METHOD = "InferenceService.Chat"


def reply(*texts: str) -> list[object]:
    """A chat answer."""
    return canned.answer(*texts, kind=pb.ChatResponse)


class TestChatVerb:
    """One turn."""

    def test_a_message_is_a_user_turn(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """--system goes first."""
        board.answers[METHOD] = reply("Hi")

        result = rkctl("chat", "tiny", "hello", "--system", "Be brief.")

        assert result.stdout == "Hi\n"
        turns = [(t.role, t.content) for t in board.requests(METHOD)[0].messages]
        assert turns == [("system", "Be brief."), ("user", "hello")]

    def test_turns_and_tools_come_from_files(
        self, rkctl: Rkctl, board: FakeBoard, tmp_path: Path
    ) -> None:
        """Also in OpenAI's form; a call the model makes is a line of JSON."""
        turns = [
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "function": {"name": "get", "arguments": '{"city": "Bonn"}'}}
                ],
            },
            {"role": "tool", "content": "rain", "tool_call_id": "1", "name": "get"},
        ]
        function = {"name": "get", "description": "d", "parameters": {"type": "object"}}
        (tmp_path / "tools.json").write_text(json.dumps([{"function": function}]))
        call = types.ToolCallDelta(index=0, id="2", name="get", arguments='{"city":')
        rest = types.ToolCallDelta(index=0, arguments=' "Köln"}')
        board.answers[METHOD] = [
            pb.ChatResponse(delta=types.Delta(tool_calls=[call])),
            pb.ChatResponse(delta=types.Delta(tool_calls=[rest])),
            pb.ChatResponse(finished=canned.finished()),
        ]

        result = rkctl(
            "chat",
            "tiny",
            "--messages",
            "-",
            "--tools",
            str(tmp_path / "tools.json"),
            stdin=json.dumps(turns),
        )

        assert result.stdout == '{"name": "get", "arguments": {"city": "Köln"}}\n'
        request = board.requests(METHOD)[0]
        assert [turn.role for turn in request.messages] == ["user", "assistant", "tool"]
        assert request.messages[1].tool_calls[0].arguments_json == '{"city": "Bonn"}'
        assert request.messages[2].tool_name == "get"
        assert request.tools[0].parameters_json == '{"type": "object"}'

    def test_raw_has_no_turns(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """The text goes to Generate as it is."""
        board.answers["InferenceService.Generate"] = canned.answer("x")

        assert rkctl("chat", "tiny", "once upon", "--raw").exit_code == 0
        assert board.requests("InferenceService.Generate")[0].raw

    @pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"role": 1}]', '[{"rule": "user"}]'])
    def test_a_file_that_is_no_list_of_turns_is_refused(self, rkctl: Rkctl, text: str) -> None:
        """Usage errors."""
        assert rkctl("chat", "tiny", "--messages", "-", stdin=text).exit_code == 2


class TestSettings:
    """`/set` in a chat."""

    def test_values_are_set_and_taken_back(self) -> None:
        """By flag or Modelfile name; an empty value is the model's own again."""
        asked = Asked()
        for name, value in (
            ("temperature", "0.5"),
            ("num_predict", "9"),
            ("top-k", "3"),
            ("stop", "a b"),
            ("nothink", ""),
            ("backend", "npu"),
            ("keep_alive", "5m"),
        ):
            change(asked, name, value)

        assert dict(shown(asked)) == {
            "temperature": "0.5",
            "max_tokens": "9",
            "top_k": "3",
            "stop": "a b",
            "think": "off",
            "backend": "npu",
            "keep_alive": "5m 00s",
            "raw": "off",
            "verbose": "off",
        }
        change(asked, "temperature", "")
        assert "temperature" not in asked.numbers

    def test_every_number_has_its_name(self) -> None:
        """By the name of its flag, and by the Modelfile's."""
        asked = Asked()
        for row in NUMBERS:
            for name in {row.name, row.key}:
                change(asked, name, "1")
                assert asked.numbers.pop(row.name) == 1

    @pytest.mark.parametrize(("name", "value"), [("heat", "1"), ("top_k", "x"), ("backend", "gpu")])
    def test_nonsense_is_told(self, name: str, value: str) -> None:
        """As a sentence."""
        with pytest.raises(Exception, match=r"there is no|wants a number|auto, npu or cpu"):
            change(Asked(), name, value)


def test_a_conversation_in_a_terminal(board: FakeBoard, tmp_path: Path) -> None:
    """Loads first; remembers turns; Ctrl-C stops an answer, Ctrl-D leaves; lines are kept."""
    resident = pool_pb2.Resident(model="tiny")
    board.answers["PoolService.Load"] = [pool_pb2.LoadResponse(resident=resident)]
    board.answers["ModelService.Show"] = models_pb2.ShowResponse(template="{{ x }}")
    endless = [*reply("so far")[:-1], until_cancelled]
    answers = [reply("First."), endless, reply("Third.")]
    board.answers[METHOD] = lambda _: answers.pop(0)
    with FakeTerminal(board, tmp_path, "run", "tiny") as terminal:
        terminal.until(">>> ")
        terminal.type("one\n")
        terminal.until("First.\r\n\r\n>>> ")
        terminal.type('"""two\nlines"""\n')
        terminal.until("so far")
        terminal.type("\x03")
        terminal.until("(cancelled)")
        assert board.cancelled.wait(10)
        terminal.until(">>> ")
        terminal.type("/set temperature 0\n")
        terminal.until(">>> ")
        terminal.type("/show template\n")
        terminal.until("{{ x }}")
        terminal.type("/bogus\n")
        terminal.until("no command")
        terminal.type("three\n")
        terminal.until("Third.")
        terminal.until(">>> ")
        terminal.type("\x04")
        assert terminal.child.wait(20) == 0

    last = board.requests(METHOD)[-1]
    assert [(turn.role, turn.content) for turn in last.messages] == [
        ("user", "one"),
        ("assistant", "First."),
        ("user", "two\nlines"),
        ("assistant", "so far"),
        ("user", "three"),
    ]
    assert last.options.sampling.HasField("temperature")
    assert last.options.priority == types.PRIORITY_INTERACTIVE
    assert "three" in (tmp_path / "rkctl" / "history").read_text()
