"""One Jinja text of a stranger, compiled and rendered within the bounds of `sandbox.py`."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from jinja2 import TemplateError, meta

from rkd.backend.prompt.sandbox import (
    Budget,
    ChatEnvironment,
    TemplateRefusalError,
    TemplateRunawayError,
    check_length,
)
from rkd.errors import InvalidInputError, bad_field
from rkd.outside import whole

FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


class BoundedTemplate:
    """
    One template; may be used from any thread.

    Args:
        source: the Jinja text.
        now: the local time for templates that print the date.

    Raises:
        InvalidInputError: INVALID_FIELD, when the text is no Jinja.
    """

    def __init__(self, source: str, now: Callable[[], datetime]) -> None:
        self._environment = ChatEnvironment(now)
        self._one_at_a_time = threading.Lock()
        try:
            check_length(len(source) * 8)
            names = meta.find_undeclared_variables(self._environment.parse(source))
            self._template = self._environment.from_string(source)
        except FAULTS as error:
            raise broken_template(error) from error
        self.names = frozenset(names)
        """The variables it reads."""

    def render(self, names: Mapping[str, object]) -> str:
        """
        Write the text, in whole characters.

        Raises:
            TemplateRefusalError: it refuses what it was given.
            InvalidInputError: INVALID_FIELD, it fails or makes too much.
        """
        pieces: list[str] = []
        length = 0
        full = False
        with self._one_at_a_time:
            self._environment.budget = Budget()
            try:
                for piece in self._template.generate(names):
                    length += len(piece)
                    check_length(length)
                    pieces.append(piece)
            except TemplateRefusalError:
                raise
            except MemoryError:
                # Raised below: here the traceback still holds all that the template has made.
                full = True
            except FAULTS as error:
                raise broken_template(error) from error
        if full:
            gc.collect()  # Jinja's frames hold each other
            raise broken_template(TemplateRunawayError("it makes more than the memory it may have"))
        return whole("".join(pieces))


def broken_template(error: BaseException) -> InvalidInputError:
    """Make the error for a template that does not compile, or fails."""
    line = getattr(error, "lineno", None)
    at = f" (line {line})" if line else ""
    verb = "is stopped" if isinstance(error, TemplateRunawayError) else "fails"
    what = f"the chat template {verb}{at}: {str(error) or type(error).__name__}"
    remedy = "Correct the TEMPLATE of the Modelfile, or the chat template beside the weights."
    return bad_field("template", what, what, remedy=remedy)
