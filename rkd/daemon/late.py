"""
What an idle daemon has not imported: made when it is first needed.

Parsing, compiling and holding a room takes as long and as much whether anybody comes or not. Who
is named here is imported by its first caller, in a thread, so that the loop goes on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from importlib import import_module
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class Late(Generic[_T]):
    """
    Something of a module, made once; on the event loop.

    Args:
        module: imported when it is needed.
        make: makes it, given the module.
        needs: what `make` takes `now`, imported aside as well.
    """

    def __init__(
        self, module: str, make: Callable[[Any], _T], needs: Late[Any] | None = None
    ) -> None:
        self._module = module
        self._make = make
        self._needs = needs
        self._made: _T | None = None

    def now(self) -> _T:
        """Return it, importing here what is missing."""
        if self._made is None:
            self._made = self._make(import_module(self._module))
        return self._made

    async def get(self) -> _T:
        """Return it; what is missing is imported aside."""
        if self._made is None:
            if self._needs is not None:
                await self._needs.get()
            await asyncio.to_thread(import_module, self._module)
        return self.now()


class LateFace:
    """
    A servicer some methods of which are those of another one, made at the first call.

    Args:
        late: the other one.
        calls: its methods with one answer.
        streams: its methods with many.
        present: whose the remaining methods are.
    """

    def __init__(
        self,
        late: Late[Any],
        *,
        calls: tuple[str, ...] = (),
        streams: tuple[str, ...] = (),
        present: object = None,
    ) -> None:
        self._late = late
        self._present = present
        for name in calls:
            setattr(self, name, self._call(name))
        for name in streams:
            setattr(self, name, self._stream(name))

    def __getattr__(self, name: str) -> Any:
        """Find a method of the servicer that is here."""
        return getattr(self._present, name)

    def _call(self, name: str) -> Any:
        async def call(request: Any, context: Any) -> Any:
            return await getattr(await self._late.get(), name)(request, context)

        return call

    def _stream(self, name: str) -> Any:
        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            behaviour = getattr(await self._late.get(), name)
            async with aclosing(behaviour(request, context)) as answers:
                async for answer in answers:
                    yield answer

        return stream
