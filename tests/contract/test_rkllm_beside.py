"""The library loads the weights while the tokenizer beside them is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rkd.backend.rkllm.backend import RkllmBackend
from rkd.errors import PreconditionError, Reason
from tests.contract.npu import loaded, spec
from tests.native import standin
from tests.native.tokenizer import write_tokenizer


@pytest.mark.parametrize("version", standin.VERSIONS)
def test_weights_do_not_wait_for_a_tokenizer(version: str, tmp_path: Path) -> None:
    """One that cannot be used is found out when they are there; they are given back."""
    (tmp_path / "tokenizer.json").write_text("{}")
    load = replace(spec(version, tmp_path), tokenizer_folder=str(tmp_path))
    stages: list[str] = []
    backend = RkllmBackend(folder=tmp_path)

    with pytest.raises(PreconditionError) as caught:
        backend.load(load, lambda said: stages.append(said.stage))
    backend.close()

    assert caught.value.reason is Reason.LOAD_FAILED
    assert "tokenizer.json" in caught.value.message
    assert stages == ["weights", "tokenizer"]
    log = tmp_path / "calls.jsonl"
    assert len(standin.calls(log, "rkllm_init")) == 1
    assert len(standin.calls(log, "rkllm_destroy")) == 1


def test_the_library_hears_that_there_is_one_before_it_is_read(tmp_path: Path) -> None:
    """Who has a tokenizer drops special tokens himself."""
    write_tokenizer(tmp_path)

    with loaded("1.3.0", tmp_path, change={"tokenizer_folder": str(tmp_path)}) as npu:
        (init,) = npu.calls("rkllm_init")

    assert init["skip_special_token"] == 0
