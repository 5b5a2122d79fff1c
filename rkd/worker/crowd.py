"""
Sleeping threads that make GNU's OpenMP wait without spinning, for as long as they are there.

How long its threads spin at a barrier before they sleep is fixed when the library is loaded, but
for one rule: while it has more threads than the process has cores, it spins for 100 rounds instead
of 300,000 (a microsecond or two instead of some milliseconds), or not at all (`openmp.switch`).
**Source:** `do_spin` in libgomp's config/linux/wait.h and GOMP_SPINCOUNT in its manual, GCC 4.7 to
15. So a team of threads that
sleep on a semaphore switches it over, in either direction, in the middle of an answer.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
from pathlib import Path

_LIBRARY = re.compile(r"libgomp[^/]*\.so")
_SEMAPHORE_BYTES = 64
"""More than a sem_t has on any Linux (32 on 64 bits)."""


def loaded_openmp(maps: Path = Path("/proc/self/maps")) -> str:
    """The path of the OpenMP library this process has loaded, or ""."""
    try:
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    # The path is what begins with a slash; it may hold blanks.
    paths = ("/" + line.partition(" /")[2] for line in lines)
    return next((one for one in paths if _LIBRARY.match(one.rpartition("/")[2])), "")


class Crowd:
    """The threads, there or not; used by one thread."""

    def __init__(self) -> None:
        self._master: threading.Thread | None = None
        self._gate = ctypes.create_string_buffer(_SEMAPHORE_BYTES)
        self._size = 0

    @property
    def there(self) -> bool:
        """Whether they are."""
        return self._master is not None

    def gather(self) -> bool:
        """Make them, unless they are there; False if no OpenMP of GNU's is loaded."""
        if self.there:
            return True
        path = loaded_openmp()
        if not path:
            return False
        openmp, libc = ctypes.CDLL(path), ctypes.CDLL(None)
        # Afresh: a signal may have woken one of the last too early and left a count.
        self._gate = ctypes.create_string_buffer(_SEMAPHORE_BYTES)
        libc.sem_init(self._gate, 0, 0)
        # With the engine's own, however few, more than there were cores when it was loaded.
        self._size = (os.cpu_count() or 1) + 1
        sleep = ctypes.cast(libc.sem_wait, ctypes.c_void_p)
        size, no_flags = ctypes.c_uint(self._size), ctypes.c_uint(0)
        self._master = threading.Thread(
            target=openmp.GOMP_parallel,
            args=(sleep, self._gate, size, no_flags),
            name="crowd",
            daemon=True,
        )
        self._master.start()
        return True

    def disperse(self) -> None:
        """End them; the library counts fewer once their master's thread is over."""
        master, self._master = self._master, None
        if master is None:
            return
        libc = ctypes.CDLL(None)
        for _ in range(self._size):
            libc.sem_post(self._gate)
        master.join()
