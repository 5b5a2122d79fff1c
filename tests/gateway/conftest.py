"""A gateway before a real daemon with one tiny model; the extra and the clients are its tier's."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import gguf
import pytest

from rkd.capability.infill import FAMILIES
from tests.integration.daemon_process import DaemonProcess, wait_for
from tests.models import tiny, tiny_bert, tiny_sight

NEEDED = ("starlette", "uvicorn", "anthropic", "ollama", "openai")
collect_ignore_glob = [] if all(find_spec(one) for one in NEEDED) else ["test_*.py"]
"""`./tests/run gateway` installs them; the other tiers say that they leave these tests out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands here."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("gateway")


@contextlib.contextmanager
def gateway(
    daemon: DaemonProcess, settings: Mapping[str, str] | None = None
) -> Iterator[list[str]]:
    """Run `rkd-gateway` before *daemon*; yields the addresses it says it listens on."""
    log = daemon.folder / "gateway.log"
    environment = {**daemon.environment, "RKD_GATEWAY_LISTEN": "127.0.0.1:0", **(settings or {})}
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "rkd_gateway"], env=environment, stderr=stderr, cwd=daemon.folder
        )
    try:
        wanted = environment["RKD_GATEWAY_LISTEN"].count(",") + 1
        said = re.compile(r"listens on (\S+)\n")
        wait_for(
            lambda: process.poll() is not None or len(said.findall(log.read_text())) == wanted,
            "the gateway to listen",
        )
        assert process.poll() is None, log.read_text()
        yield said.findall(log.read_text())
    finally:
        process.terminate()
        code = process.wait(30)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


CALLING = (
    "{%- if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>"
    'Call: <tool_call>{"name": ..., "arguments": ...}</tool_call>{% endif %}'
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{%- for call in message.tool_calls or [] %}<tool_call>"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A chat template with a place for tools, as the Hermes family has it."""


MODELS = ["caller", "filler", "ranker", "seer", "tiny"]
"""The daemon's: `caller` has a place for tools, `filler` fills gaps in, `ranker` scores, `seer`
looks at pictures."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A running daemon with tiny models and no tokens."""
    folder = tmp_path_factory.mktemp("gateway")
    made = DaemonProcess(folder, {"XDG_CONFIG_HOME": str(folder / "config")})
    for name in MODELS:
        (made.models / name).mkdir()
    tiny.write(made.models / "tiny" / "tiny.gguf")
    tiny.write(made.models / "caller" / "caller.gguf", template=CALLING)
    tiny.write(made.models / "filler" / "filler.gguf", markers=FAMILIES[0].markers)
    tiny_bert.write(made.models / "ranker" / "ranker.gguf", pooling=gguf.PoolingType.RANK)
    tiny_sight.write_text(made.models / "seer" / "seer.gguf")
    tiny_sight.write_projector(made.models / "seer" / "seer-mmproj.gguf")
    with made:
        yield made


@pytest.fixture(scope="module")
def url(daemon: DaemonProcess) -> Iterator[str]:
    """Address of a gateway on loopback before the daemon's unix socket."""
    with gateway(daemon) as addresses:
        yield addresses[0]
