"""The library's errors in words: what happened to which model, and the command that helps."""

from __future__ import annotations

import errno
from pathlib import Path

from rkd.errors import (
    AlreadyExistsError,
    ExhaustedError,
    InternalError,
    NotFoundError,
    PreconditionError,
    Reason,
    RkdError,
)
from rkd.library.layout import Left
from rkd.model import ModelName

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def not_found(name: ModelName, left: Left | None = None) -> NotFoundError:
    """There is no model *name*; *left* is what lies there instead."""
    beside = f" ({left.name} in the models folder was left alone: {left.text})" if left else ""
    return NotFoundError(
        Reason.MODEL_NOT_FOUND,
        f"there is no model {name.text!r}{beside}.",
        remedy=f"Fetch one with `rkctl pull user/repo --name {name}`, make it with "
        f"`rkctl create {name} -f Modelfile`, or look for it with `rkctl search {name}`; "
        "`rkctl list` shows what is there.",
        metadata={"model": name.text},
    )


def exists(name: ModelName, what: str = "") -> AlreadyExistsError:
    """The name is taken."""
    return AlreadyExistsError(
        Reason.MODEL_EXISTS,
        what or f"a model {name.text!r} exists already.",
        remedy=f"Choose another name, ask to replace it, or delete it with `rkctl rm {name}`.",
        metadata={"model": name.text},
    )


def incoming(name: ModelName) -> PreconditionError:
    """The model's only file is still being written where it lies."""
    return PreconditionError(
        Reason.MODEL_INCOMPLETE,
        f"{name} is still arriving: its file is being written.",
        remedy="Wait until it is complete; `rkctl watch` tells when.",
        metadata={"model": name.text},
    )


def full(root: Path, wanted_bytes: int, free_bytes: int) -> ExhaustedError:
    """What is to be made would not fit."""
    return ExhaustedError(
        Reason.DISK_FULL,
        f"{wanted_bytes} bytes are needed in {root} and {free_bytes} are free, of which some stay "
        "reserved.",
        remedy="Delete models with `rkctl rm`, or give the models folder a larger disk.",
        metadata={"needed_bytes": str(wanted_bytes), "free_bytes": str(free_bytes)},
    )


def disk(error: OSError, root: Path) -> RkdError:
    """The models folder could not be changed."""
    if error.errno in _FULL:
        return ExhaustedError(
            Reason.DISK_FULL,
            f"no space is left in {root}.",
            remedy="Delete models with `rkctl rm`, or give the models folder a larger disk.",
            metadata={"folder": str(root)},
        )
    return InternalError(
        Reason.INTERNAL,
        f"{root} cannot be changed: {error.strerror}.",
        remedy="Make the models folder writable for the user rkd runs as.",
        metadata={"folder": str(root), "errno": errno.errorcode.get(error.errno or 0, "")},
    )
