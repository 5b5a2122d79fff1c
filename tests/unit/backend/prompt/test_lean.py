"""A tokenizer that is kept in little says of every text what the library says of it."""

from __future__ import annotations

import copy
import functools
import gc
import json
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rkd.backend.prompt.lean import LEAST_WORDS, Lean, lean
from rkd.backend.prompt.merges import Merges
from rkd.backend.prompt.tokenizer import Tokenizer
from rkd.backend.prompt.words import Words
from tests.native.trained import KINDS, TEXT, Content

ODD = (
    "",
    " ",
    "\x00\x01\x7f",
    "<unk>",
    "<0x41><0xFF>",
    "a" * 300,
    "ab" * 200 + "banana" * 40,
    "<|im_start|>user\nWhy <|im_end|> <think>  \n so</s>",
    "Banana fox  foxes BANANA bandana band",
    "\u2581\u2581 a\u2581b",
    "e\u0301 ﬁ \u200d\ufeff\u202e",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🏳️‍🌈 ไทย العربية हिन्दी 한국어",
    "\r\n\t\v\f  \n\n\n   x",
    "0123456789 3.14159e-10 0xDEADBEEF",
    TEXT,
)
FIRST_WORDS = (0, 350, 550, 100_000)
"""None of the merges by the library, some, and all."""


@functools.cache
def plain_and_lean(kind: str, first_words: int, folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """One file, read whole by the library and kept in little."""
    path = folder / f"{kind}.json"
    path.write_text(json.dumps(KINDS[kind]()), encoding="utf-8")
    read = functools.partial(lean, least_words=0, first_words=first_words)
    kept = Tokenizer(path, read)
    assert read(path.read_bytes()) is not None
    return Tokenizer(path, lambda _: None), kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tokenizers of this module lie."""
    return tmp_path_factory.mktemp("lean")


def same(plain: Tokenizer, kept: Tokenizer, text: str) -> None:
    """Both cut *text* alike, whatever is asked, and put it together again alike."""
    for add_special in (False, True):
        for parse_special in (False, True):
            wanted = plain.encode(text, add_special=add_special, parse_special=parse_special)
            ids = kept.encode(text, add_special=add_special, parse_special=parse_special)
            assert ids == wanted
    assert kept.decode(wanted) == plain.decode(wanted)


@pytest.mark.parametrize("first_words", FIRST_WORDS)
@pytest.mark.parametrize("kind", KINDS)
class TestEquality:
    """The library's own reading is the measure."""

    def test_odd_texts(self, kind: str, first_words: int, folder: Path) -> None:
        """Texts that were chosen to be difficult."""
        plain, kept = plain_and_lean(kind, first_words, folder)
        for text in ODD:
            same(plain, kept, text)

    @settings(max_examples=60, deadline=None)
    @given(
        text=st.one_of(
            st.text(max_size=60),
            st.text(alphabet="abn d\u2581", max_size=60),
            st.lists(st.sampled_from([*TEXT.split(), *ODD[3:8]]), max_size=12).map("".join),
        )
    )
    def test_any_text(self, kind: str, first_words: int, folder: Path, text: str) -> None:
        """Texts by chance, of letters and of pieces that have merges."""
        same(*plain_and_lean(kind, first_words, folder), text)

    def test_every_token(self, kind: str, first_words: int, folder: Path) -> None:
        """Their number, the bytes of each, and each put into text by itself."""
        plain, kept = plain_and_lean(kind, first_words, folder)
        assert kept.vocabulary_size == plain.vocabulary_size
        assert kept.special_tokens == plain.special_tokens
        for token_id in range(-1, plain.vocabulary_size + 2):
            assert kept.decode((token_id,)) == plain.decode((token_id,))
            if token_id >= 0:
                assert kept.piece(token_id) == plain.piece(token_id)


def changed(kind: str, change: Callable[[Content], Any]) -> bytes:
    """A file of *kind* with one thing about it changed."""
    content = copy.deepcopy(KINDS[kind]())
    change(content)
    return json.dumps(content).encode()


def read(content: bytes) -> Lean | None:
    """Keep *content* in little, however small it is."""
    return lean(content, least_words=0)


class TestWhatIsNotOurs:
    """What is not understood to the last field is left to the library."""

    @pytest.mark.parametrize(
        ("kind", "change"),
        [
            ("byte_level", lambda it: it["model"].update(dropout=0.1)),
            ("byte_level", lambda it: it["model"].update(continuing_subword_prefix="##")),
            ("byte_level", lambda it: it["model"].update(end_of_word_suffix="</w>")),
            ("byte_level", lambda it: it["model"].update(type="Unigram")),
            ("byte_level", lambda it: it["model"].pop("type")),
            ("byte_level", lambda it: it["model"].update(new_thing=1)),
            ("byte_level", lambda it: it.update(new_thing=1)),
            ("byte_level", lambda it: it["model"].update(unk_token="<nowhere>")),
            ("byte_level", lambda it: it["model"]["vocab"].update(gap=5000)),
            ("byte_level", lambda it: it["model"]["vocab"].update(twice=3)),
            ("byte_level", lambda it: it["model"]["vocab"].update(negative=-1)),
            ("byte_level", lambda it: it["model"]["merges"].append(it["model"]["merges"][0])),
            ("byte_level", lambda it: it["model"]["merges"].append(["no", "where"])),
            ("byte_level", lambda it: it["model"]["merges"].append("a b")),
            ("shuffled", lambda it: it["model"]["merges"].append("a b c")),
            ("byte_level", lambda it: it["added_tokens"][0].update(content="\n")),
            ("byte_level", lambda it: it["added_tokens"][0].update(content="")),
            ("byte_level", lambda it: it["added_tokens"][0].update(content="<0x0A>")),
            ("byte_level", lambda it: it["added_tokens"].append(it["added_tokens"][0])),
            ("whole_words", lambda it: it.update(pre_tokenizer=None)),
            ("whole_words", lambda it: it.update(pre_tokenizer={"type": "Whitespace"})),
        ],
    )
    def test_fields(self, kind: str, change: Callable[[Content], Any]) -> None:
        """A file that is ours until one thing about it is changed."""
        assert read(changed(kind, lambda _: None)) is not None
        assert read(changed(kind, change)) is None

    def test_letters(self) -> None:
        """Words that are tokens whatever the merges say have to be spelled by what is there."""
        content = KINDS["whole_words"]()
        vocab = content["model"]["vocab"]
        renamed = {("\u4e16" if word == "Ġ" else word): at for word, at in vocab.items()}
        content["model"].update(vocab=renamed, merges=[])
        assert read(json.dumps(content).encode()) is None

    @pytest.mark.parametrize(
        "content",
        [b"", b"[]", b"\xff", b'{"model": {"type": "WordPiece", "vocab": {}}}', b"[" * 100_000],
    )
    def test_other_files(self, content: bytes) -> None:
        """Another kind of tokenizer, and no tokenizer at all."""
        assert read(content) is None

    def test_small_vocabularies(self) -> None:
        """The library's tables of few words are small."""
        content = changed("byte_level", lambda _: None)
        assert len(KINDS["byte_level"]()["model"]["vocab"]) < LEAST_WORDS
        assert lean(content) is None


class TestWhatIsKept:
    """The library holds a part of the words, and Python packed arrays of them."""

    def test_the_library_gets_few_words(self) -> None:
        """As many merges as fill the number of words, and no more."""
        kept = lean(changed("byte_level", lambda _: None), least_words=0, first_words=400)
        assert kept is not None
        given_on = json.loads(kept.library.to_str())["model"]
        assert 390 < len(given_on["vocab"]) <= 400
        assert len(given_on["merges"]) < len(KINDS["byte_level"]()["model"]["merges"])

    def test_bytes_a_word(self) -> None:
        """What is kept of each word is its text, four bytes, and nine more of its merge."""
        words = [f"word{at}" for at in range(10_000)]
        kept = Words(words)
        merges = Merges(
            [word[:3] for word in words], [word[3:] for word in words], range(10_000), kept
        )
        packed = gc.get_referents(kept) + gc.get_referents(merges)
        held = sum(sys.getsizeof(one) for one in packed if isinstance(one, array | bytes))
        wanted = 10_000 * (8 + 4 + 9)
        assert wanted * 0.95 < held < wanted * 1.1
        assert not any(isinstance(one, list | dict) and len(one) > 100 for one in packed)
