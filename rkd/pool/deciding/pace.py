"""How long things take here: running means from which waiting times are guessed."""

from __future__ import annotations

_WEIGHT = 0.3
"""How much the newest observation counts; a change of habits is believed after about five."""


class Pace:
    """Means by model key; models never seen fall back on the mean over all."""

    def __init__(self) -> None:
        self._runs: dict[str, float] = {}
        self._loads: dict[str, float] = {}

    def ran(self, key: str, took_s: float) -> None:
        """Note how long a lease was held."""
        _blend(self._runs, key, took_s)
        _blend(self._runs, "", took_s)

    def loaded(self, key: str, took_s: float) -> None:
        """Note how long a load took."""
        _blend(self._loads, key, took_s)
        _blend(self._loads, "", took_s)

    def run_s(self, key: str) -> float | None:
        """What a run of *key* takes; None before any run."""
        return self._runs.get(key, self._runs.get(""))

    def load_s(self, key: str) -> float | None:
        """What a load of *key* takes; None before any load."""
        return self._loads.get(key, self._loads.get(""))

    def forget(self, key: str) -> None:
        """Drop what was known of *key*."""
        self._runs.pop(key, None)
        self._loads.pop(key, None)


def _blend(means: dict[str, float], key: str, value: float) -> None:
    old = means.get(key)
    means[key] = value if old is None else old + _WEIGHT * (value - old)
