"""`rkctl bench`: how fast a model answers here, as the daemon and the clock see it."""

from __future__ import annotations

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import click
from rkd_client.ask import StreamAsk
from rkd_client.options import WantedBackend
from rkd_client.verbs import inference as ask
from rkd_client.verbs import system as ask_system

from rkctl import flags, naming
from rkctl.measure.comparison import Measured, compare
from rkctl.measure.looking import Looking
from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types

PROMPT = "Write a long story about a lighthouse keeper who learns to play the violin."


@dataclass(frozen=True, slots=True)
class TimedRun:
    """One run, in seconds on this side of the wire; tokens as the daemon counted them."""

    first_token_s: float
    decode_s: float
    prompt_tokens: int
    completion_tokens: int
    prefill_s: float
    backend: int

    @property
    def decode_rate(self) -> float:
        """Tokens a second after the first."""
        later = self.completion_tokens - 1
        return later / self.decode_s if later > 0 and self.decode_s > 0 else 0.0

    @property
    def prefill_rate(self) -> float:
        """Prompt tokens a second, as the engine measured."""
        return self.prompt_tokens / self.prefill_s if self.prefill_s > 0 else 0.0


@verb("bench")
@naming.MODEL
@click.option("--runs", type=click.IntRange(1, 1000), default=5, metavar="N", help="How often: 5.")
@click.option(
    "--parallel", type=click.IntRange(1, 64), default=1, metavar="N", help="Streams at once: 1."
)
@click.option(
    "--max-tokens", type=click.IntRange(2), default=128, metavar="N", help="Tokens a run: 128."
)
@click.option("--prompt", default=PROMPT, metavar="TEXT", help="What to ask.")
@flags.BACKEND
def bench(
    session: CommandSession,
    model: str,
    *,
    runs: int,
    parallel: int,
    max_tokens: int,
    prompt: str,
    backend: WantedBackend | None,
) -> None:
    """Measure first token, prefill and decode of MODEL, beside the vendor's published rate."""
    # Each prompt begins differently, so that no run reads another's cache.
    requests = [
        ask.generate(
            model,
            f"{n}. {prompt}",
            temperature=0.0,  # and no seed, which greedy needs none of and the NPU has none of
            max_tokens=max_tokens,
            backend=backend,
        )
        for n in range(runs + 1)
    ]
    looking = Looking(lambda: session.call(ask_system.status()))
    _one(session, requests[0])
    began_s = time.monotonic()
    with looking, ThreadPoolExecutor(parallel) as threads:
        samples = list(threads.map(lambda request: _one(session, request), requests[1:]))
    together = sum(one.completion_tokens for one in samples) / (time.monotonic() - began_s)
    comparison = compare(session, _measured(model, samples, parallel, looking))
    if session.json:
        entries = [_plain(one) for one in samples]
        plain = {"model": model, "parallel": parallel, "runs": entries, "tokens_per_s": together}
        click.echo(json.dumps(plain | comparison.plain()))
        return
    columns = ("", ">MEDIAN", ">LOWEST", ">HIGHEST")
    rows = (
        _row("first token, ms", [1000 * one.first_token_s for one in samples]),
        _row("prefill, tokens/s", [one.prefill_rate for one in samples]),
        _row("decode, tokens/s", [one.decode_rate for one in samples]),
    )
    render.table(columns, rows)
    comparison.show()
    render.note(f"{runs} runs, {parallel} at a time: {together:.1f} tokens/s together")


def _measured(model: str, samples: list[TimedRun], parallel: int, looking: Looking) -> Measured:
    return Measured(
        model=model,
        tokens_per_s=statistics.median(one.decode_rate for one in samples),
        backend=samples[-1].backend,
        parallel=parallel,
        tokens=max(one.prompt_tokens + one.completion_tokens for one in samples),
        seen=looking.seen,
    )


def _plain(one: TimedRun) -> dict[str, Any]:
    return {**asdict(one), "backend": render.word(types.Backend.Name(one.backend), "BACKEND_")}


def _one(session: CommandSession, asked: StreamAsk[pb.GenerateResponse, Any]) -> TimedRun:
    began_s = first_s = time.monotonic()
    seen = False
    finished = types.Finished()
    with session.stream(asked) as events:
        for event in events:
            if event.HasField("delta") and not seen:
                seen, first_s = True, time.monotonic()
            elif event.HasField("finished"):
                finished = event.finished
    usage = finished.usage
    return TimedRun(
        first_token_s=first_s - began_s,
        decode_s=time.monotonic() - first_s,
        prompt_tokens=usage.prompt_tokens - usage.cached_tokens,
        completion_tokens=usage.completion_tokens,
        prefill_s=finished.timings.prefill.ToNanoseconds() / 1e9,
        backend=finished.backend,
    )


def _row(name: str, values: list[float]) -> tuple[str, ...]:
    return (name, *(f"{v:.1f}" for v in (statistics.median(values), min(values), max(values))))
