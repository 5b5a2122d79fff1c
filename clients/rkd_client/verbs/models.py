"""Models on disk, and where they come from and go to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rkd.v1 import models_pb2 as pb
from rkd_client.ask import QUICK_S, SLOW_S, Ask, StreamAsk
from rkd_client.follow import Follow, FollowOperation
from rkd_client.values import fill

if TYPE_CHECKING:
    from rkd_client.v1 import models as v1

PAGE_SIZE = 1000
"""The longest page of the contract."""


def list(prefix: str = "") -> Ask[pb.ListResponse, v1.ListResponse]:  # noqa: A001
    """List the models on the board, those whose names begin with *prefix*."""
    return Ask(pb.ListRequest(page_size=PAGE_SIZE, prefix=prefix), repeatable=True, paged=True)


def show(model: str, *, verify: bool = False) -> Ask[pb.ShowResponse, v1.ShowResponse]:
    """Tell everything about *model*; *verify* reads every byte and compares the digests."""
    return Ask(
        pb.ShowRequest(model=model, verify=verify),
        bound_s=SLOW_S if verify else QUICK_S,
        repeatable=True,
    )


def pull(
    source: str, *, name: str = "", revision: str = "", replace: bool = False, detach: bool = False
) -> StreamAsk[pb.PullResponse, v1.PullResponse]:
    """
    Download *source* (`user/repo`, `user/repo:QUANT`) and tell each step.

    Leaving the stream leaves the download running on the board; *detach* ends the stream when it
    has begun.
    """
    request = pb.PullRequest(
        source=source, name=name, revision=revision, replace=replace, detach=detach
    )
    return StreamAsk(request, follow=lambda: FollowOperation(detach=detach))


def create(
    model: str,
    modelfile: str = "",
    *,
    files: Mapping[str, str] | None = None,
    quantize: str = "",
    replace: bool = False,
    existing_file: str = "",
    huggingface_path: str = "",
    check_only: bool = False,
) -> StreamAsk[pb.CreateResponse, v1.CreateResponse]:
    """
    Make *model* as the text *modelfile* says and tell each step.

    Args:
        model: its name.
        modelfile: the text; FROM a model, a repository, or a name in *files*.
        files: digests of uploads by the names the Modelfile uses.
        quantize: type to quantize to, such as `Q4_K_M`.
        replace: replace a model of that name.
        existing_file: a weights file already in the model's folder, which gets its Modelfile:
            the text *modelfile*, or one written by the board.
        huggingface_path: `user/repo` of its tokenizer, with *existing_file* and no *modelfile*.
        check_only: only judge it, before the files are brought; their digests may be empty.
    """
    request = pb.CreateRequest(
        model=model,
        modelfile=modelfile,
        files=[pb.UploadedFile(name=name, digest=digest) for name, digest in (files or {}).items()],
        quantize=quantize,
        replace=replace,
        existing_file=existing_file,
        huggingface_path=huggingface_path,
        check_only=check_only,
    )
    follow = Follow if check_only else FollowOperation
    return StreamAsk(request, follow=follow, repeatable=check_only)


def push(
    model: str, repository: str, *, private: bool = False, message: str = "", detach: bool = False
) -> StreamAsk[pb.PushResponse, v1.PushResponse]:
    """Upload *model* to the Hub as *repository* and tell each step, as `pull` does."""
    request = pb.PushRequest(
        model=model, repository=repository, private=private, message=message, detach=detach
    )
    return StreamAsk(request, follow=lambda: FollowOperation(detach=detach))


def copy(
    source: str, destination: str, *, replace: bool = False
) -> Ask[pb.CopyResponse, v1.CopyResponse]:
    """Copy model *source* to *destination*; the weights are shared on disk."""
    request = pb.CopyRequest(source=source, destination=destination, replace=replace)
    return Ask(request)


def delete(model: str, *, drain: bool = False) -> Ask[pb.DeleteResponse, v1.DeleteResponse]:
    """Delete *model*; *drain* lets running answers end first."""
    request = pb.DeleteRequest(model=model, drain=drain)
    return Ask(request, bound_s=SLOW_S if drain else 60.0)


def migrate(*, dry_run: bool = False) -> Ask[pb.MigrateResponse, v1.MigrateResponse]:
    """Move weights lying flat in the models folder into a folder for each model."""
    return Ask(pb.MigrateRequest(dry_run=dry_run), bound_s=SLOW_S)


def watch(*topics: str, since: int | None = None) -> StreamAsk[pb.WatchResponse, v1.WatchResponse]:
    """Tell changes of models, residents and operations, those of *topics*, for ever."""
    return StreamAsk(fill(pb.WatchRequest(), topics=topics, start_revision=since), repeatable=True)
