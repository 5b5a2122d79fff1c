"""
Builds the stand-in librkllmrt.so, writes weights for it, and reads its log of calls.

One source, one shared library per version, kept in `.cache/native` under a hash of what they are
made from; the layouts are asserted while compiling, against `tests/data/rkllm_abi.json`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rkd.librkllmrt import FAMILIES

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TABLE = ROOT / "tests" / "data" / "rkllm_abi.json"
MAGIC = bytes.fromhex("daeeb336")
BUILD_BOUND_S = 120

VERSIONS = ("1.1.4", "1.2.0", "1.2.1b1", "1.2.3", "1.3.0", "1.3.1")
"""One of each family."""


def compiler() -> str | None:
    """The C compiler to build with, or None where there is none."""
    return os.environ.get("CC") or shutil.which("cc")


def asserts(version: str) -> str:
    """C that fails to compile unless every structure is laid out as measured."""
    lines = []
    for struct, facts in json.loads(TABLE.read_text(encoding="utf-8"))[version]["structs"].items():
        lines.append(f'_Static_assert(sizeof({struct}) == {facts["size"]}, "{struct}");')
        for field, kind, offset, size in facts["fields"]:
            lines.append(
                f'_Static_assert(offsetof({struct}, {field}) == {offset}, "{struct}.{field}");'
            )
            member = f"((({struct} *)0)->{field})"
            lines.append(f'_Static_assert(sizeof {member} == {size}, "{struct}.{field}");')
            scalar = kind.removesuffix(" (union)")
            if re.fullmatch(r"(u?int\d+_t|int|float|bool|size_t|[a-z ]+\*)", scalar):
                lines.append(
                    f"_Static_assert(__builtin_types_compatible_p(__typeof__({member}), {scalar}), "
                    f'"{struct}.{field} is not {scalar}");'
                )
    return "\n".join(lines) + "\n"


def build(
    version: str, *, cc: str | None = None, marker: str = "", defines: tuple[str, ...] = ()
) -> Path:
    """
    Build the stand-in of *version*, or return the one built before.

    Args:
        version: one of the released versions.
        cc: the compiler; the host's when None.
        marker: the version it says it is, when that is to differ.
        defines: of the source, `NO_MARKER` or `LACKS_LORA`.
    """
    command = cc or compiler()
    if command is None:
        raise RuntimeError("no C compiler")
    sources = {path.name: path.read_bytes() for path in sorted(HERE.glob("standin*.[ch]"))}
    sources["asserts.h"] = asserts(version).encode()
    said = marker or version
    flags = [
        "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread",
        "-fvisibility=hidden", f"-DFAMILY={FAMILIES[version].value}", f'-DVERSION="{said}"',
        *(f"-D{name}" for name in defines),
    ]  # fmt: skip
    digest = hashlib.sha256(repr((command, flags, sorted(sources.items()))).encode()).hexdigest()
    folder = ROOT / ".cache" / "native" / digest[:16]
    library = folder / "librkllmrt.so"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            for name, content in sources.items():
                (folder / name).write_bytes(content)
            fresh = folder / "fresh.so"
            arguments = [command, *flags, "-o", str(fresh), str(folder / "standin.c")]
            subprocess.run(arguments, check=True, timeout=BUILD_BOUND_S)
            fresh.rename(library)
    return library


def weights(path: Path, **settings: object) -> Path:
    """Write a weights file the stand-in accepts, telling it how to behave with this model."""
    text = "".join(f"{key}={value}\n" for key, value in settings.items())
    path.write_bytes(MAGIC + b"\n" + text.encode())
    return path


def calls(log: Path, name: str = "") -> list[Mapping[str, Any]]:
    """Every call written to *log*, or those of function *name*, oldest first."""
    if not log.exists():
        return []
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if not name or line["call"] == name]
