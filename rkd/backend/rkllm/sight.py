"""
What lets a model on the NPU see: its encoder, and the tags its runtime writes around a picture.

An encoder that cannot be used leaves the model blind and its text as it was: whoever sends a
picture hears why. What a release cannot do is refused with its reason before the encoder runs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rkd.backend.rkllm.multimodal import NO_TAGS, ImageTags, Multimodal
from rkd.backend.rkllm.prompt import Prompt
from rkd.backend.rkllm.runtime import RunParams
from rkd.backend.rknn.encoder import Encoder
from rkd.errors import PreconditionError, Reason, RkdError
from rkd.inference import LoadSpec, Outcome
from rkd.librkllmrt import Family
from rkd.model import Media

_QWEN = ImageTags("<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
_INTERN = ImageTags("<img>", "</img>", "<IMG_CONTEXT>")
_DEEPSEEK = ImageTags("", "", "<\uff5c\u2581pad\u2581\uff5c>")
_MINICPM = ImageTags("<image>", "</image>", "<unk>")
_BY_TOKEN = (("<|image_pad|>", _QWEN), ("<IMG_CONTEXT>", _INTERN))
"""A special token of the tokenizer beside the weights that tells the family."""
_BY_NAME = (
    (("qwen",), _QWEN),
    (("internvl",), _INTERN),
    (("deepseek", "ocr"), _DEEPSEEK),
    (("minicpm",), _MINICPM),
)
"""Words in the names of model, weights and encoder. **Source**: rknn-llm's README and rkllama's
Modelfiles; for MiniCPM-V they differ from another server's, so its Modelfile may have to say."""


class NpuSight:
    """
    The sight of one loaded model; used by one thread at a time.

    Args:
        spec: the load.
        family: of the runtime.
        special: texts of the tokenizer's special tokens.
    """

    def __init__(self, spec: LoadSpec, family: Family, special: frozenset[str]) -> None:
        self._family = family
        self.tags = tags_of(spec, special)
        self._encoder: Encoder | None = None
        self._trouble: RkdError | None = None
        vision = spec.vision
        if vision is None:
            return
        try:
            if not self.tags.content:
                raise _no_tags(spec)
            self._encoder = Encoder(Path(vision.library), Path(vision.path), vision.cores)
        except PreconditionError as error:
            self._trouble = error

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to say of a load that left the model blind."""
        return (f"it sees no pictures: {self._trouble.message}",) if self._trouble else ()

    @property
    def runtime(self) -> str:
        """Engine and version of the encoder, for people; "" without one."""
        if self._encoder is None:
            return ""
        return f" + rknn {self._encoder.version.partition(' ')[0]}".rstrip()

    def check(self, pictures: tuple[Media, ...]) -> None:
        """
        Refuse what cannot be seen.

        Raises:
            RkdError: why the encoder could not be used; CAPABILITY_UNSUPPORTED, more pictures than
                this release takes.
        """
        if not pictures:
            return
        if self._trouble is not None:
            raise self._trouble
        if self._encoder is None:
            raise _refusal("no vision encoder was loaded with it", "Load it with its .rknn.")
        if len(pictures) > 1 and self._family < Family.V1_2_1B1:
            raise _refusal(
                "this runtime takes one picture a request",
                "Send one, or install librkllmrt.so 1.2.1 or newer.",
            )
        if len(pictures) > 1 and self._encoder.sizes.outputs > 1 and self._family < Family.V1_3_0:
            raise _refusal(
                "before 1.3.0 the runtime mixes several pictures of an encoder with deepstack",
                "Send one, or install librkllmrt.so 1.3.0 or newer.",
            )

    def media_tokens(self, pictures: tuple[Media, ...]) -> int:
        """What *pictures* become, tags apart."""
        return len(pictures) * self._encoder.sizes.tokens if self._encoder else 0

    def tag_tokens(self, pictures: tuple[Media, ...]) -> int:
        """How many tokens stand around them."""
        return len(pictures) * (bool(self.tags.start) + bool(self.tags.end))

    def seen(self, prompt: Prompt, params: RunParams) -> RunParams:
        """
        Encode the pictures of *prompt* into *params*. The caller holds the NPU's lease.

        Raises:
            RkdError: as `Encoder.encode`.
        """
        if not prompt.pictures or self._encoder is None:
            return params
        made = self._encoder.encode(prompt.pictures)
        sizes = made.sizes
        pictures = Multimodal(
            made.floats, made.count, sizes.tokens, sizes.width, sizes.height, self.tags
        )
        return replace(params, pictures=pictures)

    def counted(self, outcome: Outcome, prompt: Prompt) -> Outcome:
        """Add what the pictures of *prompt* became."""
        tokens = self.media_tokens(prompt.pictures)
        return replace(outcome, usage=replace(outcome.usage, media_tokens=tokens))

    def close(self) -> None:
        """Give the encoder back; safe to call twice."""
        if self._encoder is not None:
            self._encoder.close()


def tags_of(spec: LoadSpec, special: frozenset[str]) -> ImageTags:
    """Return the tags of a model: its Modelfile's, its tokenizer's, those of its family's name."""
    vision = spec.vision
    if vision is None:
        return NO_TAGS
    if any(vision.tags):
        return ImageTags(*vision.tags)
    for token, tags in _BY_TOKEN:
        if token in special:
            return tags
    names = f"{spec.model} {Path(spec.weights).name} {Path(vision.path).name}".lower()
    for words, tags in _BY_NAME:
        if all(word in names for word in words):
            return tags
    return NO_TAGS


def _no_tags(spec: LoadSpec) -> PreconditionError:
    return PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"what {spec.model or 'this model'} writes around a picture is not known",
        remedy='Say it in the Modelfile: IMG_START="…", IMG_END="…", IMG_CONTENT="…".',
        metadata={"capability": "vision"},
    )


def _refusal(reason: str, remedy: str) -> PreconditionError:
    return PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"vision cannot be used with this model: {reason}",
        remedy=remedy,
        metadata={"capability": "vision"},
    )
