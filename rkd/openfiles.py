"""How many files a process of ours may hold open."""

from __future__ import annotations

import contextlib
import resource


def raise_limit() -> int:
    """
    Lift the soft limit to the hard one, which is returned; raising it needs no privilege.

    Every connection of the daemon is one, and the NPU's runtime holds one for each of its buffers.
    **Source:** airockchip/rknn-llm issue 62; Rockchip's own server raises it to 102,400.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # a container may refuse it
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
