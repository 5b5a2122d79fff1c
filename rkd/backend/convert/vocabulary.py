"""
A checkpoint's vocabulary as GGUF wants it: from `tokenizer.model` or `tokenizer.json`.

Two kinds are carried over: byte-level BPE (GGUF's `gpt2`), with its pre-tokenizer recognised by its
own rules, so that retrained vocabularies work too; and sentencepiece BPE (GGUF's `llama`).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field

from rkd.backend.convert.config import Json
from rkd.backend.convert.tensors import unsupported
from rkd.outside import quoted, shown

MAX_TOKENS = 2**20
"""The largest vocabularies have 262,144; an id beyond would fill the list up to itself."""


class TokenType(enum.IntEnum):
    """GGUF's token types. **Source**: `llama.h`, `enum llama_token_attr` of old."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(slots=True)
class Vocabulary:
    """
    Tokens by id, and how text is cut into them.

    Args:
        model: `gpt2` or `llama`.
        pre: llama.cpp's name of the pre-tokenizer.
        scores: for `llama`; higher merges first.
        merges: for `gpt2`; `a b` each.
        ids: special tokens by GGUF's name (`bos`, `eos`, `unknown`, `padding`).
    """

    model: str
    pre: str
    tokens: list[bytes]
    types: list[int]
    scores: list[float] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    add_space_prefix: bool | None = None
    add_bos: bool | None = None
    add_eos: bool | None = None
    ids: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def put(self, position: int, token: bytes, kind: TokenType, score: float = -1000.0) -> None:
        """Set one token, growing the vocabulary with unused ones up to it."""
        self.grow(position + 1)
        self.tokens[position] = token
        self.types[position] = kind
        if self.model == "llama":
            self.scores[position] = score

    def grow(self, size: int) -> None:
        """Fill up with unused tokens: embeddings are often padded to a round number."""
        for position in range(len(self.tokens), size):
            self.tokens.append(f"[PAD{position}]".encode())
            self.types.append(TokenType.UNUSED)
            if self.model == "llama":
                self.scores.append(-10000.0)


_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
_SLASHED = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"

_PRE_TOKENIZERS: dict[tuple[str, ...], str] = {
    ("bytes with words",): "gpt-2",
    ("digits", "bytes with words"): "smollm",
    (_CONTRACTIONS + _WORDS + r"|\p{N}{1,3}" + _REST, "bytes"): "llama-bpe",
    (_CONTRACTIONS + _WORDS + r"|\p{N}" + _REST, "bytes"): "qwen2",
    (_CASED + r"|\p{N}" + _SLASHED, "bytes"): "tekken",
}
"""
Steps of a pre-tokenizer -> llama.cpp's name for them.

**Source**: the `tokenizer.json` of GPT-2, SmolLM2, Llama 3, Qwen2 and Mistral Nemo, and the
expressions of `llama-vocab.cpp` for those names. Recognised by rule instead of by hashing the ids
of a test sentence, which changes with every retrained vocabulary.
"""

_LOOKS_SPECIAL = re.compile("<\\|.*\\|>|<\uff5c.*\uff5c>", re.DOTALL)
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_BLANK = "\u2581"


def from_tokenizer_json(table: Json, what: str) -> Vocabulary:
    """
    Read a parsed `tokenizer.json`.

    Raises:
        InvalidInputError: ARCHITECTURE_UNSUPPORTED: another kind of model, an unknown
            pre-tokenizer or normalizer.
    """
    model = table.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        kind = model.get("type") if isinstance(model, dict) else "missing"
        said = shown(kind[:40]) if isinstance(kind, str) else quoted(kind)
        raise unsupported(what, f"its tokenizer is {said}; BPE and sentencepiece are known")
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise unsupported(what, f"its tokenizer uses {key}")
    words, merges = _words(model, what), _merges(model, what)
    if model.get("byte_fallback") and _BLANK in repr(table.get("normalizer")) + repr(
        table.get("pre_tokenizer")
    ):
        made = _sentencepiece(words, merges, table, model)
    else:
        made = _byte_level(words, merges, table, model, what)
    added = table.get("added_tokens")
    for entry in added if isinstance(added, list) else []:
        if isinstance(entry, dict):
            add(made, entry.get("id"), entry.get("content"), special=bool(entry.get("special")))
    return made


def add(made: Vocabulary, position: object, content: object, *, special: bool) -> None:
    """Set an added token; one that looks special counts as such, as with llama.cpp."""
    if (
        not isinstance(position, int)
        or not isinstance(content, str)
        or not 0 <= position < MAX_TOKENS
    ):
        return
    in_range = position < len(made.types)
    if in_range and made.types[position] in {TokenType.UNKNOWN, TokenType.BYTE}:
        return
    if special or _LOOKS_SPECIAL.fullmatch(content):
        made.put(position, content.encode(), TokenType.CONTROL)
    else:
        text = content.replace(_BLANK, " ")
        made.put(position, text.encode(), TokenType.USER_DEFINED)


def _byte_level(
    words: dict[str, int], merges: list[tuple[str, str]], table: Json, model: Json, what: str
) -> Vocabulary:
    steps = tuple(_steps(table.get("pre_tokenizer"), what))
    pre = _PRE_TOKENIZERS.get(steps)
    if pre is None:
        raise unsupported(
            what, f"its pre-tokenizer is unknown to rkd: {shown(' + '.join(steps)[:200])}"
        )
    if pre == "llama-bpe" and not model.get("ignore_merges"):
        # Same expression; llama.cpp takes whole words before merging under Llama 3's own name.
        pre = "smaug-bpe"
    normalizer = table.get("normalizer")
    kind = normalizer.get("type") if isinstance(normalizer, dict) else None
    if kind not in (None, "NFC"):
        said = shown(kind[:40]) if isinstance(kind, str) else quoted(kind)
        raise unsupported(what, f"its tokenizer normalizes text with {said}")
    made = Vocabulary("gpt2", pre, [], [])
    for word, position in words.items():
        made.put(position, word.encode(), TokenType.NORMAL)
    made.merges = [f"{left} {right}" for left, right in merges]
    return made


def _sentencepiece(
    words: dict[str, int], merges: list[tuple[str, str]], table: Json, model: Json
) -> Vocabulary:
    """Rebuild scores from the order of merges: the earlier one wins, as the higher score does."""
    made = Vocabulary("llama", "default", [], [])
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    unknown = model.get("unk_token")
    for word, position in words.items():
        kind = TokenType.NORMAL
        if word == unknown:
            kind = TokenType.UNKNOWN
        elif _BYTE.fullmatch(word):
            kind = TokenType.BYTE
        made.put(position, word.encode(), kind, float(-ranks.get(word, len(merges))))
    # "Prepend", or a Metaspace that is not told "never", puts a blank before the text.
    normalizer, pre = repr(table.get("normalizer")), table.get("pre_tokenizer")
    metaspace = isinstance(pre, dict) and pre.get("type") == "Metaspace"
    scheme = pre.get("prepend_scheme", "always") if isinstance(pre, dict) else "never"
    made.add_space_prefix = "'Prepend'" in normalizer or (metaspace and scheme != "never")
    return made


def _steps(pre: object, what: str) -> list[str]:
    """Spell a pre-tokenizer as the keys of `_PRE_TOKENIZERS` do."""
    match pre:
        case {"type": "Sequence", "pretokenizers": [*parts]}:
            return [step for part in parts for step in _steps(part, what)]
        case {"type": "ByteLevel", **more}:
            if more.get("add_prefix_space"):
                raise unsupported(what, "its pre-tokenizer puts a blank before the text")
            return ["bytes with words" if more.get("use_regex", True) else "bytes"]
        case {"type": "Digits", "individual_digits": True}:
            return ["digits"]
        case {"type": "Split", "pattern": {"Regex": str(pattern)}, "behavior": "Isolated", **more}:
            return ["inverted " * bool(more.get("invert")) + pattern]
        case {"type": str(kind)}:
            return [kind]
        case _:
            return ["none"]


def _words(model: Json, what: str) -> dict[str, int]:
    vocab = model.get("vocab")
    if not isinstance(vocab, dict) or not vocab:
        raise unsupported(what, "its tokenizer.json holds no vocabulary")
    words = {w: i for w, i in vocab.items() if isinstance(i, int) and 0 <= i < MAX_TOKENS}
    if len(words) != len(vocab):
        raise unsupported(what, "its tokenizer.json holds a token without a number")
    return words


def _merges(model: Json, what: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    merges = model.get("merges")
    for merge in merges if isinstance(merges, list) else []:
        parts = merge.split(" ") if isinstance(merge, str) else merge
        match parts:
            case [str(left), str(right)]:
                found.append((left, right))
            case _:
                raise unsupported(what, f"its tokenizer.json holds the merge {quoted(merge)}")
    return found
