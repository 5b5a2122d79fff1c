"""The tables of docs/security.md and docs/operations.md are what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from rkd.access.role import Role
from rkd.board.telemetry import read_telemetry
from rkd.service.gate.auth import METHOD_ROLES
from rkd.telemetry.activity import Activity
from rkd.telemetry.doctor import examine
from rkd.telemetry.meters import Meters
from rkd.telemetry.metrics import MeterCollector
from tests.unit.telemetry.test_doctor import GOOD

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "tests" / "data" / "board" / "rock-5b"


def rows(file: str, mark: str) -> list[list[str]]:
    """The cells of a marked table, without its head."""
    text = (ROOT / "docs" / file).read_text(encoding="utf-8")
    found = re.search(rf"<!-- {mark} -->(.*?)<!-- /{mark} -->", text, re.DOTALL)
    assert found
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in found[1].strip().splitlines()[2:]
    ]


def test_roles_are_those_of_the_table() -> None:
    """Every method stands with its role, and none but those there are."""
    listed = {}
    for role, cell in rows("security.md", "roles"):
        for part in cell.split("·"):
            service, _, methods = part.partition(":")
            for method in methods.split():
                listed[f"/rkd.v1.{service.strip(' `')}/{method}"] = Role.parse(role.strip("`"))

    ours = {method: role for method, role in METHOD_ROLES.items() if method.startswith("/rkd.")}
    assert listed == ours


def test_metrics_are_those_collected() -> None:
    """By name; counters are told with the suffix scrapers see."""
    collector = MeterCollector(Meters(lambda: 0.0), Activity, lambda: read_telemetry(BOARD))
    made = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in collector.collect()
    }

    assert {row[0].strip("`") for row in rows("operations.md", "metrics")} == made


def test_checks_of_clocks_are_those_of_doctor() -> None:
    """By name, and none is left out."""
    named = {
        name
        for row in rows("operations.md", "clock checks")
        for name in re.findall("`(.*?)`", row[0])
    }
    clocks = {
        one.check for one in examine(GOOD) if one.check == "governor" or one.check[:6] == "clock-"
    }

    assert named == clocks
