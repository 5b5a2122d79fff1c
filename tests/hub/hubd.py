"""The tests' hub as a program, for looking at: prints its endpoint, serves until it is ended."""

from __future__ import annotations

import os
import signal
import sys

from tests.hub.server import LocalHub

MEBI = 1 << 20


def main(rate_bytes_per_s: int) -> None:
    """Serve two repositories at the given rate."""
    with LocalHub(rate_bytes_per_s=rate_bytes_per_s) as hub:
        files = {
            f"tiny-1b-{kind}.gguf": b"GGUF" + os.urandom(size * MEBI)
            for kind, size in (("Q4_K_M", 60), ("Q8_0", 100), ("Q2_K", 30))
        }
        hub.add(
            "org/Tiny-1B-GGUF",
            {**files, "README.md": b"---\nlicense: mit\n---\n# Tiny\n\nA *tiny* model.\n"},
            downloads=12345,
            likes=67,
            tags=["gguf"],
            gguf={"total": 1_100_000_000, "architecture": "llama", "context_length": 2048},
        )
        hub.add("npu/Tiny-1B-rkllm", {"t-w8a8-rk3588.rkllm": os.urandom(20 * MEBI)}, downloads=9)
        sys.stdout.write(f"{hub.endpoint}\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
