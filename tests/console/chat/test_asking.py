"""What is asked of the daemon, and how."""

from __future__ import annotations

import pytest
from rkd_client.errors import InvalidInputError
from rkd_client.v1.models import Parameter, ShowResponse
from rkd_client.v1.types import Capabilities, Capability
from rkd_console.chat import asking, parameters
from rkd_console.chat.conversation import Attachment, CalledFunction, Picture, Turn, Wishes
from rkd_console.chat.offered import MAX_TOOLS, tools_in

from rkd.modelfile.sampling import SAMPLING

DIGEST = "0" * 64


class TestMessages:
    """Turns as the daemon reads them."""

    def test_every_role_has_its_message(self) -> None:
        """With calls, results and what was thought."""
        path = [
            Turn("q", "", "user", text="hi", attachments=(Attachment("f", "t"),)),
            Turn("a", "q", "assistant", reasoning="hm", calls=(CalledFunction("1", "f", "{}"),)),
            Turn("t", "a", "tool", text="3", tool_name="f", tool_call_id="1"),
        ]

        system, user, call, result = asking.messages(path, "be", {})

        assert (system.role, system.content) == ("system", "be")
        assert user.content == "File f:\n\nt\n\nhi"
        assert (call.reasoning, call.tool_calls[0].name) == ("hm", "f")
        assert (result.role, result.tool_name, result.tool_call_id) == ("tool", "f", "1")

    def test_an_answer_that_brought_nothing_is_left_out(self) -> None:
        """Templates want none."""
        path = [Turn("q", "", "user", text="hi"), Turn("a", "q", "assistant", state="failed")]

        assert [one.role for one in asking.messages(path, None, {})] == ["user"]

    def test_pictures_stand_before_the_text(self) -> None:
        """As bytes."""
        turn = Turn("q", "", "user", text="what", pictures=(Picture(DIGEST, "image/png", 1),))

        (message,) = asking.messages([turn], None, {DIGEST: b"x"})

        assert message.content == ""
        assert message.parts[0].media is not None
        assert message.parts[0].media.data == b"x"
        assert message.parts[1].text == "what"

    def test_a_picture_that_is_lost_is_told(self) -> None:
        """Before anything is asked."""
        turn = Turn("q", "", "user", pictures=(Picture(DIGEST, "image/png", 1),))

        assert asking.missing([turn, turn], []) == [DIGEST]
        assert asking.missing([turn], [DIGEST]) == []
        with pytest.raises(InvalidInputError, match="PICTURE_MISSING"):
            asking.messages([turn], None, {})


class TestParameters:
    """The daemon's one table as a form."""

    def test_every_parameter_is_there_once(self) -> None:
        """But for what this page does not show."""
        found = [one.name for one in parameters.fields(None)]

        assert found[0] == "temperature"
        assert sorted(found) == sorted({row.name for row in SAMPLING} - parameters.HIDDEN)

    def test_a_models_own_value_is_the_default(self) -> None:
        """And what it cannot where it runs has its reason."""
        npu = Capabilities(
            backend="npu",
            available=True,
            sampling={"min_p": Capability(supported=False, reason="no such thing")},
        )
        shown = ShowResponse(
            parameters=(Parameter("temperature", "0.3"), Parameter("num_predict", "64")),
            backend_capabilities=(npu,),
        )

        found = {one.name: one for one in parameters.fields(shown)}

        assert found["temperature"].default == "0.3"
        assert found["max_tokens"].default == "64"
        assert found["top_p"].default == "0.9"
        assert found["min_p"].refusal == "no such thing"

    @pytest.mark.parametrize(
        ("name", "typed", "value"),
        [("temperature", " 0,5 ", 0.5), ("seed", "7", 7), ("top_k", "", None), ("no", "1", None)],
    )
    def test_what_is_typed_is_read(self, name: str, typed: str, value: float | None) -> None:
        """With a point or a comma."""
        assert parameters.value_of(name, typed) == value

    @pytest.mark.parametrize(
        ("name", "typed"),
        [
            ("temperature", "9"),
            ("temperature", "hot"),
            ("temperature", "nan"),
            ("temperature", "1" * 400),
            ("seed", "1.5"),
            ("max_tokens", "1e400"),
        ],
    )
    def test_what_it_cannot_be_is_named(self, name: str, typed: str) -> None:
        """With its range."""
        with pytest.raises(InvalidInputError, match=f"{name} is .* to "):
            parameters.value_of(name, typed)

    def test_whole_numbers_are_asked_as_such(self) -> None:
        """And what another version kept is left out."""
        settings = Wishes(parameters={"top_k": 4.0, "temperature": 0.5, "gone": 1, "top_p": 9})

        options = asking.options(settings)

        assert options == {"top_k": 4, "temperature": 0.5, "priority": "interactive"}
        assert isinstance(options["top_k"], int)

    def test_settings_become_options(self) -> None:
        """Those that say something."""
        settings = Wishes(stop=("x",), backend="cpu", thinking=False)

        assert asking.options(settings) == {
            "priority": "interactive",
            "stop": ("x",),
            "backend": "cpu",
            "thinking": False,
        }


class TestFunctions:
    """Tools as people paste them."""

    @pytest.mark.parametrize(
        "pasted",
        [
            '{"name": "f"}',
            '[{"name": "f", "parameters": {"type": "object"}}]',
            '{"tools": [{"type": "function", "function": {"name": "f"}}]}',
        ],
    )
    def test_each_way_of_writing_them_is_read(self, pasted: str) -> None:
        """One or a list, bare or OpenAI's."""
        assert [one.name for one in tools_in(pasted)] == ["f"]

    def test_none_are_none(self) -> None:
        """An empty field offers nothing."""
        assert tools_in(" \n") == []

    @pytest.mark.parametrize(
        "pasted",
        [
            "{",
            "[1]",
            "[" * 100_000,
            '{"name": 1}',
            '{"name": "f", "parameters": []}',
            '{"name": "f", "description": 1}',
            "9" * 5_000,
            "[" + ",".join(['{"name": "f"}'] * (MAX_TOOLS + 1)) + "]",
        ],
    )
    def test_what_is_no_function_is_refused(self, pasted: str) -> None:
        """In one short sentence."""
        with pytest.raises(InvalidInputError) as caught:
            tools_in(pasted)

        assert len(caught.value.message) < 300
