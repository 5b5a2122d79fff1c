"""List of 1,000 models over gRPC against a walk of the same folder, in one run."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rkd.v1 import models_pb2 as pb
from tests.integration.library_server import served
from tests.unit.library.folders import put

ROUNDS = 25
MODELS = 1000


def walk(root: Path) -> int:
    """What a list without a snapshot costs at the least: one stat a file."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


async def main() -> None:
    """Print both medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "models"
        for number in range(MODELS):
            for name in ("x.gguf", "Modelfile", "tokenizer.json"):
                put(root / f"m{number:04}" / name, "FROM ./x.gguf\n")
        began = time.perf_counter()
        async with served(root, Path(folder) / "s") as server:
            start_ms = (time.perf_counter() - began) * 1000
            request = pb.ListRequest(page_size=MODELS)
            await server.models.List(request)
            lists, walks = [], []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                await server.models.List(request)
                lists.append((time.perf_counter() - began) * 1000)
                began = time.perf_counter()
                walk(root)
                walks.append((time.perf_counter() - began) * 1000)
        fast, slow = statistics.median(lists), statistics.median(walks)
        print(f"start with {MODELS} models  {start_ms:8.1f} ms")
        print(
            f"List of all of them     {fast:8.1f} ms  (spread {min(lists):.1f} to {max(lists):.1f})"
        )
        print(f"walk of the folder      {slow:8.1f} ms  ratio {slow / fast:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
