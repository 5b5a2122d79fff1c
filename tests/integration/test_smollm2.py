"""A real model with sense, through the daemon: right answers, also when eight are asked at once."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2
from tests.integration.daemon_process import DaemonProcess, Stubs

TOPICS = ("computer", "river", "guitar", "volcano", "bicycle", "bakery", "lighthouse", "penguin")
NEARLY_TIED = 0.35
"""Nats between the two best tokens: batches of another size change logits by some tenths (Q4_1)."""


@pytest.fixture(scope="module")
def smol(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[DaemonProcess]:
    """A daemon with SmolLM2 in eight slots."""
    settings = {"RKD_PARALLEL": "8", "RKD_MAX_CONTEXT": "512"}
    daemon = DaemonProcess(tmp_path_factory.mktemp("smol"), settings)
    (daemon.models / "smol").mkdir()
    shutil.copy(smollm2, daemon.models / "smol")
    with daemon:
        yield daemon


@dataclass(frozen=True)
class Answer:
    """One answer with the two best tokens of every step."""

    text: str
    tokens: tuple[str, ...]
    gaps: tuple[float, ...]
    finished: types_pb2.Finished


def asked(stubs: Stubs, prompt: str, **sampling: object) -> Answer:
    """Ask greedily, 40 tokens, with log probabilities."""
    values = {"temperature": 0.0, "max_tokens": 40, "logprobs": 2, **sampling}
    options = types_pb2.InferenceOptions(sampling=types_pb2.SamplingOptions(**values))
    request = pb.GenerateRequest(model="smol", prompt=prompt, options=options)
    events = list(stubs.inference.Generate(request, timeout=120))
    deltas = [one.delta for one in events if one.HasField("delta")]
    entries = [entry for delta in deltas for entry in delta.logprobs]
    return Answer(
        "".join(delta.text for delta in deltas),
        tuple(entry.chosen.text for entry in entries),
        tuple(one.alternatives[0].logprob - one.alternatives[1].logprob for one in entries),
        events[-1].finished,
    )


def question(topic: str) -> str:
    """What is asked about *topic*."""
    return f"What is a {topic}? Answer in one sentence."


def test_answers_make_sense(smol: DaemonProcess) -> None:
    """The answer is about what was asked, and ends by itself."""
    with smol.stubs() as stubs:
        answer = asked(stubs, question("computer"), max_tokens=120)

    assert "computer" in answer.text.lower()
    assert answer.finished.finish_reason == types_pb2.FINISH_REASON_STOP_EOS


def test_a_persona_is_applied(smol: DaemonProcess) -> None:
    """A system prompt changes the answer."""
    with smol.stubs() as stubs:
        options = types_pb2.InferenceOptions(
            sampling=types_pb2.SamplingOptions(temperature=0, max_tokens=30)
        )
        request = pb.GenerateRequest(
            model="smol",
            prompt="Who are you?",
            system="You are Captain Hook, a pirate. Answer like a pirate.",
            options=options,
        )
        events = list(stubs.inference.Generate(request, timeout=120))

    assert "hook" in "".join(one.delta.text for one in events).lower()


def test_eight_at_once_are_right_and_unmixed(smol: DaemonProcess) -> None:
    """Eight together give what each gives alone, but where the two best tokens nearly tied."""
    with smol.stubs() as stubs:
        alone = [asked(stubs, question(topic)) for topic in TOPICS]
    together: dict[int, Answer] = {}

    def client(at: int) -> None:
        with smol.stubs() as own:
            together[at] = asked(own, question(TOPICS[at]))

    threads = [threading.Thread(target=client, args=(at,)) for at in range(len(TOPICS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert len(together) == len(TOPICS)
    for at, expected in enumerate(alone):
        found = together[at]
        pairs = zip(expected.tokens, found.tokens, strict=False)
        parted = next((step for step, (a, b) in enumerate(pairs) if a != b), None)
        if parted is not None:
            assert expected.gaps[parted] <= NEARLY_TIED, (TOPICS[at], expected.text, found.text)
        for topic in set(TOPICS) - {TOPICS[at]}:
            assert (topic in found.text.lower()) == (topic in expected.text.lower())
