"""Query and document into one prompt, by the template of a reranker that answers yes or no."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rkd.backend.prompt.bounded import BoundedTemplate, broken_template
from rkd.backend.prompt.sandbox import TemplateRefusalError
from rkd.capability.rerank import PLAIN, is_plain
from rkd.inference import RankSpec


class RerankTemplate:
    """
    One template; may be used from any thread.

    Args:
        source: its text.
        bos_token, eos_token: what Jinja sees under these names.
        now: the local time for templates that print the date.

    Raises:
        InvalidInputError: INVALID_FIELD, it is no Jinja.
    """

    def __init__(
        self,
        source: str,
        bos_token: str = "",
        eos_token: str = "",
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._source = source
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self._template = None if is_plain(source) else BoundedTemplate(source, now)

    def prompt(self, spec: RankSpec, document: str) -> str:
        """
        Write *document* and the query of *spec*.

        Raises:
            InvalidInputError: INVALID_FIELD, the template fails.
        """
        if self._template is None:
            # At once: what one of them says about the other's place is text.
            put = {"query": spec.query, "document": document}
            return PLAIN.sub(lambda found: put[found[1]], self._source)
        turns = [("system", spec.instruction), ("query", spec.query), ("document", document)]
        names: dict[str, object] = {
            "messages": [{"role": role, "content": text} for role, text in turns if text],
            "query": spec.query,
            "document": document,
            "add_generation_prompt": True,
            **self._tokens,
        }
        if spec.instruction:
            names["instruction"] = spec.instruction
        try:
            return self._template.render(names)
        except TemplateRefusalError as error:
            raise broken_template(error) from error
