"""From the command line to a running program and its end, and what is said when it cannot start."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import MutableMapping
from importlib import import_module
from typing import Final

from rkd_client.errors import RkdError

from rkd_web.inherited import sockets
from rkd_web.settings import Program, read
from rkd_web.whose import lent_nothing

EXIT_CONFIG: Final = 78
"""EX_CONFIG of sysexits.h: starting again would not help."""


def run(program: Program) -> int:
    """Run *program*; returns its exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.stdout.write(f"{program.name}: {program.about}; see docs/{program.called}.md\n")
        return 0
    try:
        asyncio.run(_live(program, os.environ))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("rkd"):
            raise
        sys.stderr.write(
            f"{program.name} cannot start: the package {error.name} is missing. "
            f"In rkd's checkout: pip install '.[{program.called}]'\n"
        )
        return EXIT_CONFIG
    except RkdError as error:
        sys.stderr.write(f"{program.name}: {error}\n{error.remedy}\n".rstrip("\n") + "\n")
        return EXIT_CONFIG
    return 0


async def _live(program: Program, environment: MutableMapping[str, str]) -> None:
    """Serve until told to stop, or until nobody calls any more."""
    settings = read(environment, program)
    # A package that is missing is told in words.
    from rkd_client import AsyncClient  # noqa: PLC0415 - see above

    from rkd_web.server import serve  # noqa: PLC0415 - see above

    build = import_module(f"{program.name.replace('-', '_')}.app").build
    handed = sockets(environment, os.getpid(), program)
    async with AsyncClient.at(lent_nothing(environment)) as client:
        app = build(settings, client)
        async with app.lifespan():
            await serve(app, settings, handed)
