"""
What the daemon has done since it started, counted where it happens; no dependency, no I/O.

`service/system.py` shows it in the status, `metrics.py` to Prometheus when asked. On the event
loop's thread only; a chunk of an answer costs two additions and two bisections (about 1 µs).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FIRST_TOKEN_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""From a resident model on a short prompt to a cold load of a large one."""

INTER_TOKEN_BUCKETS_S: Final = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
"""100 tokens a second to less than one."""

CALL_BUCKETS_S: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0)

RATE_WINDOW_S: Final = 3.0
"""Over how long a stream's tokens a second are taken."""


class Histogram:
    """Observations by size, as Prometheus counts them."""

    def __init__(self, buckets: tuple[float, ...]) -> None:
        self.buckets = buckets
        self.counts = [0] * (len(buckets) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count *value*, *times* over."""
        self.counts[bisect_left(self.buckets, value)] += times
        self.sum += value * times


@dataclass(frozen=True, slots=True)
class StreamView:
    """A stream being answered, as the status shows it."""

    request_id: str
    model: str
    tokens: int
    tokens_per_s: float
    age_s: float


class StreamMeter:
    """One answer under way; made by `Meters.stream`, ended by `ended`."""

    def __init__(self, meters: Meters, request_id: str, model: str, began_s: float) -> None:
        self.request_id = request_id
        self.model = model
        self.began_s = began_s
        self.count = 0
        self._meters = meters
        self._last_s: float | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def tokens(self, count: int) -> None:
        """Count *count* tokens that came just now."""
        now = self._meters.clock()
        if count <= 0:
            return
        if self._last_s is None:
            self._meters.first_token_of(self.model).observe(now - self.began_s)
        else:
            between = self._meters.inter_token_of(self.model)
            between.observe((now - self._last_s) / count, count)
        self._last_s = now
        self.count += count
        self._meters.tokens[self.model, "completion"] += count
        self._recent.append((now, self.count))
        while now - self._recent[0][0] > RATE_WINDOW_S:
            self._recent.popleft()

    def prompt(self, tokens: int, cached: int) -> None:
        """Count the prompt: all its tokens, and those that were in the cache."""
        self._meters.tokens[self.model, "prompt"] += tokens
        self._meters.tokens[self.model, "cached"] += cached

    def ended(self, reason: str) -> None:
        """End it, naming the finish reason or the error; a second call does nothing."""
        if self._meters.streams.pop(id(self), None) is not None:
            self._meters.answers[self.model, reason] += 1

    def stalled(self, after_s: float) -> bool:
        """Tell whether tokens came once, and none for so long: its reader reads no more."""
        return self._last_s is not None and self._meters.clock() - self._last_s > after_s

    def view(self) -> StreamView:
        """Return how it is doing now."""
        now = self._meters.clock()
        rate = 0.0
        if len(self._recent) > 1 and now - self._recent[-1][0] < RATE_WINDOW_S:
            (first_s, first), (last_s, last) = self._recent[0], self._recent[-1]
            rate = (last - first) / (last_s - first_s) if last_s > first_s else 0.0
        return StreamView(self.request_id, self.model, self.count, rate, now - self.began_s)


class Meters:
    """
    Every counter of the daemon.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.calls: Counter[tuple[str, str]] = Counter()
        """By method (`rkd.v1.ModelService/List`) and status code."""
        self.call_seconds: dict[str, Histogram] = {}
        self.tokens: Counter[tuple[str, str]] = Counter()
        """By model and kind: prompt, cached, completion."""
        self.answers: Counter[tuple[str, str]] = Counter()
        """By model and finish reason."""
        self.first_token: dict[str, Histogram] = {}
        self.inter_token: dict[str, Histogram] = {}
        self.worker_deaths: Counter[tuple[str, str]] = Counter()
        """By model and signal or exit code."""
        self.operations: Counter[tuple[str, str]] = Counter()
        """Ended ones, by kind and state."""
        self.downloaded_bytes = 0
        self.streams: dict[int, StreamMeter] = {}
        self.begun = asyncio.Event()
        """Set with every stream; `Answering`, which waits for it, clears it."""

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        """Count a call; what `StatusInterceptor` is given to observe."""
        name = method.removeprefix("/")
        self.calls[name, code] += 1
        if name not in self.call_seconds:
            self.call_seconds[name] = Histogram(CALL_BUCKETS_S)
        self.call_seconds[name].observe(seconds)

    def stream(self, request_id: str, model: str) -> StreamMeter:
        """Begin an answer."""
        began = StreamMeter(self, request_id, model, self.clock())
        self.streams[id(began)] = began
        self.begun.set()
        return began

    def worker_died(self, model: str, how: str) -> None:
        """Count a worker that died by itself."""
        self.worker_deaths[model, how] += 1

    def operation_ended(self, kind: str, state: str) -> None:
        """Count a pull, create or push that ended."""
        self.operations[kind, state] += 1

    def downloaded(self, count: int) -> None:
        """Count bytes that came from the Hub."""
        self.downloaded_bytes += count

    def first_token_of(self, model: str) -> Histogram:
        """Return the model's times to the first token."""
        if model not in self.first_token:
            self.first_token[model] = Histogram(FIRST_TOKEN_BUCKETS_S)
        return self.first_token[model]

    def inter_token_of(self, model: str) -> Histogram:
        """Return the model's times between tokens."""
        if model not in self.inter_token:
            self.inter_token[model] = Histogram(INTER_TOKEN_BUCKETS_S)
        return self.inter_token[model]

    def forget(self, model: str) -> None:
        """Drop the series of a deleted model, so that names cannot pile up."""
        self.first_token.pop(model, None)
        self.inter_token.pop(model, None)
        for counter in (self.tokens, self.answers, self.worker_deaths):
            for key in [key for key in counter if key[0] == model]:
                del counter[key]
