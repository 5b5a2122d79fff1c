"""Arguments the shell completes: by asking the daemon, shortly, or from what is known here."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click
from click.shell_completion import CompletionItem
from rkd_client import contexts
from rkd_client.errors import RkdError
from rkd_client.where import Flags, resolve

if TYPE_CHECKING:
    from rkd_client.sync import Client

Found = TypeVar("Found")

PATIENCE_S = 1.0
"""A shell that waits longer for a completion feels broken."""

QUANTIZED = (
    *("Q4_K_M", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_0", "Q4_K_S", "Q4_1", "Q4_0"),
    *("IQ4_NL", "IQ4_XS", "Q3_K_M", "F16", "BF16", "F32"),
)
"""What `create -q` makes; the daemon has the table, a test compares."""


def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the models on the board that begin so; nothing when the board is away."""
    found = _asked(context, lambda client: [one.name for one in client.list(incomplete).models])
    return [CompletionItem(name) for name in found]


def operations(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the operations that begin so, each with what it is about."""
    asked = _asked(context, lambda client: list(client.operations().operations))
    return [
        CompletionItem(one.id, help=f"{one.kind} {one.model}: {one.state}")
        for one in asked
        if one.id.startswith(incomplete)
    ]


def known_contexts(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the contexts that begin so."""
    try:
        store = contexts.load(contexts.file_of(os.environ))
    except RkdError:
        return []
    names = (one.name for one in store.contexts)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def types(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the types `create` can quantize to that begin so, in any case."""
    return [CompletionItem(one) for one in QUANTIZED if one.startswith(incomplete.upper())]


def _asked(context: click.Context, ask: Callable[[Client], list[Found]]) -> list[Found]:
    # Imported here: a completion of verbs and flags does without gRPC.
    from rkd_client.sync import Client  # noqa: PLC0415 - see above

    flags = Flags(**{name: context.params.get(name) for name in Flags.__dataclass_fields__})
    try:
        store = contexts.load(contexts.file_of(os.environ))
        with Client.at(resolve(flags, os.environ, store), timeout=PATIENCE_S) as client:
            return ask(client)
    except RkdError:
        return []


MODEL = click.argument("model", shell_complete=complete)
MODELS = click.argument(
    "models", metavar="MODEL...", nargs=-1, required=True, shell_complete=complete
)
