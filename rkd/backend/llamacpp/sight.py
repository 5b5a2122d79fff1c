"""
Pictures for llama.cpp: what it is given in their place, and what of a prompt they became.

The engine puts the tokens around a picture itself, so its marker stands alone where the picture
was; what it decodes are PNGs written here, never a file of somebody else's.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rkd.backend.pictures.decode import png_of
from rkd.backend.pictures.marks import Marks, Pieces
from rkd.errors import PreconditionError, Reason
from rkd.inference import Run
from rkd.model import Media

MOST_PIXELS = 12 * 448 * 448
"""Of one picture: all that InternVL's twelve tiles show, thrice Qwen-VL's at a thousand tokens. Ten
of them, which no PNG makes smaller, stay below the hundred megabytes its HTTP takes."""
KEPT = 10
"""Pictures whose PNGs are kept: those of a conversation come again with every turn."""
KEPT_CHARACTERS = 32 << 20
"""Of all of them together, as base64."""
_COUNT, _TOKENS = "/v1/chat/completions/input_tokens", "input_tokens"
OLD_MARKER = "<__media__>"
"""Of engines that do not tell theirs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """
    The pictures of one prompt, as the engine takes them.

    Args:
        pngs: base64, in the order of the markers.
        texts: what of the prompt is text.
    """

    pngs: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def onto(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request *body* with its prompt as one with pictures."""
        if not self.pngs:
            return body
        prompt = {"prompt_string": body["prompt"], "multimodal_data": list(self.pngs)}
        # Encoding takes long; between two events of progress a cancel is heeded.
        return {**body, "prompt": prompt, "return_progress": True}

    def media_tokens(self, prompt_tokens: int, count: Callable[[str], int], own: int) -> int:
        """
        Return what pictures became of *prompt_tokens*.

        Args:
            prompt_tokens: all of them.
            count: the tokens of a text, read by itself as the engine reads it.
            own: what the model puts before every prompt.
        """
        if not self.pngs:
            return 0
        return max(prompt_tokens - own - sum(map(count, filter(None, self.texts))), 0)


Post = Callable[[str, dict[str, Any]], Any]


class Sight:
    """
    What the loaded model sees; may be used from any thread.

    Args:
        props: what the engine tells of itself.
        post: asks it something.
    """

    def __init__(self, props: dict[str, Any], post: Post) -> None:
        self._sees = bool((props.get("modalities") or {}).get("vision"))
        self._marker = str(props.get("media_marker") or OLD_MARKER)
        self._post = post
        self._kept: OrderedDict[tuple[bytes, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def marks(self, run: Run) -> Marks:
        """
        Put marks in place of the pictures of *run*.

        Raises:
            PreconditionError: CAPABILITY_UNSUPPORTED, it has some and none are seen.
        """
        if run.media and not self._sees:
            raise PreconditionError(
                Reason.CAPABILITY_UNSUPPORTED,
                "this model was loaded without a projector: it sees no pictures",
                remedy="Put its projector (mmproj) beside its weights, or ask a model that sees.",
                metadata={"capability": "vision"},
            )
        return Marks(run)

    def look(self, pieces: Pieces) -> tuple[str, Seen]:
        """
        Return the prompt as the engine reads it, and its pictures, decoded.

        Raises:
            InvalidInputError: INVALID_FIELD by place, a picture that cannot be decoded.
            PreconditionError: CAPABILITY_UNSUPPORTED, there is no decoder.
        """
        if not pieces.pictures:
            return "".join(pieces.texts), Seen()
        pngs = tuple(map(self._png, pieces.pictures))
        prompt = pieces.joined(self._marker)
        return prompt, Seen(pngs, tuple(prompt.split(self._marker)))

    def tokens_of(self, picture: Media) -> int:
        """
        Return how many tokens *picture* becomes, which its size decides; it is not encoded.

        Raises:
            InvalidInputError, PreconditionError: as `look`.
        """
        url = {"url": f"data:image/png;base64,{self._png(picture)}"}
        text = {"type": "text", "text": "x"}
        with_it, without = (
            int(self._post(_COUNT, {"messages": [{"role": "user", "content": content}]})[_TOKENS])
            for content in ([{"type": "image_url", "image_url": url}, text], [text])
        )
        return max(with_it - without, 0)

    def _png(self, picture: Media) -> str:
        """Return the picture as the engine takes it, decoded once."""
        key = hashlib.sha256(picture.data).digest(), f"{picture.width}x{picture.height}"
        with self._lock:
            if (known := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return known
        made = base64.b64encode(png_of(picture, MOST_PIXELS)).decode()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT or sum(map(len, self._kept.values())) > KEPT_CHARACTERS:
                self._kept.popitem(last=False)
        return made
