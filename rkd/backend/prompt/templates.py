"""
Which template a run gets: its own, the Modelfile's, the model's, or the model's for tools.

Compiled when first needed: one that cannot be fails the requests that need it, and no others.
"""

from __future__ import annotations

from rkd.backend.prompt.chat import ChatTemplate
from rkd.capability.chosen import chosen
from rkd.errors import InvalidInputError
from rkd.inference import Run, TemplateWay


class LazyTemplate:
    """A template that is compiled when first asked for; its error is raised each time."""

    def __init__(self, source: str, bos_token: str, eos_token: str) -> None:
        self._source = source
        self._tokens = (bos_token, eos_token)
        self._made: ChatTemplate | InvalidInputError | None = None

    def get(self) -> ChatTemplate:
        """
        Return the compiled template.

        Raises:
            InvalidInputError: INVALID_FIELD, the text is no Jinja.
        """
        if self._made is None:
            try:
                self._made = ChatTemplate(self._source, *self._tokens)
            except InvalidInputError as error:
                self._made = error
        if isinstance(self._made, InvalidInputError):
            raise self._made
        return self._made


class Templates:
    """
    The templates of one loaded model.

    Args:
        own: what the model brings, or "".
        own_for_tools: what it brings for conversations with tools, or "".
        modelfile: the Modelfile's TEMPLATE; "" is none at all, None leaves it to the model.
        bos_token, eos_token: what templates see under these names.
    """

    def __init__(
        self,
        own: str,
        own_for_tools: str,
        modelfile: str | None,
        bos_token: str = "",
        eos_token: str = "",
    ) -> None:
        self._tokens = (bos_token, eos_token)
        self.way, source = chosen(modelfile, own)
        """The way messages go when a request brings no template of its own."""
        self._plain = self._lazy(source)
        self._for_tools = self._lazy(own_for_tools if modelfile is None else "")
        self._override: tuple[str, LazyTemplate] | None = None

    def of(self, run: Run) -> tuple[ChatTemplate | None, TemplateWay]:
        """
        Return the template of *run*, None where messages go as plain text.

        Raises:
            InvalidInputError: INVALID_FIELD, it is no Jinja.
        """
        if run.template is not None:
            if not run.template:
                return None, TemplateWay.RAW
            if self._override is None or self._override[0] != run.template:
                self._override = (run.template, LazyTemplate(run.template, *self._tokens))
            return self._override[1].get(), TemplateWay.MODELFILE
        chosen = (self._for_tools if run.tools else None) or self._plain
        return (chosen.get() if chosen else None), self.way

    def _lazy(self, source: str) -> LazyTemplate | None:
        return LazyTemplate(source, *self._tokens) if source else None
