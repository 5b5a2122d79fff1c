"""
`python -m rkd.worker.hosted PROGRAM …`: a native llama-server whose threads wait as a worker's do.

Started by the native engine in the worker, with the server's own arguments. The program of a usual
build is a few lines around a library (`llama-server-impl`); that is run in this process, where a
`Crowd` and `Spinning` can reach its OpenMP. For each answer that begins or ends a byte comes on
standard input. Whatever cannot be run so (a static build, no OpenMP of GNU's, backends that are
sought beside the program) becomes the program itself, with its waiting as the environment says.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from rkd.backend import openmp
from rkd.worker.crowd import Crowd, loaded_openmp
from rkd.worker.spinning import Spinning

LIBRARY = "libllama-server-impl.so"
_ENTRY = "_Z12llama_serveriPPc"
"""`int llama_server(int argc, char ** argv)`. **Source:** tools/server/main.cpp of llama.cpp, and
how C++ writes its name on Linux."""
_COMPUTES = "libggml-cpu"
"""The backend for the CPU; where it is not linked it would be sought beside Python's program."""
_MOST_BYTES = 1024 * 1024
"""Of a program that is only linked with the library; a static one has megabytes."""


def library_beside(program: Path) -> Path | None:
    """Find the library *program* is linked with: in its folder, or in `lib` beside that."""
    try:
        with program.open("rb") as file:
            if LIBRARY.encode() not in file.read(_MOST_BYTES):
                return None
        folder = program.resolve().parent
    except OSError:
        return None
    places = (folder / LIBRARY, folder.parent / "lib" / LIBRARY)
    return next((place for place in places if place.is_file()), None)


def _entry(program: Path) -> ctypes._NamedFuncPointer | None:
    """Return the server's main function, if it can be run in this process."""
    library = library_beside(program)
    if library is None:
        return None
    try:
        entry: ctypes._NamedFuncPointer = getattr(ctypes.CDLL(str(library)), _ENTRY)
    except (OSError, AttributeError):
        return None
    linked = _COMPUTES in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    return entry if linked and loaded_openmp() else None


def follow(told: int, watched: Callable[[], AbstractContextManager[None]]) -> None:
    """Watch while answers are computed, by what is said on the descriptor *told*; until its end."""
    with ExitStack() as stack:
        while word := os.read(told, 1):
            if word == openmp.ANSWERS_BEGIN:
                stack.enter_context(watched())
            else:
                stack.pop_all().close()


def main(arguments: list[str]) -> int:
    """Run the server with *arguments*, its own name first; returns its exit code."""
    own = dict(os.environ)
    openmp.switch(os.environ)
    entry = _entry(Path(arguments[0]))
    if entry is None:
        try:
            os.execve(arguments[0], arguments, own)  # noqa: S606 - as it would be without us
        except OSError as error:
            sys.exit(f"{arguments[0]} cannot be started: {error.strerror}")
    watched = Spinning(Crowd()).watched
    threading.Thread(target=follow, args=(0, watched), name="answers", daemon=True).start()
    words = [os.fsencode(word) for word in arguments]
    return int(entry(len(words), (ctypes.c_char_p * (len(words) + 1))(*words, None)))


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
