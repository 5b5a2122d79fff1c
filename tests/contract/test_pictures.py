"""Pictures on llama.cpp: five kinds of projectors, in this process, in a worker, natively."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rkd.backend.backend import Backend
from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.errors import BeyondRangeError, InvalidInputError, PreconditionError, Reason
from rkd.inference import ContextOverflow, LoadSpec, Run, Sampling
from rkd.model import BackendKind, Media, Message, Part
from tests.contract.backend_suite import Recorded, carried_out
from tests.contract.wire_client import WireBackend
from tests.models import tiny_sight
from tests.pictures import BLUE, RED, plain, png

SAMPLING = Sampling(max_tokens=6, temperature=0.0, seed=1)


def picture(colour: tuple[int, int, int] = RED, width: int = 56, height: int = 56) -> Media:
    """One of one colour."""
    return Media(png(width, height, colour), width, height, "messages[0].parts[0]")


def asked(*parts: Part, raw: bool = False, **fields: Any) -> Run:
    """What is asked of these."""
    if raw:
        return Run(SAMPLING, prompt_parts=parts, **fields)
    return Run(SAMPLING, messages=(Message("user", "", parts=parts),), **fields)


@pytest.fixture(scope="module", params=tiny_sight.KINDS)
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadSpec:
    """How a model of each kind is loaded, with a slot."""
    folder = tmp_path_factory.mktemp(request.param)
    text = tiny_sight.write_text(folder / "text.gguf", request.param)
    projector = tiny_sight.write_projector(folder / "mmproj.gguf", request.param)
    return LoadSpec(
        BackendKind.CPU,
        str(text),
        context_tokens=1024,
        threads=1,
        projector=str(projector),
        image_tokens=256,
    )


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that takes llama-server's arguments."""
    program = tmp_path_factory.mktemp("bin") / "llama-server"
    source = Path(__file__).parents[1] / "models/llama_server.py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {source} "$@"\n')
    program.chmod(0o755)
    return program


@pytest.fixture(scope="module", params=[1, 4], ids=["1 slot", "4 slots"])
def seeing(
    request: pytest.FixtureRequest, spec: LoadSpec, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """The model, loaded in this process."""
    backend = LlamaCppBackend(lambda: None, tmp_path_factory.mktemp("engine"))
    backend.load(replace(spec, slots=request.param), lambda _: None)
    yield backend
    backend.close()


def answer(backend: Backend, run: Run) -> Recorded:
    """A run carried out."""
    return carried_out(backend, run)


def test_colours_are_told_apart(seeing: Backend) -> None:
    """Red and blue answer differently, each the same twice; the second time it is not computed."""
    red = answer(seeing, asked(picture(), "What is it?"))
    again = answer(seeing, asked(picture(), "What is it?"))
    blue = answer(seeing, asked(picture(BLUE), "What is it?"))

    assert red.text == again.text != blue.text
    assert red.outcome.usage.prompt_tokens == blue.outcome.usage.prompt_tokens
    usage = again.outcome.usage
    assert usage.cached_tokens >= usage.media_tokens > 0


def test_usage_counts_text_and_pictures_exactly(seeing: Backend) -> None:
    """What pictures became is what is left when every text is counted by itself."""
    none = answer(seeing, asked("ab", raw=True)).outcome.usage
    one = answer(seeing, asked("a", picture(), "b", raw=True)).outcome.usage
    two = answer(seeing, asked("a", picture(), "b", picture(BLUE), "c", raw=True)).outcome.usage

    assert (none.media_tokens, none.prompt_tokens) == (0, 2)
    assert one.prompt_tokens == 2 + one.media_tokens
    assert two.prompt_tokens == 3 + two.media_tokens
    assert two.media_tokens == 2 * one.media_tokens > 0


def test_two_pictures_are_seen_in_their_order(seeing: Backend) -> None:
    """Red before blue is another prompt than blue before red; next to each other too."""
    first = answer(seeing, asked(picture(), "then", picture(BLUE), "which?"))
    other = answer(seeing, asked(picture(BLUE), "then", picture(), "which?"))
    beside = answer(seeing, asked(picture(), picture(BLUE), "which?"))

    assert first.text != other.text
    assert first.outcome.usage.media_tokens == other.outcome.usage.media_tokens
    assert beside.outcome.usage.media_tokens > 0


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "chat"])
def test_a_prompt_may_end_with_a_picture_or_be_one(seeing: Backend, *, raw: bool) -> None:
    """The engine ends itself over a prompt with nothing behind its picture."""
    for parts in (("look: ", picture()), (picture(),), (picture(), picture(BLUE))):
        assert answer(seeing, asked(*parts, raw=raw)).outcome.usage.media_tokens > 0


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 3000), (3000, 1), (20_000, 3), (300, 100), (33, 1999)]
)
def test_every_shape_is_borne(seeing: Backend, size: tuple[int, int]) -> None:
    """The smallest, the longest; never more tokens than the context has."""
    run = asked(picture(RED, *size), "what?")

    assert answer(seeing, run).outcome.usage.media_tokens > 0


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_format_is_seen(seeing: Backend, form: str) -> None:
    """Also those the engine itself does not read."""
    media = Media(plain(form), 60, 40)

    assert answer(seeing, asked(media, "what?")).outcome.usage.media_tokens > 0


def test_a_bad_picture_costs_its_request_alone(seeing: Backend) -> None:
    """Damaged, another size than its header said: refused by place; the next one is answered."""
    cut = replace(picture(), data=png()[:70])
    lying = replace(picture(), height=57)
    for bad in (cut, lying):
        with pytest.raises(InvalidInputError) as error:
            answer(seeing, asked("a", replace(bad, place="messages[3].parts[1]")))
        assert error.value.violations[0].field == "messages[3].parts[1]"

    assert answer(seeing, asked(picture(), "what?")).text


def test_too_many_tokens_are_refused_as_ever(seeing: Backend) -> None:
    """Pictures count to the context."""
    long = "x" * 1100
    with pytest.raises(BeyondRangeError) as error:
        answer(seeing, asked(picture(), long))

    assert int(error.value.metadata["prompt_tokens"]) > 1100


def test_old_turns_go_with_their_pictures(seeing: Backend) -> None:
    """A conversation that is trimmed counts its pictures as what they become."""
    turns = tuple(
        Message(role, text, parts=parts)
        for role, text, parts in (
            ("user", "", (picture(), "x" * 800)),
            ("assistant", "y" * 300, ()),
            ("user", "", ("and this?", picture(BLUE))),
        )
    )
    trimmed = Run(SAMPLING, messages=turns, context_overflow=ContextOverflow.TRIM_OLDEST)
    outcome = answer(seeing, trimmed).outcome
    last = answer(seeing, Run(SAMPLING, messages=turns[-1:])).outcome

    assert any("left out to fit the context" in one for one in outcome.warnings)
    assert outcome.usage.media_tokens == last.usage.media_tokens > 0


def test_typed_placeholders_are_text(seeing: Backend) -> None:
    """What looks like a place for a picture is none, be it the engine's own marker."""
    typed = "<__media__> <image> <|image_pad|> [img]"
    with_one = answer(seeing, asked(picture(), typed, raw=True)).outcome.usage

    assert answer(seeing, asked(typed, raw=True)).outcome.usage.media_tokens == 0
    assert (
        with_one.media_tokens
        == answer(seeing, asked(picture(), "b", raw=True)).outcome.usage.media_tokens
    )


def test_without_a_projector_nothing_is_seen(spec: LoadSpec, tmp_path: Path) -> None:
    """Refused with the capability's name."""
    backend = LlamaCppBackend(lambda: None, tmp_path)
    backend.load(replace(spec, projector=""), lambda _: None)
    try:
        with pytest.raises(PreconditionError) as error:
            answer(backend, asked(picture(), "what?"))
    finally:
        backend.close()

    assert error.value.reason is Reason.CAPABILITY_UNSUPPORTED
    assert error.value.metadata["capability"] == "vision"


@pytest.mark.parametrize("way", ["worker", "native"])
def test_a_worker_and_a_native_engine_see_the_same(
    spec: LoadSpec, native: Path, tmp_path: Path, way: str
) -> None:
    """The same answer and the same usage, whoever decodes and wherever the engine runs."""
    run = asked("a", picture(), "b", picture(BLUE, 90, 40), "c")
    here = LlamaCppBackend(lambda: None, tmp_path)
    here.load(spec, lambda _: None)
    wanted = answer(here, run)
    here.close()

    (tmp_path / way).mkdir()
    there: Backend = WireBackend(tmp_path / way)
    library = str(native) if way == "native" else ""
    there.load(replace(spec, runtime_library=library), lambda _: None)
    try:
        found = answer(there, run)
    finally:
        there.close()

    assert (found.text, found.outcome.usage) == (wanted.text, wanted.outcome.usage)
