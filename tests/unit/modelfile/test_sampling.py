"""The table of sampling parameters is the truth of requests, Modelfiles, protos and docs."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest

from rkd.inference import Sampling
from rkd.modelfile.sampling import SAMPLING, Domain, SamplingParameter, ValueKind, plain
from rkd.v1 import types_pb2 as pb
from tests.unit.modelfile.test_docs import rows_of

ROOT = Path(__file__).resolve().parents[3]
TEXTS = {
    *("stop", "stop_token_ids", "ignore_eos", "dry_sequence_breakers", "logit_bias"),
    *("grammar", "json_schema", "regex", "choices"),
}
"""What is no number and has rules of its own."""
FIELD = re.compile(r"((?:  //[^\n]*\n)+)  optional \w+ (\w+) = \d+;")
EVERY = pytest.mark.parametrize("row", SAMPLING, ids=lambda row: str(row.name))


def test_every_number_has_its_row() -> None:
    """None in a request or a run without one, and no row without a field."""
    names = [row.name for row in SAMPLING]

    plain_ = {one.name for one in dataclasses.fields(Sampling)} - {"of_model"}
    assert set(names) == plain_ - TEXTS
    assert set(names) == set(pb.SamplingOptions.DESCRIPTOR.fields_by_name) - TEXTS
    assert len(names) == len(set(names))


@EVERY
def test_defaults_are_in_range(row: SamplingParameter) -> None:
    """And so are the values that stand for others, and those they stand for."""
    for value in (row.cpu, row.npu, row.off, *row.means, *row.means.values()):
        assert value is None or row.domain.admits(value)


@EVERY
def test_the_npu_has_a_default_only_for_what_it_can(row: SamplingParameter) -> None:
    """And what it cannot has no default there."""
    assert row.on_npu or row.npu is None
    none = row.off is None and not row.of
    assert row.on_npu is none or row.name in {"repeat_last_n", "logprobs"}
    assert not row.of or row.of in {one.name for one in SAMPLING if one.off is not None}


def test_nan_is_in_no_range() -> None:
    """It compares to nothing."""
    assert not Domain(ValueKind.FLOAT, 0, 1).admits(math.nan)


def test_the_proto_says_ranges_and_defaults() -> None:
    """The comment of every field is of the table."""
    text = (ROOT / "proto/rkd/v1/types.proto").read_text(encoding="utf-8")
    message = text.split("message SamplingOptions {")[1].split("\n}\n")[0]
    said = {name: re.sub(r"\s*//\s*", " ", words) for words, name in FIELD.findall(message)}

    assert said.keys() - TEXTS == {row.name for row in SAMPLING}
    for row in SAMPLING:
        assert f"Range {row.domain.allowed}." in said[row.name]
        if row.cpu is not None:
            assert f"Default {plain(row.cpu)}." in said[row.name]


def test_the_page_says_what_the_table_says() -> None:
    """Ranges, defaults and every name."""
    told = [
        [
            row.name,
            row.domain.allowed,
            "" if row.cpu is None else plain(row.cpu),
            "no" if not row.on_npu else "" if row.npu is None else plain(row.npu),
            row.help,
        ]
        for row in SAMPLING
    ]

    assert rows_of("sampling.md", "Parameters") == told
