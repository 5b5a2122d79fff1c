"""Push a model: its weights, Modelfile, tokenizer and a card, as one commit on the hub."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from pathlib import Path

from rkd.errors import ForbiddenError, Reason, UnavailableError
from rkd.hub.connection import Connection
from rkd.hub.reference import parse
from rkd.hub.stop import StopSign
from rkd.hub.threads import STALL_S, Moved, in_thread, left_behind
from rkd.hub.upload import Outgoing, upload
from rkd.library.layout import MODELFILE
from rkd.library.library import Library
from rkd.model import Format, Model, ModelName
from rkd.operations.operation import Operation, OperationKind, asked
from rkd.operations.operations import Operations
from rkd.operations.report import Report
from rkd.outside import open_regular

CARD = "README.md"
_STOP_WAIT_S = 2.0
"""How long a cancelled upload is waited for; it sends nothing more once it looks."""


async def start_push(
    operations: Operations,
    *,
    model: ModelName,
    repository: str,
    private: bool = False,
    message: str = "",
    endpoint: str = "",
) -> Operation:
    """
    Start pushing *model* to *repository*, or join the push that does the same.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    target = parse(repository, endpoint=endpoint).repository
    request = {
        "model": model.text,
        "repository": target,
        "private": "yes" if private else "",
        "message": message,
    }
    return await operations.start(
        OperationKind.PUSH, key=f"{model.key}->{target}", subject=model.text, request=request
    )


class PushRunner:
    """
    Carries pushes out; see `operations.Runner`.

    Args:
        connection: the way to the hub, with a token that may write.
        library: where models are.
    """

    resumable = True

    def __init__(self, *, connection: Connection, library: Library) -> None:
        self._connection = connection
        self._library = library

    async def run(self, operation: Operation, report: Report) -> Mapping[str, str]:
        """Push; see the module."""
        self._connection.require_online("an upload")
        if self._connection.token is None:
            raise ForbiddenError(
                Reason.HUB_GATED,
                "the hub takes no upload without a token",
                remedy="Give rkd a token with write access (HF_TOKEN or hf_token_file).",
                metadata={"kind": "token", "page": f"{self._connection.shown}/settings/tokens"},
            )
        model = await self._library.resolve(ModelName.parse(asked(operation.request, "model")))
        repository = parse(asked(operation.request, "repository")).repository
        files = await asyncio.to_thread(outgoing, model, repository)
        for file in files:
            report.begin(file.path, file.size_bytes)
        report.stage("uploading")
        url = await self._upload(operation, model, files, report)
        return {"commit_url": url}

    async def discard(self, operation: Operation) -> None:
        """Leave what the hub has: without a commit nobody sees it, and it expires there."""

    async def _upload(
        self, operation: Operation, model: Model, files: tuple[Outgoing, ...], report: Report
    ) -> str:
        request, stop = operation.request, StopSign()
        repository = parse(asked(request, "repository")).repository
        moved = Moved()
        send = functools.partial(
            upload,
            self._connection,
            repository,
            files,
            private=bool(asked(request, "private")),
            message=asked(request, "message") or f"Upload {model.name} with rkd",
            progress=moved.noting(report.advance),
            stop=stop,
        )
        sending = asyncio.ensure_future(in_thread(send, name="rkd-push"))
        try:
            return await moved.ended(sending, within_s=STALL_S, what=f"push of {model.name}")
        except (asyncio.CancelledError, UnavailableError):
            stop.set()
            await left_behind(sending, within_s=_STOP_WAIT_S)
            raise


def outgoing(model: Model, repository: str) -> tuple[Outgoing, ...]:
    """
    List what a push of *model* to *repository* sends, small files first.

    A card is added if the folder has none; links that lead out of it are not followed.
    """
    paths = sorted(
        (path for path in model.folder.iterdir() if _is_own(path)),
        key=lambda path: (path.stat().st_size, path.name),
    )
    files = [Outgoing(path.name, path) for path in paths]
    names = {path.name for path in paths}
    if MODELFILE not in names and model.modelfile_text:
        files.insert(0, Outgoing(MODELFILE, model.modelfile_text.encode()))
    if CARD not in names:
        files.insert(0, Outgoing(CARD, card(model, paths, repository).encode()))
    return tuple(files)


def _is_own(path: Path) -> bool:
    """Whether *path* is a regular file of the model's folder, to be seen by everybody."""
    if path.name.startswith("."):
        return False
    try:
        with open_regular(path, within=path.parent):
            return True
    except OSError:
        return False


def card(model: Model, paths: list[Path], repository: str) -> str:
    """Write the stub of a model card: what it is, where it came from, how to run it."""
    formats = sorted({file.format.value for file in model.weights})
    front = ["---", "tags:", *(f"- {form}" for form in formats), "- rkd"]
    origin = model.provenance.repository
    if origin:
        front += ["base_model:", f"- {origin}"]
    lines = [*front, "---", f"# {model.name}", ""]
    if origin:
        lines += [f"Made from `{origin}` at commit `{model.provenance.revision}`.", ""]
    details = model.details
    if details.architecture:
        lines += [f"Architecture {details.architecture}, {details.parameters} parameters.", ""]
    lines += ["| file | bytes | sha256 |", "|---|---|---|"]
    digests = dict(model.provenance.digests)
    lines += [
        f"| {path.name} | {path.stat().st_size} "
        f"| {digests.get(path.name, '').removeprefix('sha256:')} |"
        for path in paths
    ]
    runs = "NPU of RK3588 boards" if Format.RKLLM.value in formats else "CPU"
    lines += ["", f"Runs on the {runs} with rkd: `rkctl pull {repository}`.", ""]
    return "\n".join(lines)
