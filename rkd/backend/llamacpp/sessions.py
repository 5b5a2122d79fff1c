"""
Named conversations of llama.cpp: a slot's state read from a file before a run, written behind it.

The engine compares tokens itself, so a state that fits only in part is used in part. A file that
is damaged ends its process (seen with b11549: half a file aborts), so none is read whose digest is
not the one it was written with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rkd.backend.backend import RunHandle
from rkd.backend.kept import LEAST_TOKENS, digest_of, is_whole
from rkd.backend.llamacpp.http import EngineError, EngineHttp
from rkd.backend.llamacpp.request import adapters_of
from rkd.backend.llamacpp.slots import Prompt, Slot, Slots
from rkd.inference import LoadSpec, Outcome, Run
from rkd.session import Kept, SessionFile

WRITE_BOUND_S = 60.0
MEMORY_SHARE = 2
"""Of the prompt cache in memory, this part at most is believed to hold what ran last."""


@dataclass(slots=True)
class _Last:
    """A conversation that ran here, and how many tokens have been read since, its own included."""

    tokens: int
    token_bytes: int


class SlotStates:
    """
    The conversations of one engine.

    Args:
        http: asks it.
        folder: where it reads and writes.
        spec: what is loaded; None while nothing is.
        slots: how many it has.
    """

    def __init__(
        self, http: EngineHttp, folder: Path, spec: LoadSpec | None = None, slots: int = 0
    ) -> None:
        self.slots = Slots(slots)
        self._spec = spec
        self._held: dict[str, tuple[Slot, Prompt, Outcome]] = {}
        """By the names of their files: slots whose conversation is about to be written."""
        self._http = http
        self._folder = folder
        self._memory_bytes = spec.prompt_cache_bytes if spec and not spec.adapters else 0
        self._recent: dict[str, _Last] = {}
        self._lock = threading.Lock()

    def serve(
        self, run: Run, prompt: Prompt, handle: RunHandle, act: Callable[[Slot], Outcome]
    ) -> Outcome | None:
        """
        Do *act* in the slot that *run* takes, its conversation brought there before.

        The outcome says whether it is to be kept; then the slot is the run's until `keep`. None
        when it was cancelled before it had one.
        """
        # A picture's tokens cannot be read from a file, so a conversation with one has none.
        file = None if run.media else run.session
        key = file.key if file else ""
        slot = self.slots.take(prompt, key, handle)
        if slot is None:
            return None
        holds = ""  # the conversation the slot is known to hold behind it
        keeping = False
        try:
            if file:
                self._recall(slot, file, prompt, adapters_of(run, self._spec))
            outcome = act(slot)
            self._ran(outcome)
            if file and not handle.cancelled:
                holds, keeping = key, self._wants(file, outcome)
            if file and keeping:
                outcome = replace(outcome, keeping=True)
                self._held[file.name] = (slot, prompt, outcome)
            return outcome
        finally:
            if not keeping:
                self.slots.give_back(slot, prompt, holds)

    def keep(self, run: Run) -> Kept:
        """Write the state of the slot that *run* still holds, and give the slot back."""
        if run.session is None:
            return Kept()
        slot, prompt, outcome = self._held.pop(run.session.name)
        try:
            return self._write(slot, run.session, outcome)
        finally:
            self.slots.give_back(slot, prompt, run.session.key)

    def _recall(
        self, slot: Slot, file: SessionFile, prompt: Prompt, adapters: dict[str, Any]
    ) -> None:
        """
        Bring the state in *file* into *slot*, unless the engine has it still.

        A request of one token goes first: what the slot held is laid aside for it, and the slot
        has the *adapters* of the run to come; a state is void in one that had others.
        """
        here = slot.session == file.key and slot.goes_on(prompt)
        if here or self._in_memory(file.key) or not is_whole(file):
            return
        link = self._folder / f"recall-{slot.number}"
        with suppress(EngineError, OSError):
            if adapters or (self._memory_bytes and slot.prompt):
                first = {"prompt": [0], "n_predict": 1, "id_slot": slot.number}
                self._http.post("/completion", {**first, **adapters})
            link.unlink(missing_ok=True)
            link.symlink_to(file.path)
            self._http.post(f"/slots/{slot.number}?action=restore", {"filename": link.name})
        link.unlink(missing_ok=True)

    def _wants(self, file: SessionFile, outcome: Outcome) -> bool:
        """
        Whether the conversation is to be written behind a run that ended so, and well.

        A request for a title, say, under its name is none of its turns, and replaces nothing
        longer.
        """
        usage = outcome.usage
        tokens = usage.prompt_tokens + usage.completion_tokens
        if file.tokens > tokens and usage.cached_tokens < file.tokens // 2:
            return False
        return bool(file.name) and LEAST_TOKENS <= tokens <= file.most_tokens

    def _write(self, slot: Slot, file: SessionFile, outcome: Outcome) -> Kept:
        """Write the state of *slot*; what stands in the way costs the file and nothing else."""
        path = self._folder / file.name
        asked = {"filename": file.name}
        usage = outcome.usage
        try:
            said = self._http.post(
                f"/slots/{slot.number}?action=save", asked, bound_s=WRITE_BOUND_S
            )
            tokens, size_bytes = int(said["n_saved"]), int(said["n_written"])
            # Another's run in the slot would show here; its tokens are not this caller's.
            most = usage.prompt_tokens + usage.completion_tokens
            own = usage.prompt_tokens <= tokens <= most
            if own and path.stat().st_size == size_bytes:
                self._note(file.key, tokens, size_bytes // max(tokens, 1))
                return Kept(size_bytes, digest_of(path), tokens)
        except (EngineError, OSError, KeyError, ValueError):
            pass
        path.unlink(missing_ok=True)
        return Kept()

    def _ran(self, outcome: Outcome) -> None:
        """Note that a run has filled the memory with its own."""
        tokens = outcome.usage.prompt_tokens + outcome.usage.completion_tokens
        with self._lock:
            for last in self._recent.values():
                last.tokens += tokens

    def _note(self, key: str, tokens: int, token_bytes: int) -> None:
        with self._lock:
            self._recent[key] = _Last(tokens, token_bytes)

    def _in_memory(self, key: str) -> bool:
        """Whether the engine's own cache must still have what ran last under *key*."""
        room = self._memory_bytes // MEMORY_SHARE
        with self._lock:
            gone = [
                one for one, last in self._recent.items() if last.tokens * last.token_bytes > room
            ]
            for one in gone:
                del self._recent[one]
            return key in self._recent
