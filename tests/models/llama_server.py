"""
Stand in for a natively built `llama-server`: its command line, the wheel's engine.

What this proves is our half: arguments, readiness, life and death of the child. That the real
program takes the same arguments was read in its source (b11549, common/arg.cpp).
LLAMA_STANDIN_DEVICES is what it lists of devices, LLAMA_STANDIN_LOG where it writes its arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import xllamacpp


def guess(params: Any, given: argparse.Namespace) -> None:
    """Let it look tokens up, as *given*."""
    if given.spec_type:
        kind = xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE
        params.speculative.types = [kind]
        params.speculative.ngram_simple.size_n = given.spec_ngram_simple_size_n
        params.speculative.ngram_simple.size_m = given.spec_ngram_simple_size_m


def main() -> NoReturn:
    """Serve until SIGTERM."""
    if sys.argv[1:] == ["--list-devices"]:
        sys.stdout.write(f"Available devices:\n{os.environ.get('LLAMA_STANDIN_DEVICES', '')}\n")
        sys.exit(0)
    if log := os.environ.get("LLAMA_STANDIN_LOG"):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(json.dumps(sys.argv[1:]) + "\n")
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--no-repack", action="store_true")
    parser.add_argument("--device")
    parser.add_argument("--host", required=True)
    parser.add_argument("--chat-template", required=True)
    parser.add_argument("--slot-save-path", required=True)
    for name in ("ctx-size", "parallel", "threads", "batch-size", "cache-ram"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for flag in ("no-warmup", "slots", "no-webui"):
        parser.add_argument(f"--{flag}", action="store_true", required=True)
    parser.add_argument("--embeddings", action="store_true")
    parser.add_argument("--pooling")
    parser.add_argument("--ubatch-size", type=int)
    parser.add_argument("--mmproj", default="")
    parser.add_argument("--image-max-tokens", type=int, default=-1)
    parser.add_argument("--spec-type", choices=["ngram-simple"])
    parser.add_argument("--spec-ngram-simple-size-n", type=int)
    parser.add_argument("--spec-ngram-simple-size-m", type=int)
    given = parser.parse_args()
    Path(given.host).unlink(missing_ok=True)
    params = xllamacpp.CommonParams()
    params.model.path = given.model
    params.mmproj.path = given.mmproj
    params.image_max_tokens = given.image_max_tokens
    params.hostnames = [given.host]
    params.n_ctx = given.ctx_size
    params.n_parallel = given.parallel
    params.n_batch = given.batch_size
    params.cpuparams.n_threads = given.threads
    params.ui = params.warmup = params.fit_params = False
    params.cache_ram_mib = given.cache_ram
    params.slot_save_path = given.slot_save_path
    guess(params, given)
    params.verbosity = 3
    params.embedding = given.embeddings
    if given.pooling:
        kinds = xllamacpp.llama_pooling_type
        params.pooling_type = getattr(kinds, f"LLAMA_POOLING_TYPE_{given.pooling.upper()}")
    if given.ubatch_size:
        params.n_ubatch = given.ubatch_size
    server = xllamacpp.Server(params)
    signal.sigwait({signal.SIGTERM})
    del server
    sys.exit(0)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()
