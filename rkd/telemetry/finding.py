"""What a check of the doctor finds."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.IntEnum):
    """How bad a finding is; the numbers are the proto's."""

    OK = 1
    NOTE = 2
    WARNING = 3
    ERROR = 4


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one check makes of the facts; remedy is empty when all is well."""

    severity: Severity
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer; remedy is empty when all is well."""

    check: str
    severity: Severity
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, and what to do about it."""

    message: str
    remedy: str
