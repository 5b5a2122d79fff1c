"""Model names: what may become part of a path, and what never does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkd.errors import InvalidInputError, Reason
from rkd.model import Format, Model, ModelName, ModelState, Recipe, WeightsFile

FIRST = "ABCxyz019_"
GOOD = st.builds(str.__add__, st.sampled_from(FIRST), st.text(f"{FIRST}.-", max_size=127))


class TestModelName:
    """The contract's `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`."""

    @given(name=GOOD)
    def test_a_good_name_is_kept_as_written(self, name: str) -> None:
        """With or without `:latest`, and compared ignoring case."""
        parsed = ModelName.parse(name)

        assert str(parsed) == parsed.text == name
        assert ModelName.parse(f"{name}:latest") == parsed
        assert ModelName.parse(name.swapcase()).key == parsed.key

    @given(name=st.text(max_size=140))
    def test_what_passes_is_one_plain_component_of_a_path(self, name: str) -> None:
        """Whatever comes in, a name that is accepted stays inside the folder it is put in."""
        try:
            parsed = ModelName.parse(name)
        except InvalidInputError:
            return

        assert (Path("/models") / parsed.text).parts == ("/", "models", parsed.text)
        assert 1 <= len(parsed.text) <= 128
        assert parsed.text.isascii()

    @pytest.mark.parametrize(
        "name",
        ["", ".", "..", ".hidden", "-x", "a/b", "a\\b", "a b", "a\n", "é", "a" * 129, ":latest",
         "a:latest:latest", "\x00", "a/../b:latest"],
    )  # fmt: skip
    def test_these_are_refused(self, name: str) -> None:
        """Nothing hidden, no separators, no white space, no longer than 128."""
        with pytest.raises(InvalidInputError) as caught:
            ModelName.parse(name, field_name="target")

        assert caught.value.reason is Reason.INVALID_NAME
        assert [one.field for one in caught.value.violations] == ["target"]
        assert caught.value.metadata == {"name": name[:160]}

    def test_a_tag_is_told_to_be_one(self) -> None:
        """Whoever comes from Ollama hears of tags; a path with a colon is no tag."""
        with pytest.raises(InvalidInputError, match="have no tags in rkd, 'qwen:7b' carries one"):
            ModelName.parse("qwen:7b")
        with pytest.raises(InvalidInputError, match=r"'hf\.co/a:b' is not a model name"):
            ModelName.parse("hf.co/a:b")

    def test_a_huge_name_is_not_repeated_whole(self) -> None:
        """What a stranger sends does not fill the log."""
        with pytest.raises(InvalidInputError) as caught:
            ModelName.parse("/" * 100_000)

        assert len(caught.value.message) < 250


def test_the_last_parameter_wins() -> None:
    """As in Ollama; one that was not given is None, and False is not None."""
    recipe = Recipe(parameters=(("seed", 1), ("seed", 2), ("enable_thinking", False)))

    assert recipe.parameter("seed") == 2
    assert recipe.parameter("enable_thinking") is False
    assert recipe.parameter("top_k") is None


def test_weights_are_found_by_format() -> None:
    """The file of the format asked for, or None."""
    file = WeightsFile(Path("/m/a/a.gguf"), Format.GGUF, 1, 0)
    model = Model(ModelName("a"), Path("/m/a"), ModelState.READY, weights=(file,))

    assert model.weights_of(Format.GGUF) is file
    assert model.weights_of(Format.RKLLM) is None
