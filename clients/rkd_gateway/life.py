"""From the settings to a running gateway and its end."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

from rkd_client import AsyncClient
from rkd_client.contexts import Store
from rkd_client.where import Flags, Where, resolve

from rkd_gateway import inherited
from rkd_gateway.app import build
from rkd_gateway.server import serve
from rkd_gateway.settings import Settings


async def live(settings: Settings, environment: MutableMapping[str, str]) -> None:
    """Serve until told to stop, or until nobody calls any more."""
    handed = inherited.sockets(environment, os.getpid())
    async with AsyncClient.at(daemon(environment)) as client:
        await serve(build(settings, client), settings, handed)


def daemon(environment: Mapping[str, str]) -> Where:
    """
    Return where the daemon is; the token in the environment is not ours to lend.

    Raises:
        RkdError: RKD_ENDPOINT cannot be read.
    """
    own = {name: value for name, value in environment.items() if name != "RKD_CONTEXT"}
    return resolve(Flags(token=""), own, Store())
