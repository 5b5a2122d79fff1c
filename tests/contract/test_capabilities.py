"""
What Show says of a capability and what a backend does about it are the same: each row, tried.

A no is refused with the same reason and remedy; a yes is served. A new row of the table has to say
here how a request asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import pytest

from rkd.backend.backend import Backend
from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.backend.rkllm.backend import RkllmBackend
from rkd.capability.infill import FAMILIES as FAMILIES_OF_TOKENS
from rkd.capability.table import ROWS, abilities
from rkd.capability.traits import Traits, traits_of
from rkd.errors import PreconditionError, Reason
from rkd.inference import ContextOverflow, EmbedSpec, LoadSpec, RankSpec, Run, Sampling, Tool
from rkd.model import BackendKind, Media, Message, VisionEncoder
from rkd.modelfile.sampling import SAMPLING
from rkd.session import SessionFile
from tests.contract.backend_suite import carried_out
from tests.contract.npu import spec as npu_spec
from tests.models import tiny, tiny_bert, tiny_sight
from tests.native import rknn, standin
from tests.native.tokenizer import write_tokenizer
from tests.pictures import png

ALL_KNOWN = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{{ tools }}"
    "{% if enable_thinking %}{% endif %}{{ reasoning_effort }}[assistant]"
)
USER = (Message("user", "hi"),)
FEW = Sampling(temperature=0, max_tokens=2)
TOOL = Tool("look", "looks", '{"type": "object", "properties": {}, "additionalProperties": false}')
CHAT = Run(sampling=FEW, messages=USER)
ADAPTER = "style"
PICTURE = Media(png(), 56, 56, "messages[0].parts[0]")
JUDGES = "{{ instruction }} {{ query }} {{ document }}"


def sampled(**given: Any) -> Run:
    """A short run that says *given* of its sampling."""
    return Run(sampling=replace(FEW, **given), prompt="ab")


OF_SAMPLING: dict[str, float] = {"max_tokens": 1, "mirostat": 1}
"""Values for parameters that do not take 0.5; the others do, or take 1."""
RUNS: dict[str, Run] = {
    "generate": Run(sampling=FEW, prompt="ab"),
    "chat": CHAT,
    "history": replace(CHAT, messages=(*USER, Message("assistant", "ho"), *USER)),
    "vision": replace(CHAT, messages=(Message("user", "", parts=(PICTURE, "hi")),)),
    "tools": replace(CHAT, tools=(TOOL,)),
    "tool_choice": replace(
        CHAT, tools=(TOOL,), tool_choice="required", sampling=Sampling(max_tokens=64)
    ),
    "thinking": replace(CHAT, thinking=True),
    "thinking_budget": replace(CHAT, thinking_budget=1),
    "reasoning_effort": replace(CHAT, reasoning_effort="low"),
    "context_overflow": replace(CHAT, context_overflow=ContextOverflow.TRIM_OLDEST),
    "fim": replace(CHAT, prompt="ab", suffix="cd"),
    "grammar": sampled(grammar='root ::= "yes"', max_tokens=8),
    "json_schema": sampled(json_schema='{"enum": [1]}', max_tokens=8),
    "regex": sampled(regex="yes|no", max_tokens=8),
    "choices": sampled(choices=("yes", "no"), max_tokens=8),
    "ignore_eos": sampled(ignore_eos=True),
    "session": Run(sampling=FEW, prompt="ab", session=SessionFile("key", "")),
    "n": Run(sampling=FEW, prompt="ab", answers=2),
    "logit_bias": sampled(logit_bias=((7, 1.0),)),
    "lora": Run(sampling=FEW, prompt="ab", lora=((ADAPTER, 1.0),)),
    "lora_scale": Run(sampling=FEW, prompt="ab", lora=((ADAPTER, 0.5),)),
    "lora_mix": Run(sampling=FEW, prompt="ab", lora=(("other", 1.0), (ADAPTER, 1.0))),
}
CALLS: dict[str, Callable[[Backend], object]] = {
    "embed": lambda backend: backend.embed(EmbedSpec(("ab",))),
    "truncate": lambda backend: backend.embed(EmbedSpec(("ab",), truncate=True)),
    "rerank": lambda backend: backend.rank(RankSpec("ab", ("c",))),
    "instruction": lambda backend: backend.rank(RankSpec("ab", ("c",), instruction="i")),
    "tokenize": lambda backend: backend.tokenize("ab", add_special=False, parse_special=False),
    "detokenize": lambda backend: backend.detokenize((70,)),
}


def _values(name: str) -> Iterator[tuple[str, float]]:
    """The parameter of sampling *name*, on, and the one without which it asks for nothing."""
    kind = Sampling.__dataclass_fields__[name].type
    yield name, OF_SAMPLING.get(name, 1 if "nt" in str(kind) else 0.5)
    row = next(row for row in SAMPLING if row.name == name)
    if row.of:
        yield from _values(row.of)


def ask(backend: Backend, name: str) -> object:
    """Ask *backend* for what needs the capability *name*."""
    if name in CALLS:
        return CALLS[name](backend)
    row = next(row for row in ROWS if row.name == name)
    if row.sampling:
        return carried_out(backend, sampled(**dict(_values(name))))
    return carried_out(backend, RUNS[name])


@contextmanager
def opened(backend: Backend, load: LoadSpec) -> Iterator[tuple[Backend, Traits]]:
    """The backend with its model, and what was judged of it without."""
    traits, _runtime = traits_of(load)
    try:
        backend.load(load, lambda _: None)
        yield backend, traits
    finally:
        backend.close()


def assert_true(backend: Backend, traits: Traits) -> None:
    """Every row of the table is what the backend does."""
    told = abilities(traits)
    for name, ability in told.items():
        if ability.supported:
            ask(backend, name)
            continue
        with pytest.raises(PreconditionError) as refused:
            ask(backend, name)
        error = refused.value
        asked = told[error.metadata["capability"]]
        assert (name, error.reason) == (name, Reason.CAPABILITY_UNSUPPORTED)
        assert (name, asked) == (name, ability)
        assert error.message.endswith(f": {ability.reason}")
        assert error.remedy == ability.remedy
        assert ability.reason
        assert ability.remedy


def test_every_row_is_tried() -> None:
    """None is left out here, and none is here that the table does not have."""
    assert {row.name for row in ROWS if not row.sampling} == RUNS.keys() | CALLS.keys()


CPU_MODELS: dict[str, Callable[[Path], Path]] = {
    "plain": tiny.write,
    "filling in": partial(tiny.write, markers=FAMILIES_OF_TOKENS[0].markers),
    "all known": partial(tiny.write, template=ALL_KNOWN),
    "no template": partial(tiny.write, template=None),
    "encoder": partial(tiny.write, pooling=gguf.PoolingType.MEAN, causal=False),
    "ranker without a head": partial(tiny.write, pooling=gguf.PoolingType.RANK),
    "ranker": partial(tiny_bert.write, pooling=gguf.PoolingType.RANK),
    "answers yes or no": partial(
        tiny.write, words=("yes", "no"), texts={"tokenizer.chat_template.rerank": JUDGES}
    ),
    "sees": tiny_sight.write_text,
}


@pytest.mark.parametrize(
    ("kind", "adapted"),
    [(kind, False) for kind in CPU_MODELS]
    + [(kind, True) for kind in CPU_MODELS if kind != "ranker"],
)
def test_llamacpp(kind: str, adapted: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a case
    """On the CPU."""
    weights = CPU_MODELS[kind](tmp_path / "t.gguf")
    projector = ""
    if kind == "sees":
        projector = str(tiny_sight.write_projector(tmp_path / "mmproj.gguf"))
    adapters: tuple[tuple[str, str, float], ...] = ()
    if adapted:
        paths = [tiny.write_adapter(tmp_path / f"{name}.gguf") for name in ("other", ADAPTER)]
        adapters = tuple((path.stem, str(path), 1.0) for path in paths)
    load = LoadSpec(
        BackendKind.CPU,
        str(weights),
        context_tokens=256,
        threads=1,
        adapters=adapters,
        embeddings=True,
        projector=projector,
    )
    with opened(LlamaCppBackend(lambda: None, tmp_path), load) as (backend, traits):
        assert_true(backend, traits)


@pytest.mark.parametrize("version", standin.VERSIONS)
@pytest.mark.parametrize("files", ["none", "tokenizer", "all known", "modelfile", "judges", "sees"])
@pytest.mark.parametrize("adapted", [False, True])
def test_rkllm(version: str, files: str, adapted: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """On the NPU, with every interface there is."""
    load = npu_spec(version, tmp_path, img_embd=8)
    if files in {"tokenizer", "all known", "judges"}:
        write_tokenizer(tmp_path, words=("yes", "no"))
        load = replace(load, tokenizer_folder=str(tmp_path))
    template = {"all known": ALL_KNOWN, "judges": JUDGES}.get(files)
    if template is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    if files == "sees":
        encoder = VisionEncoder(str(rknn.encoder(tmp_path / "v.rknn", embd=8)), str(rknn.build()))
        load = replace(load, model="qwen3-vl", template=ALL_KNOWN, vision=encoder)
    if files == "modelfile":
        load = replace(load, template=ALL_KNOWN)
    if adapted:
        path = tmp_path / "style.rkllm"
        path.write_bytes(b"adapter")
        load = replace(load, adapters=((ADAPTER, str(path), 1.0),))
    with opened(RkllmBackend(), load) as (backend, traits):
        assert_true(backend, traits)


def test_a_template_of_the_requests_own_is_judged_in_its_place(tmp_path: Path) -> None:
    """What the model's lacks it may bring, and the other way round."""
    load = LoadSpec(BackendKind.CPU, str(tiny.write(tmp_path / "t.gguf")), context_tokens=256)
    asked = replace(CHAT, tools=(TOOL,))
    with opened(LlamaCppBackend(lambda: None, tmp_path), load) as (backend, _traits):
        assert carried_out(backend, replace(asked, template=ALL_KNOWN)).outcome
        for template in (None, "", "{{ messages[0].content }}"):
            with pytest.raises(PreconditionError) as refused:
                carried_out(backend, replace(asked, template=template))
            assert refused.value.metadata["capability"] == "tools"


@pytest.mark.parametrize("version", standin.VERSIONS)
def test_how_many_pictures_a_release_takes(version: str, tmp_path: Path) -> None:
    """What the detail says is the bound a request meets."""
    encoder = VisionEncoder(str(rknn.encoder(tmp_path / "v.rknn", embd=8)), str(rknn.build()))
    load = npu_spec(version, tmp_path, img_embd=8)
    load = replace(load, model="qwen3-vl", template=ALL_KNOWN, vision=encoder)
    two = replace(CHAT, messages=(Message("user", "", parts=(PICTURE, "or", PICTURE)),))
    with opened(RkllmBackend(), load) as (backend, traits):
        most = abilities(traits)["vision"].details.get("pictures")
        if most is None:
            assert carried_out(backend, two).outcome
            return
        assert most == "1"
        with pytest.raises(PreconditionError, match="one picture a request") as refused:
            carried_out(backend, two)
        assert refused.value.metadata["capability"] == "vision"
