"""The library's errors in words: what happened to which model, and the command that helps."""

from __future__ import annotations

import errno
from pathlib import Path

from rkd.durable import disk_is_full
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
from rkd.outside import NotRegularError, escaped

_READ_ONLY = {
    errno.EROFS: "it is mounted read-only",
    errno.EACCES: "rkd's user has no right to it",
    errno.EPERM: "rkd's user has no right to it",
}


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
        f"{wanted_bytes} bytes are needed in {escaped(str(root))} and {free_bytes} are free, "
        "of which some stay reserved.",
        remedy="Delete models with `rkctl rm`, or give the models folder a larger disk.",
        metadata={"needed_bytes": str(wanted_bytes), "free_bytes": str(free_bytes)},
    )


def read_only(root: Path, why: str) -> PreconditionError:
    """Nothing in the models folder can be changed: *why*; what is there can be used."""
    return PreconditionError(
        Reason.MODELS_READ_ONLY,
        f"nothing can be changed in {escaped(str(root))}: {why}.",
        remedy="Mount it writable, give it to rkd's user, or point RKD_MODELS at another folder; "
        "the models in it can be used as they are.",
        metadata={"folder": escaped(str(root)), "why": why},
    )


def held(root: Path, holder: str) -> PreconditionError:
    """Another rkd changes this folder."""
    return read_only(root, f"another rkd ({holder}) holds it and is the one to ask")


def disk(error: OSError, root: Path) -> RkdError:
    """The models folder could not be changed."""
    if disk_is_full(error):
        return ExhaustedError(
            Reason.DISK_FULL,
            f"no space is left in {escaped(str(root))}.",
            remedy="Delete models with `rkctl rm`, or give the models folder a larger disk.",
            metadata={"folder": escaped(str(root))},
        )
    if error.errno in _READ_ONLY:
        return read_only(root, _READ_ONLY[error.errno])
    if isinstance(error, NotRegularError):
        return read_only(root, f"{error.filename}: {error.what}")
    return InternalError(
        Reason.INTERNAL,
        f"{escaped(str(root))} cannot be changed: {error.strerror}.",
        remedy="Make the models folder writable for the user rkd runs as.",
        metadata={"folder": escaped(str(root)), "errno": errno.errorcode.get(error.errno or 0, "")},
    )
