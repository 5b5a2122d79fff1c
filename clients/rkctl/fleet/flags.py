"""What makes a function a verb over several boards: the shared flags, and who is meant."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click
from rkd_client.where import Flags

from rkctl import naming
from rkctl.failure import Exit, Failure
from rkctl.verb import CONNECTION_FLAGS, JSON_FLAG, Command, flags_of, wants_json

if TYPE_CHECKING:
    from rkctl.fleet.several import Board

P = ParamSpec("P")

ON = click.option(
    "--on",
    metavar="BOARD",
    multiple=True,
    shell_complete=naming.known_contexts,
    help="Only this board; repeatable.",
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """
    The boards a verb is about.

    Args:
        boards: all that are known, or those given.
        json: print JSON instead of text.
        timeout_s: longest wait for each, None for what is usual.
    """

    boards: tuple[Board, ...]
    json: bool
    timeout_s: float | None

    def only(self, names: tuple[str, ...]) -> tuple[Board, ...]:
        """
        Return the boards of these *names*, all where there are none.

        Raises:
            Failure: CONTEXT_NOT_FOUND.
        """
        known = {one.name: one for one in self.boards}
        for name in names:
            if name not in known:
                remedy = f"known: {', '.join(known)}"
                said = f"there is no board named {name!r}"
                raise Failure(said, "CONTEXT_NOT_FOUND", (remedy,), Exit.NOT_FOUND)
        return tuple(known[name] for name in names) or self.boards


def fleet_verb(
    name: str,
) -> Callable[[Callable[Concatenate[Fleet, P], None]], click.Command]:
    """Make a function a verb over several boards."""

    def decorate(function: Callable[Concatenate[Fleet, P], None]) -> click.Command:
        body: Callable[..., None] = function

        @functools.wraps(body)
        def run(**given: Any) -> None:
            from rkctl.fleet.several import boards_of  # noqa: PLC0415 - gRPC, for help unneeded

            context = click.get_current_context()
            flags: Flags = flags_of(context, given)
            as_json = wants_json(context, given)
            body(Fleet(boards_of(flags), as_json, flags.timeout_s), **given)

        command = click.command(name, cls=Command)(run)
        for option in (JSON_FLAG, *CONNECTION_FLAGS):
            option(command)
        return command

    return decorate
