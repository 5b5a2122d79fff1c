"""Arguments that name a model: completed in the shell by asking the daemon, shortly."""

from __future__ import annotations

import os

import click
from click.shell_completion import CompletionItem

from rkctl import contexts
from rkctl.failure import Failure
from rkctl.where import Flags, resolve

PATIENCE_S = 1.0
"""A shell that waits longer for a completion feels broken."""


def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the models on the board that begin so; nothing when the board is away."""
    # Imported here: a completion of verbs and flags does without gRPC.
    from rkctl.session import Session  # noqa: PLC0415 - see above
    from rkd.v1 import models_pb2  # noqa: PLC0415 - see above

    flags = Flags(**{name: context.params.get(name) for name in Flags.__dataclass_fields__})
    try:
        store = contexts.load(contexts.file_of(os.environ))
        session = Session(resolve(flags, os.environ, store), timeout_s=PATIENCE_S)
        request = models_pb2.ListRequest(prefix=incomplete, page_size=1000)
        answer = session.call(session.models.List, request)
        session.close()
    except Failure:
        return []
    return [CompletionItem(model.name) for model in answer.models]


MODEL = click.argument("model", shell_complete=complete)
MODELS = click.argument(
    "models", metavar="MODEL...", nargs=-1, required=True, shell_complete=complete
)
