"""From the settings to a running console and its end."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from rkd_client import AsyncClient
from rkd_web import inherited
from rkd_web.server import serve
from rkd_web.settings import Settings
from rkd_web.whose import lent_nothing

from rkd_console.app import build
from rkd_console.settings import PROGRAM


async def live(settings: Settings, environment: MutableMapping[str, str]) -> None:
    """Serve until told to stop, or until nobody looks any more."""
    handed = inherited.sockets(environment, os.getpid(), PROGRAM)
    async with AsyncClient.at(lent_nothing(environment)) as client:
        app = build(settings, client)
        async with app.lifespan():
            await serve(app, settings, handed)
