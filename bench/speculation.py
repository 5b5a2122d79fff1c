"""
Speculative decoding in the engine: what guessing several tokens at once saves, by kind of text.

    python bench/speculation.py MODEL.gguf [--draft SMALLER.gguf] [--rounds 3] [--tokens 96]

Ways: n-grams looked up in the text so far (of N tokens, M guessed), and a draft model. Greedy
answers, rounds interleaved. Printed for each way and text: tokens a second and CPU time a token as
ratios to none (medians; over 1 is better), guessed tokens and those that were right, and whether
the answer is the same. CPU time says more than wall time on a machine with others on it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import xllamacpp

from rkd.backend.llamacpp.http import EngineHttp

KIND = xllamacpp.common_speculative_type
LOOKUPS = ((3, 4), (4, 8), (4, 16), (8, 16), (12, 48))
STORY = (
    "The lighthouse stood on the northern rock, forty metres above the sea. Its keeper, a man "
    "called Elias, had lit the lamp every evening for thirty years. In winter the waves reached "
    "the gallery, and he tied himself to the rail before he cleaned the glass. In summer children "
    "came by boat, and he showed them the lens, the clockwork and the log."
)
CODE = (
    "def area(width, height):\n    return width * height\n\n"
    "def volume(width, height, depth):\n    return width * height * depth\n\n"
    "def surface(width, height, depth):\n"
    "    return 2 * (width * height + height * depth + width * depth)\n"
)
TEXTS = {
    "prose": "Write a long story about a lighthouse keeper and the sea.",
    "copy": f"Repeat this text word by word:\n{STORY}",
    "code": f"Write this Python file again with a docstring in every function:\n{CODE}",
    "questions": f"{STORY}\nWho was the keeper, where was the lighthouse, what did he show?",
}
Setup = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one answer cost."""

    tokens_s: float
    cpu_token_ms: float
    guessed: int
    right: int
    text: str


def looked_up(n: int, m: int) -> Setup:
    """Guess *m* tokens by the last *n*."""

    def setup(params: Any) -> None:
        params.speculative.types = [KIND.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
        params.speculative.ngram_simple.size_n = n
        params.speculative.ngram_simple.size_m = m

    return setup


def drafted(path: Path) -> Setup:
    """Guess by a model."""

    def setup(params: Any) -> None:
        params.speculative.types = [KIND.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
        params.speculative.draft.mparams.path = str(path)
        params.speculative.draft.cpuparams.n_threads = 2

    return setup


def served(model: Path, socket: Path, setup: Setup) -> tuple[Any, EngineHttp]:
    """A server of its own."""
    params = xllamacpp.CommonParams()
    params.model.path, params.hostnames = str(model), [str(socket)]
    params.n_ctx, params.n_parallel, params.n_batch = 2048, 1, 256
    params.cpuparams.n_threads = 2
    params.ui = params.warmup = params.fit_params = False
    params.chat_template, params.verbosity, params.cache_ram_mib = "chatml", -1, 0
    setup(params)
    return xllamacpp.Server(params), EngineHttp(socket)


def answer(http: EngineHttp, asked: str, tokens: int) -> Answer:
    """One answer behind a prompt that was read before."""
    prompt = f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"
    body = {"prompt": prompt, "temperature": 0, "logit_bias": [[0, False], [2, False]]}
    http.post("/completion", {**body, "n_predict": 1}, bound_s=None)
    cpu, began = time.process_time(), time.perf_counter()
    said = http.post("/completion", {**body, "n_predict": tokens}, bound_s=None)
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    made, timings = said["tokens_predicted"], said["timings"]
    return Answer(
        made / took,
        spent / made * 1000,
        timings.get("draft_n", 0),
        timings.get("draft_n_accepted", 0),
        said["content"],
    )


def shown(found: dict[tuple[str, str], list[Answer]], way: str) -> None:
    """Print one way, text by text."""
    cells = []
    for text in TEXTS:
        own, none = found[text, way], found[text, "none"]

        def middle(answers: list[Answer], name: str) -> float:
            return statistics.median(getattr(one, name) for one in answers)

        faster = middle(own, "tokens_s") / middle(none, "tokens_s")
        cheaper = middle(none, "cpu_token_ms") / middle(own, "cpu_token_ms")
        same = "" if own[0].text == none[0].text else ", other text"
        cells.append(
            f"{text} {faster:.2f}x, cpu {cheaper:.2f}x, {own[0].right}/{own[0].guessed}{same}"
        )
    print(f"{way:18} " + " | ".join(cells), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--draft", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=96)
    given = parser.parse_args()
    ways: dict[str, Setup] = {"none": lambda _: None}
    ways |= {f"look-up {n}, {m}": looked_up(n, m) for n, m in LOOKUPS}
    if given.draft:
        ways["draft model"] = drafted(given.draft)
    with tempfile.TemporaryDirectory(prefix="rkd-bench-") as name:
        servers = {
            way: served(given.model, Path(name) / f"{at}.sock", setup)
            for at, (way, setup) in enumerate(ways.items())
        }
        found: dict[tuple[str, str], list[Answer]] = {}
        for round_ in range(given.rounds):
            order = list(servers) if round_ % 2 else list(servers)[::-1]
            for text, asked in TEXTS.items():
                for way in order:
                    told = answer(servers[way][1], asked, given.tokens)
                    found.setdefault((text, way), []).append(told)
        for way in ways:
            shown(found, way)


if __name__ == "__main__":
    main()
