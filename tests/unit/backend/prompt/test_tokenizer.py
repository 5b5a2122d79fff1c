"""The files beside the weights say how to write and how to count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rkd.backend.prompt.tokenizer import Tokenizer
from rkd.capability.chat_files import ChatFiles, read_chat_files
from rkd.errors import PreconditionError, Reason
from tests.native.tokenizer import write_tokenizer


class TestTokenizer:
    """Text to ids and back."""

    def test_there_and_back(self, tmp_path: Path) -> None:
        """Any text survives the way to ids and back, emoji included."""
        tokenizer = Tokenizer(write_tokenizer(tmp_path))
        ids = tokenizer.encode("hello 😀 世", add_special=False, parse_special=True)

        assert tokenizer.decode(ids) == "hello 😀 世"

    def test_special_tokens_around(self, tmp_path: Path) -> None:
        """The beginning is added when asked for, and only then."""
        tokenizer = Tokenizer(write_tokenizer(tmp_path))
        bare = tokenizer.encode("he", add_special=False, parse_special=True)

        assert tokenizer.encode("he", add_special=True, parse_special=True) == (257, *bare)
        assert bare == (256,)

    def test_special_tokens_within(self, tmp_path: Path) -> None:
        """The name of a special token is the token, or plain text where it must not be."""
        tokenizer = Tokenizer(write_tokenizer(tmp_path))
        parsed = tokenizer.encode("<|im_end|>", add_special=False, parse_special=True)
        literal = tokenizer.encode("<|im_end|>", add_special=False, parse_special=False)

        assert parsed == (258,)
        assert len(literal) == 10

    def test_ids_out_of_range(self, tmp_path: Path) -> None:
        """Ids the model does not have give nothing, not an error."""
        tokenizer = Tokenizer(write_tokenizer(tmp_path))

        assert tokenizer.decode((256, 99999, -1)) == "he"
        assert tokenizer.vocabulary_size == 259

    @pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"model": {"type": "New"}}'])
    def test_what_is_no_tokenizer(self, tmp_path: Path, content: bytes) -> None:
        """A broken file is refused by its name."""
        path = tmp_path / "tokenizer.json"
        path.write_bytes(content)
        with pytest.raises(PreconditionError, match=r"tokenizer\.json") as caught:
            Tokenizer(path)

        assert caught.value.reason is Reason.LOAD_FAILED


class TestChatFiles:
    """Where templates and special tokens are looked for."""

    def test_nothing(self, tmp_path: Path) -> None:
        """A folder without the files says nothing."""
        assert read_chat_files(tmp_path) == ChatFiles()

    def test_configuration(self, tmp_path: Path) -> None:
        """Template and tokens stand in the configuration, tokens as text or as objects."""
        (tmp_path / "tokenizer_config.json").write_text(
            json.dumps({"chat_template": "T", "bos_token": None, "eos_token": {"content": "</s>"}})
        )

        assert read_chat_files(tmp_path) == ChatFiles("T", "", "", "</s>")

    def test_named_templates(self, tmp_path: Path) -> None:
        """A list holds one template for tools beside the default."""
        (tmp_path / "tokenizer_config.json").write_text(
            json.dumps(
                {
                    "chat_template": [
                        {"name": "default", "template": "D"},
                        {"name": "tool_use", "template": "U"},
                    ]
                }
            )
        )

        assert read_chat_files(tmp_path) == ChatFiles("D", "U")

    def test_own_file_wins(self, tmp_path: Path) -> None:
        """A template file of its own is newer than the configuration."""
        (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "old"}')
        (tmp_path / "chat_template.jinja").write_text("new")

        assert read_chat_files(tmp_path).template == "new"

    def test_json_file(self, tmp_path: Path) -> None:
        """A template file may be JSON; special tokens may stand in their own map."""
        (tmp_path / "chat_template.json").write_text('{"chat_template": "J"}')
        (tmp_path / "special_tokens_map.json").write_text('{"bos_token": "<s>"}')

        assert read_chat_files(tmp_path) == ChatFiles("J", "", "<s>")

    def test_broken(self, tmp_path: Path) -> None:
        """A configuration that is no JSON is told, not skipped."""
        (tmp_path / "tokenizer_config.json").write_text("{")
        with pytest.raises(PreconditionError, match="tokenizer_config"):
            read_chat_files(tmp_path)


@pytest.mark.parametrize("name", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_link_out_of_the_folder_is_not_read(name: str, tmp_path: Path) -> None:
    """A folder from a stranger brings nobody's secrets into a prompt."""
    secret = tmp_path / "secret"
    secret.write_text('{"chat_template": "secret"}')
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / name).symlink_to(secret)
    with pytest.raises(PreconditionError, match="leads out of its folder"):
        read_chat_files(folder)
