"""Whether a create may begin: judged before its operation exists, without a byte of the files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rkd.errors import NotFoundError, PreconditionError, Reason
from rkd.library import refusals
from rkd.library.library import Library
from rkd.model import Model
from rkd.operations.operation import Operation, OperationKind
from rkd.operations.operations import Operations
from rkd.operations.order import CreateOrder, Work


async def start_create(
    operations: Operations,
    library: Library,
    order: CreateOrder,
    *,
    in_use: Callable[[str], bool] = lambda _key: False,
) -> Operation:
    """
    Start *order*, or join the create that does the same.

    Raises:
        InvalidInputError: INVALID_MODELFILE, INVALID_FIELD.
        AlreadyExistsError: MODEL_EXISTS.
        NotFoundError: MODEL_NOT_FOUND, for a FROM.
        PreconditionError: MODEL_BUSY: the model to replace answers, or another create of that
            name is under way; whatever stands against using FROM.
    """
    work = await asyncio.to_thread(order.work)
    other = _under_way(operations, order)
    if other is None:
        await check_create(library, order, in_use=in_use)
        if work is Work.HUB:
            raise _not_pulled(order)
    elif other.key != order.key:
        raise PreconditionError(
            Reason.MODEL_BUSY,
            f"another create of {order.name} is under way.",
            remedy=f"Wait for it with `rkctl ops attach {other.id}`, or cancel it.",
            metadata={"model": order.name.text, "operation": other.id},
        )
    return await operations.start(
        OperationKind.CREATE, key=order.key, subject=order.name.text, request=order.request()
    )


async def check_create(
    library: Library, order: CreateOrder, *, in_use: Callable[[str], bool] = lambda _key: False
) -> None:
    """
    Refuse what can be refused without a byte of the files.

    Raises:
        RkdError: as `start_create`, but for another create under way.
    """
    work = await asyncio.to_thread(order.work)
    await library.current()
    await library.learn(order.name)
    if work is not Work.EXISTING:
        _check_name(library, order, in_use)
    if work is Work.PARENT:
        await parent_of(library, order)


def _under_way(operations: Operations, order: CreateOrder) -> Operation | None:
    """Find an unfinished create of the same name."""
    creates = (one for one in operations.list() if one.kind is OperationKind.CREATE)
    under_way = (one for one in creates if not one.state.final)
    return next((one for one in under_way if one.key.startswith(f"{order.name.key} ")), None)


def _check_name(library: Library, order: CreateOrder, in_use: Callable[[str], bool]) -> None:
    try:
        library.find(order.name)
    except NotFoundError:
        return
    if not order.replace:
        raise refusals.exists(order.name)
    if in_use(order.name.key):
        raise PreconditionError(
            Reason.MODEL_BUSY,
            f"{order.name} is answering and cannot be replaced now.",
            remedy=f"Wait, or let it leave with `rkctl stop {order.name}`.",
            metadata={"model": order.name.text},
        )


def _not_pulled(order: CreateOrder) -> NotFoundError:
    text = order.read().sources[0].text
    return NotFoundError(
        Reason.MODEL_NOT_FOUND,
        f"FROM names {text}, which is not on this board.",
        remedy=f"Fetch it with `rkctl pull {text}`, then say FROM with the name it got.",
        metadata={"from": text},
    )


async def parent_of(library: Library, order: CreateOrder) -> Model:
    """
    Find the model a PARENT order derives from.

    Raises:
        RkdError: MODEL_NOT_FOUND, INVALID_FIELD, whatever stands against using it.
    """
    name = order.parent or order.read().sources[0].text
    return await library.resolve(await library.named(name, field_name="modelfile"))
