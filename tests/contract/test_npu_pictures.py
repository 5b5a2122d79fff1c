"""Pictures on the NPU's stand-ins: every family of runtimes, with an encoder beside the model."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.backend.rkllm.backend import RkllmBackend
from rkd.errors import (
    InternalError,
    InvalidInputError,
    PreconditionError,
    Reason,
    RkdError,
    UnavailableError,
)
from rkd.inference import Loaded, LoadSpec, Run, Sampling
from rkd.model import BackendKind, Media, Message, Part, VisionEncoder
from rkd.worker.handle import Handle
from tests.contract.backend_suite import Recorded, carried_out
from tests.contract.wire_client import WireBackend
from tests.native import rknn, standin
from tests.pictures import BLUE, RED, png

VERSIONS = ("1.1.4", "1.2.0", "1.2.1b1", "1.2.1", "1.2.2", "1.2.3", "1.3.0", "1.3.1")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
)
START, END, CONTENT = "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"


def picture(colour: tuple[int, int, int] = RED) -> Media:
    """One of one colour."""
    return Media(png(56, 56, colour), 56, 56, "messages[0].parts[0]")


def asked(*parts: Part) -> Run:
    """A turn of the user."""
    text = "\n".join(part for part in parts if isinstance(part, str))
    return Run(Sampling(), messages=(Message("user", text, parts=parts),))


@contextmanager
def loaded(
    folder: Path, version: str, *, model: str = "qwen3-vl", template: str | None = TEMPLATE,
    tags: tuple[str, str, str] = ("", "", ""), weights: dict[str, object] | None = None,
    **encoder: object,
) -> Iterator[tuple[RkllmBackend, Loaded]]:  # fmt: skip
    """The backend with a model and its encoder."""
    embd = int(str(encoder.get("embd", 8))) * int(str(encoder.get("outputs", 1)))
    spec = LoadSpec(
        BackendKind.NPU,
        str(standin.weights(folder / "m.rkllm", img_embd=embd, **(weights or {}))),
        model=model,
        context_tokens=1024,
        template=template,
        runtime_library=str(standin.build(version)),
        vision=VisionEncoder(
            str(rknn.encoder(folder / "vision.rknn", **encoder)), str(rknn.build()), 0, tags
        ),
    )
    backend = RkllmBackend()
    try:
        yield backend, backend.load(spec, lambda _: None)
    finally:
        backend.close()


def answer(backend: RkllmBackend, run: Run) -> Recorded:
    """A run carried out."""
    return carried_out(backend, run)


def hashes(text: str) -> list[str]:
    """What the stand-in says of each picture."""
    return re.findall(r"\[(\d+\*[^:]*:[0-9a-f]{8}:\d+x\d+)\]", text)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_picture_is_seen_in_its_place(version: str, tmp_path: Path) -> None:
    """With the family's tags, the encoder's sizes, and other numbers for another colour."""
    with loaded(tmp_path, version) as (backend, told):
        red = answer(backend, asked("look", picture(), "what?"))
        blue = answer(backend, asked("look", picture(BLUE), "what?"))
        again = answer(backend, asked("look", picture(), "what?"))

    size = "56x56" if version not in {"1.1.4", "1.2.0"} else "0x0"
    (seen,) = hashes(red.text)
    assert seen.startswith(f"4*{CONTENT}:")
    assert seen.endswith(f":{size}")
    assert red.text == f"<|im_start|>user\nlook{START}[{seen}]{END}what?<|im_end|>\n"
    assert red.text == again.text != blue.text
    assert red.outcome.usage.media_tokens == 4
    assert "rknn 2.3.2" in told.runtime


@pytest.mark.parametrize("version", VERSIONS)
def test_several_pictures_are_seen_in_order_or_refused(version: str, tmp_path: Path) -> None:
    """Before 1.2.1 a run takes one; nothing of it reaches the NPU."""
    run = asked(picture(), "then", picture(BLUE), "which?")
    log = tmp_path / "log"
    with loaded(tmp_path, version, log=log) as (backend, _):
        if version in {"1.1.4", "1.2.0"}:
            with pytest.raises(PreconditionError, match="one picture a request") as error:
                answer(backend, run)
            assert error.value.metadata["capability"] == "vision"
            assert not rknn.noted(log, "run")
            return
        both = answer(backend, run)
        other = answer(backend, asked(picture(BLUE), "then", picture(), "which?"))

    assert hashes(both.text) == hashes(other.text)[::-1]
    assert both.outcome.usage.media_tokens == 8
    assert len(rknn.noted(log, "run")) == 2


@pytest.mark.parametrize("version", ["1.2.2", "1.2.3", "1.3.0", "1.3.1"])
def test_deepstack_takes_one_picture_before_1_3(version: str, tmp_path: Path) -> None:
    """One is interleaved everywhere; a second one is mixed up by older releases, so refused."""
    with loaded(tmp_path, version, outputs=4) as (backend, _):
        assert len(hashes(answer(backend, asked(picture(), "what?")).text)) == 1
        two = asked(picture(), picture(BLUE), "which?")
        if version >= "1.3":
            assert len(set(hashes(answer(backend, two).text))) == 2
        else:
            with pytest.raises(PreconditionError, match="deepstack"):
                answer(backend, two)


@pytest.mark.parametrize("version", ["1.2.3", "1.3.1"])
def test_a_typed_tag_is_text(version: str, tmp_path: Path) -> None:
    """Beside a picture and without one."""
    with loaded(tmp_path, version) as (backend, _):
        beside = answer(backend, asked("<image> and", picture(), "<image><video>"))
        alone = answer(backend, asked("<image>"))

    assert len(hashes(beside.text)) == 1
    assert "< image> and" in beside.text
    assert "<image>" in alone.text


@pytest.mark.parametrize("version", ["1.2.3", "1.3.0"])
def test_the_modelfiles_tags_go_first(version: str, tmp_path: Path) -> None:
    """Before what a family is known for; a model of no known family needs them."""
    with loaded(tmp_path, version, tags=("<a>", "<b>", "<c>")) as (backend, _):
        assert "<a>[4*<c>:" in answer(backend, asked(picture(), "x")).text
    with loaded(tmp_path, version, model="unheard-of") as (backend, told):
        assert any("IMG_CONTENT" in one or "not known" in one for one in told.warnings)
        assert answer(backend, asked("only text")).text
        with pytest.raises(PreconditionError) as error:
            answer(backend, asked(picture(), "x"))
    assert "IMG_CONTENT" in error.value.remedy
    assert error.value.reason is Reason.CAPABILITY_UNSUPPORTED


def test_the_runtimes_own_template_takes_a_picture_too(tmp_path: Path) -> None:
    """One turn of the user, without tokenizer files."""
    with loaded(tmp_path, "1.3.0", template=None) as (backend, _):
        assert len(hashes(answer(backend, asked("what?", picture())).text)) == 1


@pytest.mark.parametrize("status", [-6, -4, -13, -1])
def test_a_bad_encoder_leaves_the_text(status: int, tmp_path: Path) -> None:
    """The model loads, says why it is blind, and answers; a picture is refused with the reason."""
    with loaded(tmp_path, "1.2.3", init_rc=status, line="E RKNN: bad") as (backend, told):
        assert any("sees no pictures" in one for one in told.warnings)
        assert answer(backend, asked("only text")).text
        with pytest.raises(RkdError, match="cannot be loaded"):
            answer(backend, asked(picture(), "x"))


def test_a_run_of_the_encoder_that_fails_costs_its_request(tmp_path: Path) -> None:
    """The next text is answered by the same handle."""
    with loaded(tmp_path, "1.2.3", run_rc=-2) as (backend, _):
        with pytest.raises(InternalError, match="vision encoder failed"):
            answer(backend, asked(picture(), "x"))
        assert answer(backend, asked("only text")).text


def test_a_damaged_picture_costs_its_request(tmp_path: Path) -> None:
    """Refused by place."""
    with loaded(tmp_path, "1.3.1") as (backend, _):
        bad = replace(picture(), data=png()[:70])
        with pytest.raises(InvalidInputError):
            answer(backend, asked(bad, "x"))
        assert answer(backend, asked(picture(), "x")).text


def test_pictures_count_to_the_context(tmp_path: Path) -> None:
    """What does not fit is refused before the encoder runs."""
    log = tmp_path / "log"
    with (
        loaded(tmp_path, "1.3.1", tokens=2000, log=log) as (backend, _),
        pytest.raises(RkdError) as error,
    ):
        answer(backend, asked(picture(), "x"))
    assert error.value.reason is Reason.CONTEXT_LENGTH_EXCEEDED
    assert not rknn.noted(log, "run")


def test_without_an_encoder_pictures_are_refused(tmp_path: Path) -> None:
    """By the one table of capabilities."""
    spec = LoadSpec(
        BackendKind.NPU,
        str(standin.weights(tmp_path / "m.rkllm")),
        template=TEMPLATE,
        runtime_library=str(standin.build("1.2.3")),
    )
    backend = RkllmBackend()
    backend.load(spec, lambda _: None)
    try:
        with pytest.raises(PreconditionError, match="no vision encoder") as error:
            answer(backend, asked(picture(), "x"))
    finally:
        backend.close()
    assert error.value.metadata["capability"] == "vision"


def in_a_worker(folder: Path, **encoder: object) -> WireBackend:
    """A worker of its own, with a model and its encoder."""
    spec = LoadSpec(
        BackendKind.NPU,
        str(standin.weights(folder / "m.rkllm")),
        model="qwen3-vl",
        context_tokens=1024,
        template=TEMPLATE,
        runtime_library=str(standin.build("1.3.1")),
        vision=VisionEncoder(
            str(rknn.encoder(folder / "vision.rknn", **encoder)), str(rknn.build())
        ),
    )
    backend = WireBackend(folder)
    backend.load(spec, lambda _: None)
    return backend


def test_an_encoder_that_crashes_takes_its_worker_alone(tmp_path: Path) -> None:
    """The text before it was answered; whoever sent the picture hears of it."""
    backend = in_a_worker(tmp_path, crash="run")
    try:
        assert answer(backend, asked("only text")).text
        with pytest.raises(UnavailableError) as error:
            answer(backend, asked(picture(), "x"))
    finally:
        backend.close()

    assert error.value.reason is Reason.WORKER_CRASHED


def test_an_encoder_that_hangs_ends_with_a_cancel(tmp_path: Path) -> None:
    """It cannot be stopped, so its worker goes, within the bound of an abort."""
    told = tmp_path / "told"
    os.mkfifo(told)
    handle = Handle()

    def cancel_when_it_runs() -> None:
        while "begin" not in told.read_text(encoding="utf-8"):
            pass  # each reading waits for the next thing the stand-in tells

        handle.cancel()

    threading.Thread(target=cancel_when_it_runs, daemon=True).start()
    backend = in_a_worker(tmp_path, hang="run", log=told)
    try:
        with pytest.raises(UnavailableError) as error:
            carried_out(backend, asked(picture(), "x"), handle=handle)
    finally:
        backend.close()

    assert error.value.reason is Reason.WORKER_CRASHED
