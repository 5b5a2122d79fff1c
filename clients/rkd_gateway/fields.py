"""The fields of a JSON body, read one by one; what nobody read is refused, never ignored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

from rkd_client.errors import InvalidInputError

from rkd_gateway.problems import bad_field

QUOTED = 10
"""So many unknown fields are named in an error."""


class Fields:
    """
    A JSON object being read.

    Args:
        given: the object; null is as good as absent.
        at: what its fields are called before their names, in errors.
    """

    def __init__(self, given: Mapping[str, Any], at: str = "") -> None:
        self._left = {key: value for key, value in given.items() if value is not None}
        self.at = at

    def path(self, name: str) -> str:
        """Return what errors call the field *name*."""
        return f"{self.at}{name}"

    def take(self, name: str) -> Any:
        """Return the field as it is, None when it is not there."""
        return self._left.pop(name, None)

    def peek(self, name: str) -> Any:
        """Return the field as it is, and leave it to be read."""
        return self._left.get(name)

    def everything(self) -> dict[str, Any]:
        """Return all that is left, by name."""
        found, self._left = self._left, {}
        return found

    def skip(self, *names: str) -> None:
        """Accept these fields, whatever they say: they change nothing here."""
        for name in names:
            self._left.pop(name, None)

    def rename(self, name: str, ours: str) -> None:
        """Read the field *name* as *ours*, which is then not known by itself."""
        self._left.pop(ours, None)
        if name in self._left:
            self._left[ours] = self._left.pop(name)

    def text(self, name: str) -> str | None:
        """Return a text."""
        return cast("str | None", self._kind(name, str, "a text"))

    def yes(self, name: str) -> bool | None:
        """Return true or false."""
        return cast("bool | None", self._kind(name, bool, "true or false"))

    def items(self, name: str) -> list[Any] | None:
        """Return a list."""
        return cast("list[Any] | None", self._kind(name, list, "a list"))

    def inner(self, name: str) -> Fields | None:
        """Return an object."""
        found = self._kind(name, dict, "an object")
        return (
            None if found is None else Fields(cast("dict[str, Any]", found), self.path(name + "."))
        )

    def needed(self, name: str) -> Fields:
        """Return an object that has to be there."""
        found = self.inner(name)
        if found is None:
            raise bad_field(self.path(name), "an object")
        return found

    def objects(self, name: str) -> list[Fields]:
        """Return a list of objects."""
        listed = enumerate(self.items(name) or ())
        return [object_of(one, self.path(f"{name}[{at}]")) for at, one in listed]

    def whole(self, name: str) -> int | None:
        """Return a whole number."""
        found = self.take(name)
        return None if found is None else whole(self.path(name), found)

    def number(self, name: str) -> float | None:
        """Return a number."""
        found = self.take(name)
        return None if found is None else number(self.path(name), found)

    def name_of_model(self, *names: str) -> str:
        """Return the model's name without `:latest`; the first of *names* that is there."""
        found = [text for name in names if (text := self.text(name))]
        if not found:
            raise bad_field(self.path(names[0]), "the name of a model")
        return without_latest(found[0])

    def end(self) -> None:
        """
        Refuse what nobody has read.

        Raises:
            InvalidInputError: INVALID_FIELD, naming the fields.
        """
        if not self._left:
            return
        names = ", ".join(self.path(name[:40]) for name in list(self._left)[:QUOTED])
        raise InvalidInputError(
            "INVALID_FIELD",
            f"not known here: {names}",
            remedy="leave it out, or see docs/gateway.md for what is taken",
            metadata={"field": self.path(next(iter(self._left))[:40])},
        )

    def _kind(self, name: str, kind: type, what: str) -> object:
        found = self.take(name)
        if found is not None and not isinstance(found, kind):
            raise bad_field(self.path(name), what)
        return found


def object_of(value: object, path: str) -> Fields:
    """Return *value*, called *path* in errors, as an object to be read."""
    if not isinstance(value, dict):
        raise bad_field(path, "an object")
    return Fields(value, f"{path}.")


def whole(path: str, value: object) -> int:
    """Return *value* as a whole number; 3.0 is one."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad_field(path, "a whole number")
    return value


def number(path: str, value: object) -> float:
    """Return *value* as a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_field(path, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise bad_field(path, "a number of a size that can be counted with") from error


def without_latest(name: str) -> str:
    """Return *name* without the tag that means nothing."""
    return name.removesuffix(":latest") or name


def parse(body: bytes) -> dict[str, Any]:
    """
    Return the JSON object in *body*.

    Raises:
        InvalidInputError: INVALID_FIELD, it is none.
    """
    try:
        found = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        said = "nested too deep" if isinstance(error, RecursionError) else str(error)[:120]
        raise InvalidInputError("INVALID_FIELD", f"the body is no JSON in UTF-8: {said}") from error
    if not isinstance(found, dict):
        raise InvalidInputError("INVALID_FIELD", "the body should be a JSON object")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
