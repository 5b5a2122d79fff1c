"""A board over stand-ins on which every row of docs/board.md holds, and ways to break each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.npu_daemon import ROOT, add_model, make_board, running
from tests.native import standin
from tests.native.tokenizer import write_tokenizer

GOOD = """\
answer?Count to five=One, two, three, four, five.
answer?Repeat these signs=天地玄黄 😀 Grüße 🚀
answer?1, 2, 3,= 4, 5, 6
answer?What is my name=I do not know it.
answer?weather in Paris=<tool_call>{"name":"get_weather","arguments":{"city":"Paris"}}</tool_call>
answer?ten thousand=count
tokens?ten thousand=4000
token_us?ten thousand=2000
answer?to a hundred=count
tokens?to a hundred=400
token_us?to a hundred=2000
prefill_ms?Read all of this=500
read_us=100
embd_flat=1
embd_turn?spoon=1
"""
MODELFILE = "FROM ./{file}\nPARAMETER num_ctx 2048\n"
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"
SLOW_KHZ, FAST_KHZ = 1_800_000, 2_400_000
RUN_BOUND_S = 600
"""A verification: some 15 s of an idle machine, and several go on at once."""

LOAD_BOUND_S = 120
"""A load of a stand-in, in place of the seconds a daemon of the other tests has: none is silent."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    A board that differs from the good one.

    Args:
        breaks: the row that differs, or "" for none.
        version: of the stand-in.
        control: settings for every model, later ones winning.
        main, other, alien: settings of one model; `{folder}` is the board's.
        defines: of the stand-in.
        variables: of the daemon.
        fast: the cores that are.
        magic: how the weights begin.
    """

    breaks: str
    version: str = "1.3.1"
    control: str = ""
    main: dict[str, object] = field(default_factory=dict)
    other: dict[str, object] = field(default_factory=dict)
    alien: dict[str, object] = field(default_factory=dict)
    defines: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    fast: tuple[int, ...] = (4, 5, 6, 7)
    magic: bytes = standin.MAGIC


@dataclass(frozen=True, slots=True)
class Verified:
    """What `rkctl verify` said, row by row, and the report it wrote."""

    results: dict[str, str]
    seen: dict[str, str]
    report: str
    code: int
    output: str


def verify(folder: Path, scenario: Scenario, *arguments: str) -> Verified:
    """Run the daemon of *scenario* below *folder* and verify it."""
    write_models(folder, scenario)
    (folder / "control").write_text(f"{GOOD}{scenario.control}\n", encoding="utf-8")
    root = board(folder / "root", scenario.fast)
    library = standin.build(scenario.version, defines=scenario.defines)
    with running(
        folder, (), sysroot=root, libraries=(library,), load_timeout_s=LOAD_BOUND_S,
        **scenario.variables,
    ):  # fmt: skip
        report = folder / "report.md"
        command = [
            sys.executable, "-m", "rkctl", "verify", "--json", "--report", str(report), *arguments
        ]  # fmt: skip
        done = subprocess.run(
            command, env=environment(folder), capture_output=True, text=True, check=False,
            timeout=RUN_BOUND_S, cwd=folder,
        )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return Verified(
        {line["row"]: line["result"] for line in lines},
        {line["row"]: line["seen"] for line in lines},
        report.read_text(encoding="utf-8") if report.exists() else "",
        done.returncode,
        done.stdout + done.stderr,
    )


def environment(folder: Path) -> dict[str, str]:
    """Of a client of the daemon below *folder*."""
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients'}",
        "RKD_ENDPOINT": f"unix:{folder}/rkd.sock",
        "RKD_SYSROOT": str(folder / "root"),
    }


def write_models(folder: Path, scenario: Scenario) -> None:
    """Write three models: one plain, one with a tokenizer, one of another chip."""
    for name, settings in (("qwen", scenario.main), ("other", scenario.other)):
        told = {key: str(value).replace("{folder}", str(folder)) for key, value in settings.items()}
        told = {"answer": "A sensible answer.", **told}
        add_model(folder, name, MODELFILE.format(file="m.rkllm"), unlike=name, **told)
        weights = folder / "models" / name / "m.rkllm"
        weights.write_bytes(scenario.magic + weights.read_bytes()[4:])
    home = folder / "models" / "other"
    write_tokenizer(home)
    config = json.dumps({"chat_template": TEMPLATE})
    (home / "tokenizer_config.json").write_text(config, encoding="utf-8")
    alien = folder / "models" / "alien"
    alien.mkdir()
    settings = {"target": "RK3576", **scenario.alien}
    standin.weights(alien / "alien-rk3576-w4a16.rkllm", **settings)
    (alien / "Modelfile").write_text(MODELFILE.format(file="alien-rk3576-w4a16.rkllm"))


def board(root: Path, fast: tuple[int, ...]) -> Path:
    """Write the facts of a board whose *fast* cores are."""
    make_board(root)
    for core in range(8):
        file = root / f"sys/devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq"
        file.parent.mkdir(parents=True)
        file.write_text(f"{FAST_KHZ if core in fast else SLOW_KHZ}\n", encoding="ascii")
    return root
