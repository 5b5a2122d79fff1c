"""Pictures in the runtime's own structures, which three releases have each changed."""

from __future__ import annotations

from ctypes import POINTER, c_float, cast, sizeof
from dataclasses import astuple, dataclass
from typing import Any

from rkd.backend.rkllm.abi_shared import RKLLMInputType


@dataclass(frozen=True, slots=True)
class ImageTags:
    """What the runtime writes around and for the tokens of a picture."""

    start: str = ""
    end: str = ""
    content: str = ""


NO_TAGS = ImageTags()


@dataclass(frozen=True, slots=True)
class Multimodal:
    """
    What pictures became, for the tags `<image>` of a prompt.

    Args:
        floats: float32, picture after picture.
        count: how many pictures, as many as tags.
        tokens: of each.
        width, height: pixels the encoder read, for positions.
        tags: from 1.3.0 on given with every run.
    """

    floats: bytes
    count: int
    tokens: int
    width: int
    height: int
    tags: ImageTags


def fill(given: Any, text: str, pictures: Multimodal) -> object:
    """Fill *given* with text and pictures, as its version has them; return what must live."""
    floats = (c_float * (len(pictures.floats) // sizeof(c_float))).from_buffer_copy(pictures.floats)
    prompt = text.encode("utf-8").replace(b"\0", b"")
    tags = tuple(tag.encode() for tag in astuple(pictures.tags))
    given.input_type = RKLLMInputType.RKLLM_INPUT_MULTIMODAL
    given.multimodal_input.prompt = prompt
    # From 1.3.0 on pictures have a structure of their own, with the tags of the run.
    at = getattr(given.multimodal_input, "image", given.multimodal_input)
    values = {
        "image_embed": cast(floats, POINTER(c_float)),
        "n_image_tokens": pictures.tokens,
        "n_image": pictures.count,
        "image_width": pictures.width,
        "image_height": pictures.height,
        "image_start": tags[0],
        "image_end": tags[1],
        "image_content": tags[2],
    }
    for name, value in values.items():
        if hasattr(at, name):
            setattr(at, name, value)
    return floats, prompt, tags
