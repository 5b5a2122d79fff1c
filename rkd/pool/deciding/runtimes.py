"""
Which of the installed NPU libraries a model is loaded with, best first; pure.

A library older than the toolkit that wrote the file refuses it, one newer may answer with garbage
or die of it: who can tell is only the board. So the newest that fits is tried, what came of it is
remembered, and the next one is tried where that was bad.

**Source**: the vendor's rule that the runtime must be as new as the toolkit; files of 1.2.0 that
are garbage on 1.2.3 alone (rkllama issue 102).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from rkd.board.facts import RuntimeLibrary
from rkd.errors import Reason, RkdError
from rkd.inference import FirstAnswer
from rkd.librkllmrt import age_of
from rkd.model import WeightsFile
from rkd.pool.deciding.state import Death, LoadFault

MOST_TRIED = 4
"""Libraries a request may go through before it is told that none will do."""

DEADLY = 2
"""What has killed so many workers is given no further one while there is another way."""

_OF_THE_FILE = frozenset({"file", "runtime", "garbage"})
_OF_THE_BOARD = frozenset({"memory", "platform", "cpus"})
"""Causes no other library helps against, see `backend.rkllm.evidence`."""


class Came(enum.StrEnum):
    """What came of a library and a file together; the words are kept on disk and shown."""

    SERVED = "served"
    ANSWERED = "answered"
    SILENT = "silent"
    GARBAGE = "garbage"
    REFUSED = "refused"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Pairing:
    """
    What is remembered of one library with one file.

    Args:
        version: of the library.
        came: what came of it last.
        times: how many workers died of it, for CRASHED.
        detail: in words, or "".
        at: when, seconds since 1970.
    """

    version: str
    came: Came
    times: int = 1
    detail: str = ""
    at: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the model can be used so."""
        return self.came in {Came.SERVED, Came.ANSWERED, Came.SILENT}

    @property
    def ruled_out(self) -> bool:
        """Whether it is not tried while there is another way."""
        if self.came is Came.CRASHED:
            return self.times >= DEADLY
        return self.came in {Came.GARBAGE, Came.REFUSED}


Remembered = Callable[[str, RuntimeLibrary], Pairing | None]
"""Gives what is known of the file of a fingerprint with a library."""


@dataclass(frozen=True, slots=True)
class Way:
    """
    One library to load with.

    Args:
        first: whether it answers this file is not known: a few tokens are heard before it serves.
        known: what is.
    """

    library: RuntimeLibrary
    first: bool = False
    known: Pairing | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell with answers that will be none: there is nothing better here."""
        if self.known is None or self.known.came is not Came.GARBAGE:
            return ()
        return (f"what RKLLM {self.library.version} answers with this file is no text",)


def ways(
    libraries: tuple[RuntimeLibrary, ...],
    weights: WeightsFile,
    remembered: Remembered,
    *,
    wanted: str = "",
    given: bool = False,
) -> tuple[Way, ...]:
    """
    Order *libraries* for *weights*, best first; never empty where there is one of that version.

    1. Those of the version *wanted*, where the Modelfile names one: its word stands, whatever is
       remembered.
    2. Those as new as the toolkit of the file, the newest first. Where the file does not tell its
       toolkit and the owner *gave* the libraries, in his order.
    3. What has served before what answered, before what said nothing, before those not tried
       yet, before what killed one worker; of each the further copies of one version last.
    4. What answered with garbage, refused the file or killed two workers is left out; of what is
       left out the first alone is offered when nothing else is there.

    Of a file nobody could look at nothing is remembered: it is loaded with the first library.
    """
    here = [one for one in libraries if is_version(one.version, wanted)]
    if not weights.fingerprint:
        return tuple(Way(one) for one in here[:1])
    made = age_of(weights.toolkit)
    if wanted or made or not given:
        here.sort(key=lambda one: age_of(one.version), reverse=True)
    known = {one.path: remembered(weights.fingerprint, one) for one in here}
    if wanted:
        found = here
    else:
        usable = [one for one in here if one.problem is None]
        fitting = [one for one in usable if age_of(one.version) >= made]
        # A runtime that is too old says so itself, and better than we could.
        found = fitting or usable[:1] or here[:1]
        open_ = [one for one in found if not _ruled_out(known[one.path])]
        copy = {one.path: _copies(open_[:at], one.version) for at, one in enumerate(open_)}
        order = sorted(open_, key=lambda one: (_rank(known[one.path]), copy[one.path]))
        found = order or found[:1]
    return tuple(Way(one, _untried(known[one.path]), known[one.path]) for one in found[:MOST_TRIED])


@dataclass(frozen=True, slots=True)
class LibraryReport:
    """
    One library as it stands to one model, for people.

    Args:
        chosen: the next load takes it first.
        came: what is remembered, or None.
        detail: why it is chosen or left out.
    """

    library: RuntimeLibrary
    chosen: bool
    came: Came | None
    detail: str


def report(
    libraries: tuple[RuntimeLibrary, ...],
    weights: WeightsFile,
    remembered: Remembered,
    found: tuple[Way, ...],
    *,
    wanted: str = "",
) -> tuple[LibraryReport, ...]:
    """Say of each of *libraries* how it stands to *weights*; *found* as `ways` gave it."""
    order = [one.library.path for one in found]
    told = []
    for one in libraries:
        known = remembered(weights.fingerprint, one)
        first = order[:1] == [one.path]
        detail = _standing(one, weights, known, wanted, first=first)
        told.append(LibraryReport(one, first, known.came if known else None, detail))
    return tuple(told)


def failures(model: str, told: tuple[LibraryReport, ...]) -> tuple[str, bool]:
    """Say in a sentence which libraries failed with *model*, or ""; and whether all there are."""
    bad = [one for one in told if one.came in {Came.GARBAGE, Came.REFUSED, Came.CRASHED}]
    if not bad:
        return "", False
    tried = ", ".join(f"{one.library.version} {one.came}" for one in bad)
    chosen = next((one for one in told if one.chosen), None)
    if chosen is None or chosen in bad:
        return f"{model}: {tried}", True
    return f"{model} is loaded with {chosen.library.version}: {tried}", False


def _standing(
    one: RuntimeLibrary, weights: WeightsFile, known: Pairing | None, wanted: str, *, first: bool
) -> str:
    if one.problem is not None:
        return one.problem.message
    if not is_version(one.version, wanted):
        return f"the Modelfile asks for {wanted}"
    if wanted and first:
        return "the Modelfile asks for it"
    if known is not None:
        return known.detail
    if age_of(one.version) < age_of(weights.toolkit):
        return f"older than the toolkit of the file, {weights.toolkit}"
    return "not tried yet"


def exhausted(found: tuple[Way, ...]) -> str:
    """Why no library is worth trying, where the best way is one that was ruled out; else ""."""
    if not found or not all(_ruled_out(one.known) for one in found):
        return ""
    one = found[0]
    said = one.known.detail if one.known else ""
    came = one.known.came if one.known else Came.REFUSED
    return f"no RKLLM library here gets on with its file: {one.library.version} {came}" + (
        f" ({said})" if said else ""
    )


def is_version(version: str, wanted: str) -> bool:
    """Whether *version* is *wanted* or refines it: 1.2.3 is a 1.2, a v1.2, a 1.2.x; 1.20 is not."""
    bare = wanted.strip().removeprefix("v").removesuffix(".x").removesuffix(".*")
    return not wanted or version == bare or version.startswith(bare + ".")


def another_may_do(error: RkdError) -> bool:
    """Whether a load that failed with *error* may go well with another library."""
    if error.reason is Reason.PLATFORM_MISMATCH:
        return False
    return error.metadata.get("cause", "") not in _OF_THE_BOARD


def after_load(first: FirstAnswer) -> Came | None:
    """What a load that ended well tells of library and file; None for nothing."""
    return {
        FirstAnswer.ANSWERED: Came.ANSWERED,
        FirstAnswer.SILENT: Came.SILENT,
        FirstAnswer.GARBAGE: Came.GARBAGE,
    }.get(first)


def after_failed_load(error: RkdError, fault: LoadFault) -> Came | None:
    """What a load that failed tells of library and file; None for what may pass by itself."""
    if fault is LoadFault.CRASHED or error.reason is Reason.LOAD_TIMEOUT:
        return Came.CRASHED
    if error.metadata.get("cause") in _OF_THE_FILE:
        return Came.REFUSED
    return None


def after_death(death: Death, *, served: int) -> Came | None:
    """What the death of a worker that was ready tells: something only before its first answer."""
    own = bool(death.exit_code) or (death.signal and not death.from_outside)
    return Came.CRASHED if own and not served else None


_VECTORS = re.compile(r"(?<![a-z])(?:embed|embedding|rerank|reranker)s?(?![a-z])", re.IGNORECASE)


def speaks(weights: WeightsFile) -> bool:
    """Whether an answer may be expected: not of what is called an embedder or a reranker."""
    return not _VECTORS.search(weights.path.name)


def _untried(known: Pairing | None) -> bool:
    """Whether a few tokens are to be heard: once, and not again what dies of it."""
    if known is None or known.came is Came.REFUSED:
        return True
    return known.came is Came.CRASHED and not known.ruled_out


def _ruled_out(known: Pairing | None) -> bool:
    return known is not None and known.ruled_out


def _rank(known: Pairing | None) -> int:
    return _RANKS.index(known.came if known else None)


_RANKS = (Came.SERVED, Came.ANSWERED, Came.SILENT, None, Came.CRASHED)
"""Best first; None is not tried yet. What else there is was ruled out."""


def _copies(libraries: list[RuntimeLibrary], version: str) -> int:
    return sum(one.version == version for one in libraries)
