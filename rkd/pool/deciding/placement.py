"""
Where a model may run: the ways to load it, best first; pure. `loads.py` says what each is.

NPU first where board, library and weights allow it, else the GGUF beside it on the CPU, with the
reason in words. An explicit `npu` never falls back, and is always tried where a library was named.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rkd.board.facts import RuntimeLibrary
from rkd.errors import RkdError
from rkd.inference import LoadSpec
from rkd.model import BackendChoice, BackendKind, Format, Model
from rkd.pool.deciding import nowhere, refusals
from rkd.pool.deciding.loads import Loads, Measured
from rkd.pool.deciding.prospect import Prospect
from rkd.pool.deciding.runtimes import (
    LibraryReport,
    Pairing,
    Remembered,
    Way,
    exhausted,
    report,
    ways,
)
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.deciding.sight import npu_sees
from rkd.pool.deciding.state import LoadPlan


def _nothing(_fingerprint: str, _library: RuntimeLibrary) -> Pairing | None:
    """Remember nothing."""
    return None


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What a request says about the load; None leaves it to the model, then the daemon.

    Args:
        beyond_npu: what it asks itself that no NPU runtime can do.
        pictures: it has some, so it goes where they are seen.
    """

    backend: BackendChoice | None = None
    context_tokens: int | None = None
    beyond_npu: tuple[str, ...] = ()
    pictures: bool = False


class Placement:
    """
    Turns a model and a request's wish into load plans.

    Args:
        settings: the daemon's.
        obstacle: what keeps the board's NPU from being used, or None.
        measured: memory seen on earlier loads.
        remembered: how libraries got on with weights on earlier loads.
    """

    def __init__(
        self,
        settings: PoolSettings,
        obstacle: RkdError | None,
        measured: Measured,
        remembered: Remembered = _nothing,
    ) -> None:
        self._settings = settings
        self._obstacle = obstacle
        self._loads = Loads(settings, measured)
        self._remembered = remembered

    def candidates(self, model: Model, wish: Wish) -> tuple[LoadPlan, ...]:
        """
        Give the ways *model* may be loaded, best first, at least one.

        Raises:
            PreconditionError: MODEL_INCOMPLETE (no weights at all), NPU_UNAVAILABLE,
                RUNTIME_MISMATCH, CAPABILITY_UNSUPPORTED (the CPU asked for, and no GGUF).
        """
        choice = self._choice(model, wish)
        gguf = model.weights_of(Format.GGUF)
        plans: list[LoadPlan] = []
        obstacle: RkdError | None = None
        blind = wish.pictures and not npu_sees(model, self._settings)
        if wish.pictures and not blind and model.projector is None:
            gguf = None  # a fallback that sees nothing is none
        if choice is BackendChoice.AUTO and gguf is not None and (wish.beyond_npu or blind):
            obstacle = nowhere.beyond(model, (*wish.beyond_npu, *(("pictures",) if blind else ())))
            # As if the CPU was asked for: what is resident then keeps nobody else from the NPU.
            choice = BackendChoice.CPU
        if choice is not BackendChoice.CPU:
            found = nowhere.BLIND if blind else self._ways(model, choice)
            if isinstance(found, RkdError):
                obstacle = found
            elif gguf is not None and choice is BackendChoice.AUTO and exhausted(found):
                obstacle = nowhere.not_on_npu(model, refusals.no_library(exhausted(found)))
            else:
                plans += [self._loads.npu(model, wish.context_tokens, choice, way) for way in found]
            if obstacle is not None and (choice is BackendChoice.NPU or gguf is None):
                raise obstacle
        if choice is not BackendChoice.NPU and gguf is not None:
            reason = obstacle.message if obstacle is not None else ""
            plans.append(self._loads.cpu(model, wish.context_tokens, choice, gguf, reason))
        if not plans:
            raise nowhere.no_gguf(model) if model.weights else nowhere.no_weights(model)
        return tuple(plans)

    def prospects(self, model: Model) -> tuple[Prospect, Prospect]:
        """How each backend would load *model* if nobody asks otherwise, and what keeps it."""
        choice = self._choice(model, Wish())
        found = self._ways(model, choice)
        load: LoadSpec | None = None
        if model.weights_of(Format.RKLLM) is not None:
            way = next(iter(self.ways(model)), Way(RuntimeLibrary(Path())))
            load = self._loads.npu(model, None, choice, way).spec
        first = self._first(model)
        obstacle = found if isinstance(found, RkdError) else None
        npu = Prospect(BackendKind.NPU, load, obstacle, first is BackendKind.NPU)
        gguf = model.weights_of(Format.GGUF)
        if gguf is None:
            none = nowhere.no_gguf(model) if model.weights else nowhere.no_weights(model)
            return npu, Prospect(BackendKind.CPU, None, none)
        plan = self._loads.cpu(model, None, choice, gguf)
        return npu, Prospect(BackendKind.CPU, plan.spec, first=first is BackendKind.CPU)

    def vocabularies(self, model: Model, wish: Wish) -> tuple[LoadSpec, ...]:
        """
        Give the files of which the tokens of *model* can be read, best first, at least one.

        Those of the NPU are files beside its weights: neither board nor library is needed.

        Raises:
            PreconditionError: as `candidates`, but for what the NPU lacks.
        """
        choice = self._choice(model, wish)
        gguf, npu = model.weights_of(Format.GGUF), model.weights_of(Format.RKLLM)
        if choice is BackendChoice.NPU and npu is None:
            self.candidates(model, wish)  # which says why
        found = []
        if npu is not None and choice is not BackendChoice.CPU:
            found.append((BackendKind.NPU, npu))
        if gguf is not None and choice is not BackendChoice.NPU:
            found.append((BackendKind.CPU, gguf))
        if not found:
            raise nowhere.no_gguf(model) if model.weights else nowhere.no_weights(model)
        return tuple(
            LoadSpec(
                kind,
                str(weights.path),
                model=str(model.name),
                tokenizer_folder=str(model.folder),
                vocabulary_only=True,
            )
            for kind, weights in found
        )

    def _first(self, model: Model) -> BackendKind | None:
        """On which backend *model* is loaded if nobody asks otherwise; None for none."""
        try:
            return self.candidates(model, Wish())[0].spec.backend
        except RkdError:
            return None

    def _choice(self, model: Model, wish: Wish) -> BackendChoice:
        if wish.backend is not None:
            return wish.backend
        own = model.recipe.parameter("backend")
        if isinstance(own, str) and own in set(BackendChoice):
            return BackendChoice(own)
        return self._settings.backend

    def ways(self, model: Model) -> tuple[Way, ...]:
        """The libraries *model* would be loaded with, best first; empty for none."""
        weights = model.weights_of(Format.RKLLM)
        if weights is None:
            return ()
        settings = self._settings
        return ways(
            settings.libraries,
            weights,
            self._remembered,
            wanted=str(model.recipe.parameter("rkllm_version") or ""),
            given=settings.libraries_given,
        )

    def libraries(self, model: Model) -> tuple[LibraryReport, ...]:
        """How each library of the board stands to *model*; empty without weights for the NPU."""
        weights = model.weights_of(Format.RKLLM)
        if weights is None:
            return ()
        wanted = str(model.recipe.parameter("rkllm_version") or "")
        found = self.ways(model)
        here = self._settings.libraries
        return report(here, weights, self._remembered, found, wanted=wanted)

    def _ways(self, model: Model, choice: BackendChoice) -> tuple[Way, ...] | RkdError:
        """The runtimes for *model*, or why the NPU is out of question."""
        if not model.weights:
            return nowhere.no_weights(model)
        if model.weights_of(Format.RKLLM) is None:
            return nowhere.not_on_npu(model, nowhere.NO_RKLLM)
        tried_anyway = choice is BackendChoice.NPU and self._settings.libraries_given
        if self._obstacle is not None and not tried_anyway:
            return nowhere.not_on_npu(model, self._obstacle)
        if not self._settings.libraries:
            return nowhere.not_on_npu(model, nowhere.NO_LIBRARY)
        found = self.ways(model)
        if found:
            return found
        return nowhere.no_such_version(model, self._settings.libraries)
