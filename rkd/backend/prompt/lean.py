"""
A large `tokenizer.json` of byte pair encoding, kept in a seventh of the memory.

Hugging Face's library keeps a vocabulary in three hash tables and two copies of each word: 33 MB
for 150,000. Here it is given the first merges alone, and with them all that is not the vocabulary:
normalizer, pre-tokenizer, added tokens, template, decoder. What it has cut, the other merges put
together. Merges are carried out in the order of their ranks, so that the first ones by one and all
of them by another give what all of them at once give.

Whatever is not understood here to the last field is none of ours: the library reads it whole.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from operator import add
from typing import Annotated, Literal

import msgspec
import tokenizers

from rkd.backend.prompt.letters import BYTES
from rkd.backend.prompt.merges import Merges
from rkd.backend.prompt.words import LIMIT, Words

LEAST_WORDS = 50_000
"""Below it the library's own tables are small."""

FIRST_WORDS = 7_000
"""Words the library is given: below what doubles its tables (7/8 of 8,192). With the commonest
merges done there, few words of a text are left to be put together here."""

_BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))
"""As what is not in the vocabulary is written in bytes, by those that fall back to them."""


class _Model(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["BPE"]
    vocab: dict[str, Annotated[int, msgspec.Meta(ge=0, lt=LIMIT)]]
    merges: list[tuple[str, str] | str]
    dropout: None = None
    unk_token: str | None = None
    continuing_subword_prefix: Literal[""] | None = None
    end_of_word_suffix: Literal[""] | None = None
    fuse_unk: bool | None = None
    byte_fallback: bool | None = None
    ignore_merges: bool | None = None


class _Added(msgspec.Struct):
    content: str


class _PreTokenizer(msgspec.Struct):
    type: str
    pretokenizers: list[_PreTokenizer] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """Of the file what is looked at, and what is handed on as it is."""

    model: _Model
    version: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    truncation: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    padding: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    added_tokens: msgspec.Raw = msgspec.Raw(b"[]")
    normalizer: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    pre_tokenizer: msgspec.Raw = msgspec.Raw(b"null")
    post_processor: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    decoder: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DECODER = msgspec.json.Decoder(_File)
_MODEL = msgspec.json.Decoder(_Model)
_ADDED = msgspec.json.Decoder(list[_Added])
_PRE_TOKENIZER = msgspec.json.Decoder(_PreTokenizer | None)


class _NotOursError(Exception):
    """The library has to read it whole."""


@dataclass(frozen=True, slots=True)
class Lean:
    """
    What was left out of the file.

    Args:
        library: Hugging Face's, with the first merges alone.
        words: all words of the model's vocabulary.
        merges: all of its merges.
        whole_words: a word of the vocabulary is one token whatever the merges make of it.
        size: tokens, added ones included.
    """

    library: tokenizers.Tokenizer
    words: Words
    merges: Merges
    whole_words: bool
    size: int

    def merged(self, ids: Sequence[int], word_ids: Sequence[int | None]) -> list[int]:
        """
        Finish what the library began.

        Args:
            ids: the tokens it cut a text into.
            word_ids: the word each is a part of; None for what it put around the text.
        """
        done: list[int] = []
        began, end = 0, len(ids)
        for at in range(1, end + 1):
            if at < end and word_ids[at] == word_ids[began] is not None:
                continue
            if at - began == 1:
                done.append(ids[began])
            else:
                done += self._word(ids[began:at])
            began = at
        return done

    def _word(self, ids: Sequence[int]) -> Sequence[int]:
        if self.whole_words:
            found = self.words.find("".join(self.words[one] for one in ids))
            if found is not None:
                return (found,)
        return self.merges.merged(ids)


@dataclass(frozen=True, slots=True)
class _Parts:
    """
    Of a `Lean`, and in bytes those of its library: no object of the million is to stay.

    The file has no words but the added ones; the model has the first.
    """

    file: bytes
    model: bytes
    words: Words
    merges: Merges
    whole_words: bool
    size: int


def lean(
    content: bytes, *, least_words: int = LEAST_WORDS, first_words: int = FIRST_WORDS
) -> Lean | None:
    """
    Read a `tokenizer.json`.

    Args:
        content: of the file.
        least_words: a smaller vocabulary is not worth it.
        first_words: how many words the library is given, if its letters are not more already.

    Returns:
        None when the library has to read it whole; also when it is broken.
    """
    parts = _read(content, least_words, first_words)
    return None if parts is None else _put_together(parts)


def _read(content: bytes, least_words: int, first_words: int) -> _Parts | None:
    try:
        with _no_collecting():
            file = _DECODER.decode(content)
            if len(file.model.vocab) < least_words:
                return None
            return _parts(file, first_words)
    except (msgspec.MsgspecError, RecursionError, _NotOursError, ValueError, KeyError):
        return None


def _put_together(parts: _Parts) -> Lean:
    """
    Make what is kept, once all else that was read is gone.

    A small object that was made among a million others keeps a megabyte of theirs; and a tree of
    JSON, freed among the library's words, would leave holes between them: they come as objects.
    """
    words, merges = copy.deepcopy((parts.words, parts.merges))
    library = tokenizers.Tokenizer.from_buffer(parts.file)
    model = _MODEL.decode(parts.model)
    library.model = tokenizers.models.BPE(
        model.vocab,
        [merge for merge in model.merges if isinstance(merge, tuple)],
        unk_token=model.unk_token,
        fuse_unk=bool(model.fuse_unk),
        byte_fallback=bool(model.byte_fallback),
    )
    return Lean(library, words, merges, parts.whole_words, parts.size)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Half a million new objects, none of them garbage, are looked through by nobody."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _parts(file: _File, first_words: int) -> _Parts:
    model = file.model
    in_order = _in_order(model.vocab)
    added = _added(file, model.vocab)
    if model.unk_token is not None and model.unk_token not in model.vocab:
        raise _NotOursError
    if model.ignore_merges:
        _check_letters(file, model.vocab)
    lefts, rights = _pairs(model.merges)
    words = Words(in_order, findable=bool(model.ignore_merges))
    few, first = _few(model, added, zip(lefts, rights, strict=True), first_words)
    without = msgspec.structs.replace(model, vocab=added, merges=[], unk_token=None)
    return _Parts(
        file=msgspec.json.encode(msgspec.structs.replace(file, model=without)),
        model=msgspec.json.encode(msgspec.structs.replace(model, vocab=few, merges=first)),
        words=words,
        merges=Merges(lefts, rights, _made(lefts, rights, model.vocab, in_order), words),
        whole_words=bool(model.ignore_merges),
        size=len(words) + sum(text not in model.vocab for text in added),
    )


def _in_order(vocab: dict[str, int]) -> list[str]:
    """The words by their ids, which have to be all from 0 on, each once."""
    if list(vocab.values()) == list(range(len(vocab))):
        return list(vocab)
    words: list[str | None] = [None] * len(vocab)
    for word, token_id in vocab.items():
        if token_id >= len(words) or words[token_id] is not None:
            raise _NotOursError
        words[token_id] = word
    return [word for word in words if word is not None]


def _pairs(merges: Sequence[tuple[str, str] | str]) -> tuple[list[str], list[str]]:
    """What stands left and right in each, in both ways of writing them down."""
    lines = [merge for merge in merges if isinstance(merge, str)]
    pairs = [merge for merge in merges if isinstance(merge, tuple)]
    if lines and pairs:
        raise _NotOursError
    pairs += [_cut(line) for line in lines if not line.startswith("#version")]
    return [left for left, _ in pairs], [right for _, right in pairs]


def _cut(line: str) -> tuple[str, str]:
    left, right = line.split(" ")  # a ValueError is caught with all others
    return left, right


def _made(
    lefts: Sequence[str], rights: Sequence[str], vocab: dict[str, int], words: Sequence[str]
) -> Iterable[int]:
    """What the merges make: mostly the words behind the letters, in the order of the merges."""
    wholes = list(map(add, lefts, rights))
    first = vocab[wholes[0]] if wholes else 0
    if wholes == words[first : first + len(wholes)]:
        return range(first, first + len(wholes))
    return map(vocab.__getitem__, wholes)


def _added(file: _File, vocab: dict[str, int]) -> dict[str, int]:
    """The ids of the added tokens, as the library will give them: behind the words, in order."""
    added: dict[str, int] = {}
    following = len(vocab)
    for token in _ADDED.decode(file.added_tokens):
        text = token.content
        known = vocab.get(text)
        # As one letter, or as a byte, it would become a part of what is cut.
        if not text or text in added or (known is None and (len(text) == 1 or text in _BYTES)):
            raise _NotOursError
        if known is None:
            known, following = following, following + 1
        added[text] = known
    return added


def _check_letters(file: _File, vocab: dict[str, int]) -> None:
    """Every part of a text is to be made of letters that are there, so that it can be spelled."""
    last = _PRE_TOKENIZER.decode(file.pre_tokenizer)
    while last is not None and last.type == "Sequence" and last.pretokenizers:
        last = last.pretokenizers[-1]
    if last is None or last.type != "ByteLevel" or not vocab.keys() >= BYTES.keys():
        raise _NotOursError


def _few(
    model: _Model, added: dict[str, int], pairs: Iterable[tuple[str, str]], first_words: int
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Words for the library: letters, marks, added ones, and as many merges as make the number."""
    vocab = model.vocab
    letters = {word: token_id for word, token_id in vocab.items() if len(word) == 1}
    marks = {word: vocab[word] for word in (*_BYTES, model.unk_token) if word in vocab}
    few = letters | marks | added
    first = list(islice(pairs, max(0, first_words - len(few))))
    for left, right in first:
        for word in (left, right, left + right):
            few[word] = vocab[word]
    return few, first
