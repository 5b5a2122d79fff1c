"""Query and document into one prompt, by the template of a reranker that answers yes or no."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from rkd.backend.prompt.chat import FAULTS, broken_template
from rkd.backend.prompt.sandbox import Budget, ChatEnvironment, check_length
from rkd.capability.rerank import PLAIN, is_plain
from rkd.inference import RankSpec
from rkd.outside import whole


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
        self._plain = is_plain(source)
        if self._plain:
            return
        self._environment = ChatEnvironment(now)
        self._one_at_a_time = threading.Lock()
        try:
            check_length(len(source) * 8)
            self._template = self._environment.from_string(source)
        except FAULTS as error:
            raise broken_template(error) from error

    def prompt(self, spec: RankSpec, document: str) -> str:
        """
        Write *document* and the query of *spec*.

        Raises:
            InvalidInputError: INVALID_FIELD, the template fails.
        """
        if self._plain:
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
            with self._one_at_a_time:
                self._environment.budget = Budget()
                text = self._template.render(names)
            check_length(len(text))
        except FAULTS as error:
            raise broken_template(error) from error
        return whole(text)
