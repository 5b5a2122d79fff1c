"""
Builds the stand-in librknnrt.so and writes encoders for it.

Its layouts are asserted while compiling, against `tests/data/rknn_abi.json`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
from pathlib import Path

from tests.native.standin import BUILD_BOUND_S, ROOT, compiler

SOURCE = Path(__file__).with_name("rknn.c")
TABLE = ROOT / "tests" / "data" / "rknn_abi.json"


def asserts() -> str:
    """C that fails to compile unless every structure is laid out as measured."""
    lines = []
    for struct, facts in json.loads(TABLE.read_text(encoding="utf-8")).items():
        lines.append(f'_Static_assert(sizeof({struct}) == {facts["size"]}, "{struct}");')
        for field, offset in facts["fields"]:
            place = f"__builtin_offsetof({struct}, {field})"
            lines.append(f'_Static_assert({place} == {offset}, "{struct}.{field}");')
    return "\n".join(lines) + "\n"


def build() -> Path:
    """Build the stand-in, or return the one built before."""
    command = compiler()
    if command is None:
        raise RuntimeError("no C compiler")
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    flags += ["-fvisibility=hidden"]
    sources = (SOURCE.read_bytes(), asserts().encode())
    digest = hashlib.sha256(repr((command, flags, sources)).encode()).hexdigest()
    folder = ROOT / ".cache" / "native" / digest[:16]
    library = folder / "librknnrt.so"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            (folder / "rknn.c").write_bytes(sources[0])
            (folder / "rknn_asserts.h").write_bytes(sources[1])
            fresh = folder / "fresh.so"
            arguments = [command, *flags, "-o", str(fresh), str(folder / "rknn.c")]
            subprocess.run(arguments, check=True, timeout=BUILD_BOUND_S)
            fresh.rename(library)
    return library


def encoder(path: Path, **settings: object) -> Path:
    """Write an encoder the stand-in accepts, telling it how to behave."""
    text = "".join(f"{key}={value}\n" for key, value in settings.items())
    path.write_bytes(b"RKNN\n" + text.encode())
    return path


def noted(log: Path, what: str = "") -> list[tuple[str, int]]:
    """What the stand-in wrote to *log*: (call, value), or those of *what*."""
    if not log.exists():
        return []
    lines = [line.split(" ") for line in log.read_text(encoding="utf-8").splitlines()]
    return [(name, int(value)) for name, value in lines if not what or name == what]
