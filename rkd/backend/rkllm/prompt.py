"""
Which way a run's messages become the runtime's input.

With a tokenizer beside the weights: our template, then token ids, past the runtime's own
template. Without: a TEMPLATE of the Modelfile as text, the runtime's template silenced; else the
runtime's own template, which takes one user turn and no history.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rkd.backend.pictures.marks import Marks
from rkd.backend.prompt.infill import gap_of
from rkd.backend.text.calls.table import HERMES, CallFormat
from rkd.capability.chat_files import TOKENIZER, read_chat_files
from rkd.capability.table import refuse, supports
from rkd.capability.think import Think, opened
from rkd.capability.traits import npu_traits
from rkd.errors import bad_field
from rkd.inference import LoadSpec, Run, TemplateWay, Tool
from rkd.librkllmrt import Family
from rkd.model import Media, Message
from rkd.outside import quoted

if TYPE_CHECKING:
    from rkd.backend.prompt.chat import ChatTemplate
    from rkd.backend.prompt.rank_template import RerankTemplate
    from rkd.backend.prompt.templates import LazyTemplate
    from rkd.backend.prompt.tokenizer import Tokenizer

NO_TEMPLATE = "the model has no chat template: the messages were sent one after the other"


IMAGE = "<image>"
"""What the runtime puts a picture's tokens in place of."""
_TYPED = re.compile(r"<(image|video|audio)>")
"""The same typed by somebody: it is text."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    What the runtime is to read.

    Args:
        way: which template was used.
        tokens: token ids, or None for text.
        text: used when tokens is None.
        silent: the runtime's own template must not be put around the text.
        system, tools_json: for the runtime's own template; "" for none.
        thinking: for the runtime's own template.
        thinking_open: the reasoning the answer begins inside, or None.
        row: how the model writes tool calls.
        split: separate reasoning and tool calls from the answer.
        pictures: for the `<image>` tags of the text, in order; then tokens is None.
        text_tokens: of the text around them; 0 where nobody can count.
    """

    way: TemplateWay
    tokens: tuple[int, ...] | None = None
    text: str = ""
    silent: bool = True
    system: str = ""
    tools_json: str = ""
    thinking: bool = False
    thinking_open: Think | None = None
    split: bool = True
    row: CallFormat = HERMES
    warnings: tuple[str, ...] = ()
    pictures: tuple[Media, ...] = ()
    text_tokens: int = 0


class Prompts:
    """
    The templates and the tokenizer of one loaded model.

    Args:
        spec: the load, with the folder of the tokenizer files and the Modelfile's template.
        family: what the runtime can do.

    Raises:
        PreconditionError: LOAD_FAILED, for tokenizer files that are there and broken.
    """

    def __init__(self, spec: LoadSpec, family: Family) -> None:
        self.traits = npu_traits(spec, family)
        """What can be asked of the model."""
        self._spec = spec
        self._bos = self._eos = ""
        self.tokenizer: Tokenizer | None = None
        self._own: LazyTemplate | None = None
        self._own_for_tools: LazyTemplate | None = None
        self._modelfile: LazyTemplate | None = None
        self._override: tuple[str, LazyTemplate] | None = None
        if spec.tokenizer_folder:
            self._read(Path(spec.tokenizer_folder), templates=spec.template is None)
        if spec.template:
            self._modelfile = self._compiled(spec.template)

    def _read(self, folder: Path, *, templates: bool) -> None:
        # Imported here: a worker without tokenizer files stays some 20 MB smaller.
        from rkd.backend.prompt.tokenizer import Tokenizer  # noqa: PLC0415 - see above

        files = read_chat_files(folder)
        self._bos, self._eos = files.bos_token, files.eos_token
        if has_tokenizer(self._spec):
            self.tokenizer = Tokenizer(folder / TOKENIZER)
        if files.template and templates:
            self._own = self._compiled(files.template)
        if files.tool_template and templates:
            self._own_for_tools = self._compiled(files.tool_template)

    def _compiled(self, source: str) -> LazyTemplate:
        from rkd.backend.prompt.templates import (  # noqa: PLC0415 - Jinja only where it is needed
            LazyTemplate,
        )

        return LazyTemplate(source, self._bos, self._eos)

    @functools.cached_property
    def rank_template(self) -> RerankTemplate:
        """
        What puts a query and a document together; only where `rerank` is supported.

        Raises:
            InvalidInputError: INVALID_FIELD, it is no Jinja.
        """
        from rkd.backend.prompt.rank_template import (  # noqa: PLC0415 - Jinja where it is needed
            RerankTemplate,
        )

        return RerankTemplate(self.traits.rank_template, self._bos, self._eos)

    @property
    def special_texts(self) -> frozenset[str]:
        """The texts of the special tokens; empty without a tokenizer."""
        return frozenset(self.tokenizer.special_tokens.values() if self.tokenizer else ())

    @property
    def way(self) -> TemplateWay:
        """The way messages go when a request brings no template of its own."""
        return self.traits.way

    @property
    def knows_tools(self) -> bool:
        """Whether tools can be offered."""
        return supports("tools", self.traits)

    @property
    def knows_thinking(self) -> bool:
        """Whether thinking can be switched."""
        return supports("thinking", self.traits)

    def prompt(self, run: Run) -> Prompt:
        """
        Write the input of *run*.

        Raises:
            PreconditionError: CAPABILITY_UNSUPPORTED, for what this way cannot express.
            InvalidInputError: INVALID_FIELD, when a template refuses the messages.
        """
        refuse(run, self.traits)
        if not run.media:
            return self._prompt(run)
        marks = Marks(run)
        prompt = self._prompt(marks.run)
        pieces = marks.pieces(prompt.text)
        texts = [_TYPED.sub(r"< \1>", text) for text in pieces.texts]
        counted = self.tokenizer and sum(
            len(self.tokenizer.encode(text, add_special=False, parse_special=True))
            for text in texts
        )
        return replace(
            prompt,
            tokens=None,
            text=IMAGE.join(texts),
            pictures=pieces.pictures,
            text_tokens=counted or 0,
            warnings=(*prompt.warnings, *pieces.warnings),
        )

    def _prompt(self, run: Run) -> Prompt:
        if run.prompt_tokens:
            return Prompt(TemplateWay.RAW, run.prompt_tokens, split=False)
        if run.suffix is not None and (gap := self._gap(run)) is not None:
            return Prompt(TemplateWay.RAW, tuple(gap), split=False)
        if not run.messages:
            return self._text(TemplateWay.RAW, run.prompt, special=True, split=False)
        return self._templated(run)

    def _templated(self, run: Run) -> Prompt:
        template, way = self._template(run)
        if template is not None:
            text = template.prompt(run)
            if run.suffix is not None:
                return self._text(way, text, special=False, split=False)
            return self._text(way, text, special=False, row=template.format)
        if way is TemplateWay.RAW:
            return self._untemplated(run)
        return self._for_runtime(run)

    def _gap(self, run: Run) -> list[int] | None:
        tokenizer = self.tokenizer
        if tokenizer is None:
            return None  # then its template fills it in, or it was refused

        def encode(text: str, special: bool) -> tuple[int, ...]:  # noqa: FBT001 - `Encode`
            return tokenizer.encode(text, add_special=False, parse_special=special)

        def whole(text: str) -> tuple[int, ...]:
            return tokenizer.encode(text, add_special=True, parse_special=False)

        return gap_of(run, self.traits, encode, whole)

    def _template(self, run: Run) -> tuple[ChatTemplate | None, TemplateWay]:
        if run.template:
            if self._override is None or self._override[0] != run.template:
                self._override = (run.template, self._compiled(run.template))
            return self._override[1].get(), TemplateWay.MODELFILE
        if run.template == "":
            return None, TemplateWay.RAW
        if self._modelfile is not None:
            return self._modelfile.get(), TemplateWay.MODELFILE
        own = (self._own_for_tools if run.tools else None) or self._own
        return (own.get() if own else None), self.way

    def _text(
        self,
        way: TemplateWay,
        text: str,
        *,
        special: bool,
        split: bool = True,
        row: CallFormat | None = None,
        warnings: tuple[str, ...] = (),
    ) -> Prompt:
        tokens = None
        if self.tokenizer is not None:
            # A text that begins with the token itself must not get a second one.
            special = special and not (self._bos and text.startswith(self._bos))
            tokens = self.tokenizer.encode(text, add_special=special, parse_special=True)
        return Prompt(
            way,
            tokens,
            text,
            split=split,
            thinking_open=opened(text) if row else None,
            row=row or HERMES,
            warnings=warnings,
        )

    def _untemplated(self, run: Run) -> Prompt:
        text = "\n\n".join(message.content for message in run.messages)
        return self._text(TemplateWay.RAW, text, special=True, warnings=(NO_TEMPLATE,))

    def _for_runtime(self, run: Run) -> Prompt:
        """One user turn for the runtime's own template, what system turns say put before it."""
        system = _joined(run.messages, "system") if run.tools else ""
        turns = _joined(run.messages, "user" if run.tools else "")
        return Prompt(
            TemplateWay.RUNTIME,
            text=turns,
            silent=False,
            system=system,
            tools_json=_tools_json(run.tools),
            thinking=bool(run.thinking),
        )


def has_tokenizer(spec: LoadSpec) -> bool:
    """Whether a tokenizer stands beside the weights, which nobody has read yet."""
    return bool(spec.tokenizer_folder) and (Path(spec.tokenizer_folder) / TOKENIZER).is_file()


def _joined(messages: tuple[Message, ...], role: str) -> str:
    """The contents of the turns of *role*, or of all of them for ""."""
    return "\n\n".join(
        message.content
        for message in messages
        if message.content and (not role or message.role == role)
    )


def _tools_json(tools: tuple[Tool, ...]) -> str:
    if not tools:
        return ""
    described = []
    for tool in tools:
        try:
            parameters = json.loads(tool.parameters_json or "{}")
        except (ValueError, RecursionError) as error:
            what = f"the parameters of tool {quoted(tool.name)} are no JSON: {error}"
            raise bad_field("tools", what, what) from error
        function = {"name": tool.name, "description": tool.description, "parameters": parameters}
        described.append({"type": "function", "function": function})
    return json.dumps(described, ensure_ascii=False)
