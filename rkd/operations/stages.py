"""Where the files of pulls wait, by the operation; known before anything of a pull is imported."""

from __future__ import annotations

import hashlib

from rkd.operations.operation import Operation, OperationKind, OperationState


def stages_in_use(operations: tuple[Operation, ...]) -> frozenset[str]:
    """Name the stages that pulls will go on with, for the library's sweep at start."""
    kept = {OperationState.SUCCEEDED, OperationState.CANCELLED}
    return frozenset(
        stage_of(operation)
        for operation in operations
        if operation.kind is OperationKind.PULL and operation.state not in kept
    )


def stage_of(operation: Operation) -> str:
    """Name the stage of a pull: one for each download, so that a later try goes on with it."""
    return f"pull-{hashlib.sha256(operation.key.encode()).hexdigest()[:16]}"
