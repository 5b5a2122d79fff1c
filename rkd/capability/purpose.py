"""
What a model's file says of its use: chat templates, and how one vector is made of a text.

**Source** of the numbers: `enum llama_pooling_type` of llama.h.
"""

from __future__ import annotations

import enum
from pathlib import Path

from rkd.capability.chosen import CHAT_TEMPLATE
from rkd.capability.infill import Infill, of_gguf
from rkd.capability.rerank import NAMES
from rkd.errors import InvalidInputError
from rkd.weights.gguf import read_header


class Pooling(enum.IntEnum):
    """What becomes of the tokens' states."""

    NONE = 0
    MEAN = 1
    CLS = 2
    LAST = 3
    RANK = 4


_SCORES = "cls.output.weight"
_HEADS = frozenset({"cls.weight", _SCORES})
"""Either makes a score; jina-reranker-v1 has no second layer."""
_SOFTMAX = frozenset({"qwen3", "qwen3vl"})
"""Whose heads the engine puts a softmax behind. Tried with b11549 on qwen3, where both outputs of
a tiny head sum to 1."""


class Purpose:
    """
    How a model reads a text.

    Args:
        pooling: the file's own; where it says none, the mean of an encoder's states, as encoders
            without a word of it are used, and the last state of a model made to generate.
        encoder: it sees a text as a whole and keeps no cache: it cannot generate.
        head: it has one that scores.
        probability: that one gives probabilities, in place of log-odds.
        rank_template: what puts query and document together for the head, or for an answer of
            yes or no, or "".
        infill: its tokens for filling in, or None.
        template: its chat template, or "".
        tool_template: another one for conversations with tools, or "".
        vector_size: components of a vector; 0 where the file does not tell.
    """

    def __init__(
        self,
        pooling: Pooling = Pooling.LAST,
        *,
        encoder: bool = False,
        head: bool = False,
        probability: bool = False,
        rank_template: str = "",
        infill: Infill | None = None,
        template: str = "",
        tool_template: str = "",
        vector_size: int = 0,
    ) -> None:
        self.pooling = pooling
        self.encoder = encoder
        self.head = head
        self.probability = probability
        self.rank_template = rank_template
        self.infill = infill
        self.template = template
        self.tool_template = tool_template
        self.vector_size = vector_size

    @classmethod
    def of(cls, weights: Path) -> Purpose:
        """What the GGUF *weights* says; nothing where it is none, for the engine to refuse."""
        try:
            header = read_header(weights)
            infill = of_gguf(weights, header)
        except (InvalidInputError, OSError):
            return cls()
        architecture = header.text("general.architecture")
        number = header.number(f"{architecture}.pooling_type")
        causal = header.metadata.get(f"{architecture}.attention.causal", True)
        encoder = "bert" in architecture or causal is False
        said = Pooling(number) if number in set(Pooling) else Pooling.NONE
        tensors = {tensor.name for tensor in header.tensors}
        head = bool(tensors & _HEADS)
        if encoder and not said and _SCORES in tensors:
            said = Pooling.RANK  # early conversions do not say what their head is for
        named = (header.text(f"{CHAT_TEMPLATE}.{name}") for name in NAMES)
        return cls(
            said or (Pooling.MEAN if encoder else Pooling.LAST),
            encoder=encoder,
            head=said is Pooling.RANK and head,
            probability=architecture in _SOFTMAX,
            rank_template=next((text for text in named if text), ""),
            infill=infill,
            template=header.text(CHAT_TEMPLATE),
            tool_template=header.text(f"{CHAT_TEMPLATE}.tool_use"),
            vector_size=header.number(f"{architecture}.embedding_length"),
        )

    @property
    def whole(self) -> bool:
        """A text must be computed in one batch: the engine can cut one only for the last state."""
        return self.encoder or self.pooling is not Pooling.LAST
