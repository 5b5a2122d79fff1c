"""
GNU's OpenMP, which both engines are linked with and a bare Debian lacks.

An environment may have a copy of its own in `<prefix>/lib` (`install.sh --demo` puts one there).
A library that is loaded answers for its name, however the process was started; no LD_LIBRARY_PATH.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from rkd.errors import PreconditionError, Reason

SONAME: Final = "libgomp.so.1"
_MISSING: Final = re.compile(r"(lib[\w.+-]{1,99}\.so[\w.]{0,40}): cannot open shared object file")
_PACKAGES: Final = {SONAME: "libgomp1", "libstdc++.so.6": "libstdc++6"}
"""Debian's name of the package with each library the engines need."""

_CHOICES: Final = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


_SWITCHED: Final = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "300000"}
"""
Spin as by default (300,000 rounds), but sleep at once while there are more threads than cores.

The one sets the rounds, the other that there are none then, instead of 100. **Source:**
initialize_env in libgomp's env.c, GCC 4.7 to 15.
"""
ANSWERS_BEGIN, ANSWERS_END = b"+", b"-"
"""Told on its standard input to an engine that is a process of its own and watches its cores."""


def is_chosen(environment: Mapping[str, str]) -> bool:
    """Whether somebody has decided how threads wait for each other: not ours to touch, then."""
    if _SWITCHED.items() <= environment.items():
        return False  # we have, see `switch`
    return any(name in environment for name in _CHOICES)


def switch(environment: MutableMapping[str, str]) -> None:
    """Let the library, not loaded yet, be switched from spinning to sleeping while it runs."""
    environment.update(_SWITCHED)


def preload(prefix: Path = Path(sys.prefix), name: str = SONAME) -> None:
    """
    Load the system's library, else the environment's copy; neither is left to the engine to tell.

    An engine whose wheel brings its own under another name needs none.
    """
    for place in (name, str(prefix / "lib" / name)):
        with suppress(OSError):
            ctypes.CDLL(place)
            return


def refusal(engine: str, error: ImportError | OSError) -> PreconditionError:
    """Make the error for an *engine* the system's loader refused: LOAD_FAILED, with the remedy."""
    found = _MISSING.search(str(error))
    if found is None:
        remedy = "Install it again: `sudo ./install.sh`; `rkctl doctor` looks for more."
        return PreconditionError(
            Reason.LOAD_FAILED, f"{engine} cannot start: {error}", remedy=remedy
        )
    library = found[1]
    package = _PACKAGES.get(library, f"the package with {library}")
    return PreconditionError(
        Reason.LOAD_FAILED,
        f"{engine} cannot start: the library {library} is missing.",
        remedy=f"Install it: `sudo apt install {package}`.",
        metadata={"library": library},
    )
