"""
Put together all a folder says of its tokenizer: vocabulary, special tokens, chat template.

Several files say overlapping things; the order of belief is written at each step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rkd.backend.convert import sentencepiece, vocabulary
from rkd.backend.convert.config import CheckpointConfig, Json
from rkd.backend.convert.tensors import broken, unsupported
from rkd.backend.convert.vocabulary import TokenType, Vocabulary
from rkd.capability.chat_files import CONFIG, TEMPLATES, TOKENIZER, templates_of
from rkd.outside import json_object, read_regular

MAX_JSON_BYTES = 64 << 20
"""Gemma 3's `tokenizer.json` takes 33 MB, with 262,144 words and 515,000 merges."""
MAX_JSON_ITEMS = 4_000_000
MAX_SENTENCEPIECE_BYTES = 16 << 20
"""Gemma's `tokenizer.model` takes 4.7 MB."""
_MAX_TEMPLATE_BYTES = 1 << 20
_SPECIAL = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
_POSTPROCESSED = "PreTrainedTokenizerFast"


@dataclass(frozen=True, slots=True)
class CheckpointTokenizer:
    """A vocabulary of exactly the model's size, and its chat template ("" for none)."""

    vocabulary: Vocabulary
    template: str = ""
    extra_eos: int | None = None


def read(folder: Path, config: CheckpointConfig) -> CheckpointTokenizer:
    """
    Read the tokenizer of *folder* for the model of *config*.

    Raises:
        InvalidInputError: ARCHITECTURE_UNSUPPORTED: none there, or of a kind rkd does not carry
            over; WEIGHTS_INVALID: it has more tokens than the model has embeddings.
    """
    table = load_json(folder / TOKENIZER)
    settings = load_json(folder / CONFIG)
    made = _vocabulary(folder, table, config.name)
    _add_tokens(made, folder, settings, table)
    _fit(made, config.vocabulary)
    _special_ids(made, settings, config)
    _ends(made, table, settings)
    made.ids = {name: token for name, token in made.ids.items() if token < config.vocabulary}
    generation = load_json(folder / "generation_config.json").get("eos_token_id")
    also = (*config.eos, *(generation if isinstance(generation, list) else ()))
    known = set(made.ids.values())
    extra = next((t for t in also if _is_token(t, len(made.tokens)) and t not in known), None)
    return CheckpointTokenizer(made, _template(folder, settings), extra)


def _is_token(value: object, tokens: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < tokens


def load_json(path: Path) -> Json:
    """
    Return the object in *path*, or {} where there is no such file.

    Raises:
        InvalidInputError: WEIGHTS_INVALID: it is no JSON object, absurdly long, nested or full, or
            no regular file of the folder.
    """
    content = _content(path, MAX_JSON_BYTES)
    if content is None:
        return {}
    try:
        return json_object(content, most_items=MAX_JSON_ITEMS)
    except ValueError as trouble:
        raise broken(path.name, f"no JSON ({trouble})") from trouble


def _content(path: Path, most_bytes: int) -> bytes | None:
    try:
        return read_regular(path, most_bytes=most_bytes, within=path.parent)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise broken(path.name, error.strerror or "it cannot be opened") from error


def _vocabulary(folder: Path, table: Json, what: str) -> Vocabulary:
    """Believe `tokenizer.model` first: it holds real scores, `tokenizer.json` only their order."""
    path = folder / "tokenizer.model"
    pieces = _content(path, MAX_SENTENCEPIECE_BYTES)
    if pieces is not None:
        try:
            return sentencepiece.read(pieces, what)
        except sentencepiece.NotSentencepieceError as trouble:
            if not table:
                raise broken(path.name, f"no sentencepiece model ({trouble})") from trouble
    if table:
        return vocabulary.from_tokenizer_json(table, what)
    raise unsupported(
        what,
        "neither tokenizer.json nor tokenizer.model is in its folder",
        "Put the tokenizer's files beside the weights: save it with `tokenizer.save_pretrained`.",
    )


def _add_tokens(made: Vocabulary, folder: Path, settings: Json, table: Json) -> None:
    """Add tokens that came after training; the later files know more of them."""
    if made.model == "llama":
        for content, position in load_json(folder / "added_tokens.json").items():
            vocabulary.add(made, position, content, special=False)
        listed = table.get("added_tokens")
        for entry in listed if isinstance(listed, list) else []:
            if isinstance(entry, dict):
                special = bool(entry.get("special"))
                vocabulary.add(made, entry.get("id"), entry.get("content"), special=special)
    decoder = settings.get("added_tokens_decoder")
    for position, entry in (decoder if isinstance(decoder, dict) else {}).items():
        if isinstance(entry, dict) and _POSITION.fullmatch(position):
            special = bool(entry.get("special"))
            vocabulary.add(made, int(position), entry.get("content"), special=special)


_POSITION = re.compile(r"[0-9]{1,7}")
"""Key of a token; `MAX_TOKENS` has seven digits, and a number of thousands of them takes long."""


def _fit(made: Vocabulary, size: int) -> None:
    """Make the vocabulary as long as the embeddings: padded, or without tokens added in vain."""
    beyond = made.types[size:]
    if any(kind in {TokenType.NORMAL, TokenType.BYTE} for kind in beyond):
        raise broken(
            "the tokenizer", f"it has {len(beyond)} tokens more than the model has embeddings"
        )
    if beyond:
        made.warnings.append(f"{len(beyond)} added tokens have no embedding and were left out")
        del made.tokens[size:], made.types[size:], made.scores[size:]
    made.grow(size)


def _special_ids(made: Vocabulary, settings: Json, config: CheckpointConfig) -> None:
    """Believe tokenizer_config's texts, then config's numbers, then the vocabulary's own."""
    by_text = {token: position for position, token in enumerate(made.tokens)}
    numbers = {"bos": config.bos, "eos": config.eos[0] if config.eos else None}
    numbers["padding"] = config.pad
    for name, key in _SPECIAL.items():
        said = settings.get(key)
        text = said.get("content") if isinstance(said, dict) else said
        found = by_text.get(text.encode()) if isinstance(text, str) else None
        number = found if found is not None else numbers.get(name)
        if number is not None:
            made.ids[name] = number
    unknown = made.ids.get("unknown")
    if made.model == "llama" and unknown is not None and unknown < len(made.types):
        made.types[unknown] = TokenType.UNKNOWN


def _ends(made: Vocabulary, table: Json, settings: Json) -> None:
    """
    Decide whether BOS and EOS are put around text.

    A generic fast tokenizer does what its post-processor says; the others what tokenizer_config
    says, then the post-processor. Sentencepiece without either begins with BOS.
    """
    before, after = _template_ends(table.get("post_processor"))
    generic = str(settings.get("tokenizer_class", "")) in {_POSTPROCESSED, "TokenizersBackend"}
    for name, processed in (("add_bos", before), ("add_eos", after)):
        said = settings.get(f"{name}_token")
        value: bool | None = processed if table else None
        if isinstance(said, bool) and not (generic and table):
            value = said
        setattr(made, name, value)
    if made.model == "llama" and made.add_bos is None:
        made.add_bos = True


def _template_ends(processor: object) -> tuple[bool, bool]:
    """Tell whether a post-processor begins and ends a single text with a special token."""
    match processor:
        case {"type": "Sequence", "processors": [*parts]}:
            ends = [_template_ends(part) for part in parts]
            return any(end[0] for end in ends), any(end[1] for end in ends)
        case {"type": "TemplateProcessing", "single": [*single]} if single:
            return "SpecialToken" in single[0], "SpecialToken" in single[-1]
        case {"type": "BertProcessing" | "RobertaProcessing"}:
            return True, True
        case _:
            return False, False


def _template(folder: Path, settings: Json) -> str:
    jinja, listed = (folder / name for name in TEMPLATES)
    content = _content(jinja, _MAX_TEMPLATE_BYTES)
    text = None if content is None else content.decode("utf-8", "replace")
    return templates_of(settings, text, load_json(listed)).get("default", "")
