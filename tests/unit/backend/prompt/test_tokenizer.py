"""The files beside the weights say how to write and how to count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers

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


class TestPieces:
    """The bytes a token stands for, however its vocabulary writes them."""

    @staticmethod
    def made(folder: Path, vocabulary: list[str], decoder: Any) -> Tokenizer:
        """A tokenizer of whole words, one of them special."""
        ids = {word: at for at, word in enumerate(vocabulary)}
        whole = tokenizers.Tokenizer(tokenizers.models.WordLevel(ids, unk_token=vocabulary[0]))
        whole.decoder = decoder
        whole.add_special_tokens(["<s>"])
        path = folder / "tokenizer.json"
        whole.save(str(path))
        return Tokenizer(path)

    def test_of_bytes(self, tmp_path: Path) -> None:
        """Each letter is one, printed or not."""
        kept = self.made(tmp_path, ["Ġa", "Ċ", "Ã", "<s>x"], tokenizers.decoders.ByteLevel())
        pieces = [kept.piece(at) for at in range(4)]
        assert pieces == [b" a", b"\n", b"\xc3", b"<s>x"]
        assert kept.piece(4) == b"<s>"

    def test_of_pieces_of_sentences(self, tmp_path: Path) -> None:
        """A low line is a blank, and bytes stand in angle brackets."""
        decoder = tokenizers.decoders.Sequence(
            [tokenizers.decoders.Replace("\u2581", " "), tokenizers.decoders.ByteFallback()]
        )
        kept = self.made(tmp_path, ["\u2581a", "b", "<0xC3>", "<0xc3"], decoder)
        assert [kept.piece(at) for at in range(4)] == [b" a", b"b", b"\xc3", b"<0xc3"]

    def test_of_pieces_of_words(self, tmp_path: Path) -> None:
        """What goes on has no blank."""
        kept = self.made(tmp_path, ["a", "##b"], tokenizers.decoders.WordPiece())
        assert [kept.piece(at) for at in range(2)] == [b" a", b"b"]
