"""
Where pictures stand in a prompt: a mark nobody can have typed, put in before the template is used.

A template may drop turns, and with them their pictures, or write one twice; so what stands in its
output decides which pictures an engine gets, and in what order. Templates that have a placeholder
of their own never come to write it: the engine puts the model's tokens around a picture itself.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rkd.inference import Run
from rkd.model import Media, Message, Part


@dataclass(frozen=True, slots=True)
class Pieces:
    """
    A prompt in pieces: texts with one picture between each two.

    Args:
        texts: one more than pictures; empty where nothing stands between two.
        pictures: in the order of the prompt.
        lost: how many the template left out.
    """

    texts: tuple[str, ...]
    pictures: tuple[Media, ...] = ()
    lost: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to say of it."""
        if not self.lost:
            return ()
        return (f"the model's chat template left out {self.lost} of the pictures",)

    def joined(self, marker: str) -> str:
        """
        Return the prompt with *marker* for every picture, and nowhere else.

        A prompt that ends with a picture goes on with a line: llama.cpp ends itself over one that
        leaves nothing to decode (b11549: GGML_ASSERT(batch.size() > 0)).
        """
        apart = f"{marker[:1]} {marker[1:]}"
        texts = [text.replace(marker, apart) for text in self.texts]
        if self.pictures and not texts[-1]:
            texts[-1] = "\n"
        return marker.join(texts)


class Marks:
    """The marks of one run's pictures."""

    def __init__(self, run: Run) -> None:
        self._secret = secrets.token_hex(12)
        self._pictures: list[Media] = []
        self.run = run
        """The run with marks in place of its pictures, and no parts."""
        if run.prompt_parts or any(message.parts for message in run.messages):
            self.run = replace(
                run,
                prompt=self._marked(run.prompt_parts) if run.prompt_parts else run.prompt,
                prompt_parts=(),
                messages=tuple(self._turn(message) for message in run.messages),
            )

    def _turn(self, message: Message) -> Message:
        if not message.parts:
            return message
        return replace(message, content=self._marked(message.parts), parts=())

    def _marked(self, parts: Iterable[Part]) -> str:
        return "".join(one if isinstance(one, str) else self._mark(one) for one in parts)

    def _mark(self, picture: Media) -> str:
        self._pictures.append(picture)
        return f"rkd{self._secret}n{len(self._pictures) - 1}z"

    def pieces(self, prompt: str) -> Pieces:
        """Take *prompt*, the template's output, apart at the marks."""
        if not self._pictures:
            return Pieces((prompt,))
        texts = re.split(rf"rkd{self._secret}n(\d+)z", prompt)
        numbers = [int(number) for number in texts[1::2]]
        return Pieces(
            tuple(texts[::2]),
            tuple(self._pictures[number] for number in numbers),
            len(self._pictures) - len(set(numbers)),
        )
