"""Imports go downwards only, foreign packages keep to their rooms, files stay small."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"__main__"}),
    frozenset({"daemon"}),
    frozenset({"service"}),
    frozenset({"telemetry", "clocks"}),
    frozenset({"operations"}),
    frozenset({"library", "hub", "pool"}),
    frozenset({"worker"}),
    frozenset({"backend"}),
    frozenset({"wire"}),
    frozenset({"board", "log", "notify", "events"}),
    frozenset({"journal", "loglines"}),
    frozenset({"bounds", "capability"}),
    frozenset({"weights", "modelfile", "librkllmrt", "access", "pictures"}),
    frozenset({"inference"}),
    frozenset({"model", "tokens", "session", "v1"}),
    frozenset({"config", "shape"}),
    frozenset(
        {
            "errors",
            "setting",
            "durable",
            "kvcache",
            "words",
            "openfiles",
            "outside",
            "grammar",
            "__init__",
        }
    ),
)
"""Top first; a room imports only from rooms below its own, or from itself."""

WITHIN: dict[str, tuple[str, ...]] = {
    "rkd.pool.deciding": ("rkd.pool.deciding",),
    "rkd.pool.workers": ("rkd.pool.deciding", "rkd.pool.workers"),
    "rkd.service.gate": ("rkd.service.gate",),
    "rkd.backend.text": ("rkd.backend.text",),
    "rkd.backend.prompt": ("rkd.backend.prompt", "rkd.backend.text"),
    "rkd.backend.schema": ("rkd.backend.schema",),
    "rkd.backend.quantize": ("rkd.backend.quantize", "rkd.backend.openmp"),
}
"""Rooms inside a room: what of their own house they may import."""

CHILD_ROOMS = frozenset({"worker", "backend"})
DAEMON_ROOMS = frozenset({"daemon", "service", "operations", "library", "hub", "pool"})

ALLOWED_IN: dict[str, tuple[str, ...]] = {
    "grpc": (
        *("rkd/service/", "rkd/telemetry/", "rkd/daemon/", "rkd/v1/"),
        # No other client opens a channel: the library's calls are typed and name their model.
        *("clients/rkd_client/", "clients/reflection/", "clients/rkctl/fleet/haproxy.py"),
    ),
    "ctypes": (
        "rkd/backend/rkllm/",
        "rkd/backend/rknn/",
        "rkd/backend/quantize/ggml.py",
        "rkd/backend/llamacpp/llguidance.py",
        "rkd/backend/llamacpp/vocabulary.py",
        "rkd/backend/openmp.py",
        "rkd/library/inotify.py",
        "rkd/worker/",
    ),
    "xllamacpp": ("rkd/backend/llamacpp/wheel.py",),
    "PIL": ("rkd/backend/pictures/",),
    "huggingface_hub": ("rkd/hub/",),
    "nicegui": ("clients/rkd_console/",),
    "nh3": ("clients/rkd_console/safe.py",),
    "markdown_it": ("clients/rkd_console/safe.py",),
}
FORBIDDEN_IN_CHILD = frozenset({"grpc", "google", "asyncio", "structlog", "huggingface_hub"})

FOR_CLIENTS = (
    *("rkd.v1", "rkd.modelfile", "rkd.access", "rkd.errors", "rkd.setting", "rkd.outside"),
)

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def sources() -> Iterator[Path]:
    """Every source file of ours, without the generated ones."""
    for folder in ("rkd", "clients"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "v1" not in path.relative_to(ROOT).parts:
                yield path


def room_of(module: str) -> str:
    """The room of `rkd.room.rest`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def layer_of(room: str) -> int:
    """How far down *room* is; 0 is the top."""
    for depth, rooms in enumerate(LAYERS):
        if room in rooms:
            return depth
    raise AssertionError(f"{room} stands in no layer: add it to LAYERS and docs/architecture.md")


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """Every module *path* imports, also inside functions, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno
            for alias in node.names:
                if node.module == "rkd":
                    yield f"rkd.{alias.name}", node.lineno


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downwards(path: Path) -> None:
    """A room imports only rooms below it; the daemon's rooms never import native code."""
    relative = path.relative_to(ROOT)
    if relative.parts[0] == "clients":
        wrong = [
            f"line {line}: {module}"
            for module, line in imports_of(path)
            if module.startswith("rkd.") and not module.startswith(FOR_CLIENTS)
        ]
        assert wrong == []
        return
    own = relative.parts[1].removesuffix(".py")
    wrong = []
    for module, line in imports_of(path):
        if module.split(".")[0] != "rkd" or module == "rkd":
            continue
        other = room_of(module)
        upwards = layer_of(other) <= layer_of(own) and other != own
        native = own in DAEMON_ROOMS and other in CHILD_ROOMS
        if upwards or native:
            wrong.append(f"line {line}: {own} imports {module}")

    assert wrong == []


def classes_in(folder: Path) -> dict[str, list[str]]:
    """Where each class below *folder* is defined, of clients each alias too; gRPC's stubs aside."""
    named: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        if "_pb2" in path.name:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        if folder.name == "clients":
            names = names.union(*map(aliases_in, tree.body))
        for name in names:
            named.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return named


def aliases_in(node: ast.stmt) -> Iterator[str]:
    """The types *node*, a statement of a module, gives a name to; type variables aside."""
    targets = node.targets if isinstance(node, ast.Assign) else ()
    value = getattr(node, "value", None)
    variable = isinstance(value, ast.Call) and ast.unparse(value.func) in {"TypeVar", "ParamSpec"}
    if isinstance(node, ast.AnnAssign):
        targets = (node.target,)
    for target in targets if not variable else ():
        if isinstance(target, ast.Name) and re.fullmatch(r"_?[A-Z]+[a-z]\w*", target.id):
            yield target.id


@pytest.mark.parametrize("home", ["rkd", "clients"])
def test_a_class_name_means_one_thing(home: str) -> None:
    """In the daemon; and in library, public values, rkctl, gateway and console together."""
    named = classes_in(ROOT / home)

    assert {name: places for name, places in named.items() if len(places) > 1} == {}


@pytest.mark.parametrize("inner", WITHIN)
def test_inner_rooms_keep_to_themselves(inner: str) -> None:
    """What decides imports no process, an engine's input knows no engine, the gate no service."""
    house = ".".join(inner.split(".")[:2])
    folder = ROOT / inner.replace(".", "/")
    wrong = [
        f"{path.name} line {line}: {module}"
        for path in sorted(folder.glob("*.py"))
        for module, line in imports_of(path)
        if f"{module}.".startswith(f"{house}.") and not module.startswith(WITHIN[inner])
    ]

    assert wrong == []


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_foreign_packages_stay_in_their_rooms(path: Path) -> None:
    """Each heavy or unsafe dependency is imported in its one room, and never by a child."""
    relative = str(path.relative_to(ROOT))
    in_child = relative.startswith(("rkd/worker/", "rkd/backend/", "rkd/wire/"))
    wrong = []
    for module, line in imports_of(path):
        package = module.split(".")[0].removeprefix("_")
        allowed = ALLOWED_IN.get("grpc" if package.startswith("grpc") else package)
        if allowed is not None and not relative.startswith(allowed):
            wrong.append(f"line {line}: {module}")
        if in_child and package in FORBIDDEN_IN_CHILD:
            wrong.append(f"line {line}: {module} in a child")

    assert wrong == []


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    """No file over 400 lines, no function over 60, every module opened by its docstring."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]

    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert long == []
    assert ast.get_docstring(tree)


def test_a_name_means_one_thing() -> None:
    """No two public classes of the daemon share a name; the vendor's structs do, by version."""
    found: dict[str, list[str]] = {}
    for path in sources():
        where = str(path.relative_to(ROOT))
        if where.startswith("clients/") or "/rkllm/abi_" in where:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(where)

    assert {name: places for name, places in found.items() if len(places) > 1} == {}


ASKS_FILES = frozenset({"is_file", "is_dir", "exists", "expanduser", "read_text", "read_bytes"})
"""Methods of `Path` that fail for some words, or wait for ever."""

OWN_FILES = {
    "rkd_client/contexts.py": "the file of contexts, of a fixed name",
    "rkctl/chat/editor.py": "the history, of a fixed name",
    "rkctl/verbs/cert.py": "the authority in the folder of --dir, its failure told",
    "rkctl/verify/library.py": "figures of the kernel",
    "rkctl/verify/probe.py": "figures of the kernel",
}
"""Files of the clients that are not what a user's word names."""


def test_clients_ask_the_file_system_in_one_place() -> None:
    """A user's word may be longer than any path or hold a NUL: `rkd_client.files` answers."""
    wrong = [
        f"{place} line {node.lineno}: {node.attr}"
        for path in sources()
        if (place := str(path.relative_to(ROOT))).startswith("clients/")
        and place.removeprefix("clients/") not in {*OWN_FILES, "rkd_client/files.py"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ASKS_FILES
    ]

    assert wrong == []
